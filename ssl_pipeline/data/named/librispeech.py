"""LibriSpeech: books read aloud."""

from __future__ import annotations

import os
import tempfile
from http.client import HTTPException
from pathlib import Path

from ssl_pipeline.data.base import Data
from ssl_pipeline.data.base import holdout as set_aside
from ssl_pipeline.data.cache.sound_windows import Keep
from ssl_pipeline.data.io.mel_statistics import sound_codec
from ssl_pipeline.data.io.recordings import recordings, windows_of_files

# torchaudio is imported inside the functions: it is slow to import, and only sound needs it.

FOLDER = "LibriSpeech"
SUBSETS = (
    "dev-clean",
    "dev-other",
    "test-clean",
    "test-other",
    "train-clean-100",
    "train-clean-360",
    "train-other-500",
)
SOURCES = ("recording", "chapter", "speaker")


def librispeech(
    root: str = "data",
    subset: str = "train-clean-100",
    download: bool = True,
    rate: int = 16_000,
    seconds: float | int = 2.0,
    stride: float | int | None = None,
    features: str = "logmel",
    mels: int = 40,
    hop_ms: float | int = 10,
    window_ms: float | int = 25,
    source: str = "recording",
    holdout: float | int = 0.1,
    seed: int = 0,
    in_memory: bool | str = "auto",
    cache: str | None = None,
    workers: int | None = None,
) -> Data:
    """English books read aloud (https://www.openslr.org/12); the label is the speaker.

    Args:
        root: holds ``LibriSpeech``.
        subset: which part of it: "train-clean-100" is 100 hours, "dev-clean" five.
        download: fetch it (6.3 GB, or 340 MB) into ``root`` where it is not found.
        rate: samples per second.
        seconds: length of a window.
        stride: seconds from the start of one window to the next; None: no overlap.
        features: "logmel", or "waveform" for the sound as it is.
        mels: bands of the log-mel spectrogram; of waveforms, of what tables compare with.
        hop_ms: milliseconds from one of its frames to the next.
        window_ms: milliseconds of sound that a frame is made of.
        source: what stays on one side of the split: a "recording" (a sentence or two), a "chapter" or a "speaker",
            who is then unknown when tested.
        holdout: fraction of the sources set aside for testing.
        seed: of the choice of these.
        in_memory: true: windows in memory; false: in a mapped file; "auto": in such a file if reading takes over 2 s.
        cache: folder of that file; ``~/.cache/ssl_pipeline`` by default.
        workers: reading threads; as many as processors by default.

    Raises:
        FileNotFoundError: not found and not to be downloaded, or incomplete.
        OSError: the download failed.
        ValueError: damaged files, or an option outside its bounds.
    """
    for name, value, allowed in (("subset", subset, SUBSETS), ("source", source, SOURCES)):
        if value not in allowed:
            raise ValueError(f"expected {name} to be one of {', '.join(allowed)}, got {value!r}")
    codec, baseline = sound_codec(features, rate, seconds, mels, hop_ms, window_ms)
    place = Path(root).expanduser()
    if not (place / FOLDER / subset).is_dir():
        if not download:
            raise FileNotFoundError(
                f"LibriSpeech: expected the folder '{FOLDER}/{subset}' in {root!r}, found none: "
                f"set root to the folder that holds {FOLDER!r}, or download=true"
            )
        _download(place, subset)
    files, speakers, chapters = zip(*_listed(place, subset), strict=True)
    sources = {"recording": [str(file) for file in files], "chapter": chapters, "speaker": speakers}[source]
    classes = tuple(sorted(set(speakers)))
    found = windows_of_files(files, codec, stride, Keep(in_memory, cache, workers))
    whole = recordings(found, codec, sources, [classes.index(speaker) for speaker in speakers])
    train, test = set_aside(whole, holdout, seed)
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
            f"LibriSpeech: {str(root / FOLDER / subset)!r} holds no recording: delete it and fetch it again"
        )
    return [(root / FOLDER / file, str(speaker), f"{speaker}-{chapter}") for file, _, _, speaker, chapter, _ in several]


def _download(root: Path, subset: str) -> None:
    from torchaudio.datasets import LIBRISPEECH

    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root) as temporary:  # moved whole, so that no half of it is ever found
        try:
            LIBRISPEECH(temporary, url=subset, download=True)
        except (OSError, HTTPException, RuntimeError) as error:  # RuntimeError: wrong checksum
            raise OSError(
                f"LibriSpeech: {subset} is neither in {str(root)!r} nor could it be downloaded ({error}): "
                f"set root to the folder that holds {FOLDER!r}"
            ) from error
        (root / FOLDER).mkdir(exist_ok=True)
        os.rename(Path(temporary, FOLDER, subset), root / FOLDER / subset)
