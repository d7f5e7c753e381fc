"""LibriSpeech: books read aloud."""

from __future__ import annotations

import os
import tempfile
from http.client import HTTPException
from pathlib import Path

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Data, holdout
from ssl_pipeline.data.io.mel_statistics import sound_codec
from ssl_pipeline.data.io.recordings import recordings, windows_of_files
from ssl_pipeline.data.options import Cache, Options, Spectrogram, Split, Windows
from ssl_pipeline.utils.extras import require

# torchaudio is imported inside the functions: it is slow to import, and only sound needs it.

_FOLDER = "LibriSpeech"
_SUBSETS = (
    "dev-clean",
    "dev-other",
    "test-clean",
    "test-other",
    "train-clean-100",
    "train-clean-360",
    "train-other-500",
)
_SOURCES = ("recording", "chapter", "speaker")


@register("data", "librispeech", settled={"download": False, "cache.folder": None})
def librispeech(
    root: str = "data",
    subset: str = "train-clean-100",
    download: bool = True,
    rate: int = 16_000,
    seconds: float | int = 2.0,
    windows: Windows | Options = Windows(),
    features: str = "logmel",
    spectrogram: Spectrogram | Options = Spectrogram(),
    source: str = "recording",
    split: Split | Options = Split(),
    cache: Cache | Options = Cache(),
) -> Data:
    """English books read aloud (https://www.openslr.org/12); the label is the speaker.

    Args:
        root: holds ``LibriSpeech``.
        subset: which part of it: "train-clean-100" is 100 hours, "dev-clean" five.
        download: fetch it (6.3 GB, or 340 MB) into ``root`` where it is not found.
        rate: samples per second.
        seconds: length of a window.
        windows: how recordings are cut.
        features: "logmel", or "waveform" for the sound as it is.
        spectrogram: of the log-mel features; of waveforms, of what tables compare with.
        source: what stays on one side of the split: a "recording" (a sentence or two), a "chapter" or a "speaker",
            who is then unknown when tested.
        split: which recordings are held out.
        cache: how they are decoded and kept.

    Raises:
        FileNotFoundError: not found and not to be downloaded, or incomplete.
        OSError: the download failed.
        ValueError: corrupt files, or an option outside its bounds.
    """
    require("soundfile", "audio", "data=librispeech")
    windows, spectrogram = Windows.of(windows), Spectrogram.of(spectrogram)
    split, cache = Split.of(split), Cache.of(cache)
    for name, value, allowed in (("subset", subset, _SUBSETS), ("source", source, _SOURCES)):
        if value not in allowed:
            raise ValueError(f"expected {name} to be one of {', '.join(allowed)}, got {value!r}")
    codec, baseline = sound_codec(features, rate, seconds, spectrogram)
    place = Path(root).expanduser()
    if not (place / _FOLDER / subset).is_dir():
        if not download:
            raise FileNotFoundError(
                f"LibriSpeech: expected the folder '{_FOLDER}/{subset}' in {root!r}, found none: "
                f"set data.root to the folder that holds {_FOLDER!r}, or download=true"
            )
        _download(place, subset)
    files, speakers, chapters = zip(*_listed(place, subset), strict=True)
    sources = {"recording": [str(file) for file in files], "chapter": chapters, "speaker": speakers}[source]
    classes = tuple(sorted(set(speakers)))
    found = windows_of_files(files, codec, windows.stride, cache)
    whole = recordings(found, codec, sources, [classes.index(speaker) for speaker in speakers])
    train, test = holdout(whole, split.holdout, split.seed)
    return Data(
        grid=codec.grid, train=train, test=test, classes=classes, name="librispeech", codec=codec, baseline=baseline
    )


def _listed(root: Path, subset: str) -> list[tuple[Path, str, str]]:
    """File, speaker and chapter of each recording."""
    from torchaudio.datasets import LIBRISPEECH

    found = LIBRISPEECH(root, url=subset)
    several = [found.get_metadata(number) for number in range(len(found))]
    if not several:
        raise FileNotFoundError(
            f"LibriSpeech: {str(root / _FOLDER / subset)!r} holds no recording: delete it and fetch it again"
        )
    return [
        (root / _FOLDER / file, str(speaker), f"{speaker}-{chapter}") for file, _, _, speaker, chapter, _ in several
    ]


def _download(root: Path, subset: str) -> None:
    from torchaudio.datasets import LIBRISPEECH

    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root) as temporary:  # moved whole, so that no half of it is ever found
        try:
            LIBRISPEECH(temporary, url=subset, download=True)
        except (OSError, HTTPException, RuntimeError) as error:  # RuntimeError: wrong checksum
            raise OSError(
                f"LibriSpeech: {subset} is neither in {str(root)!r} nor could it be downloaded ({error}): "
                f"set data.root to the folder that holds {_FOLDER!r}"
            ) from error
        (root / _FOLDER).mkdir(exist_ok=True)
        os.rename(Path(temporary, _FOLDER, subset), root / _FOLDER / subset)
