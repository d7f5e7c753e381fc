"""Speech Commands: single words, each said by many people."""

from __future__ import annotations

import os
import tempfile
from http.client import HTTPException
from pathlib import Path

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Data
from ssl_pipeline.data.io.mel_statistics import sound_codec
from ssl_pipeline.data.io.recordings import Recordings, recordings, windows_of_files
from ssl_pipeline.data.options import Cache, Options, Spectrogram, Windows
from ssl_pipeline.utils.extras import require

# torchaudio is imported inside the functions: it is slow to import, and only sound needs it.

_FOLDER = Path("SpeechCommands", "speech_commands_v0.02")


@register("data", "speech_commands", settled={"download": False, "cache.folder": None})
def speech_commands(
    root: str = "data",
    download: bool = True,
    rate: int = 16_000,
    seconds: float | int = 1.0,
    windows: Windows | Options = Windows(),
    features: str = "logmel",
    spectrogram: Spectrogram | Options = Spectrogram(),
    cache: Cache | Options = Cache(),
) -> Data:
    """85,000 + 11,000 recordings of 35 words, a second long (https://arxiv.org/abs/1804.03209), version 0.02.

    The label is the word, the source is the speaker. The official lists keep speakers apart; the list for validation
    is in neither part.

    Args:
        root: holds ``SpeechCommands/speech_commands_v0.02``.
        download: fetch it (2.3 GB) into ``root`` where it is not found.
        rate: samples per second.
        seconds: length of a window.
        windows: how recordings are cut.
        features: "logmel", or "waveform" for the sound as it is.
        spectrogram: of the log-mel features; of waveforms, of what tables compare with.
        cache: how they are decoded and kept.

    Raises:
        FileNotFoundError: not found and not to be downloaded, or incomplete.
        OSError: the download failed.
        ValueError: corrupt files, or an option outside its bounds.
    """
    require("soundfile", "audio", "data=speech_commands")
    windows, spectrogram, cache = Windows.of(windows), Spectrogram.of(spectrogram), Cache.of(cache)
    codec, baseline = sound_codec(features, rate, seconds, spectrogram)
    place = Path(root).expanduser()
    if not (place / _FOLDER).is_dir():
        if not download:
            raise FileNotFoundError(
                f"Speech Commands: expected the folder {str(_FOLDER)!r} in {root!r}, found none: "
                f"set data.root to the folder that holds it or download=true"
            )
        _download(place)
    listed = {part: _listed(place, part) for part in ("training", "testing")}
    classes = tuple(sorted({word for _, word, _ in listed["training"]}))

    def load(part: str, first: int = 0) -> Recordings:
        files, words, speakers = zip(*listed[part], strict=True)
        found = windows_of_files(files, codec, windows.stride, cache)
        return recordings(found, codec, speakers, [classes.index(word) for word in words], first)

    train = load("training")
    test = load("testing", first=len(train.paths))
    return Data(
        grid=codec.grid, train=train, test=test, classes=classes, name="speech_commands", codec=codec, baseline=baseline
    )


def _listed(root: Path, part: str) -> list[tuple[Path, str, str]]:
    """File, word and speaker of each recording."""
    from torchaudio.datasets import SPEECHCOMMANDS

    found = SPEECHCOMMANDS(root, subset=part)
    if not len(found):
        raise FileNotFoundError(
            f"Speech Commands: {str(root / _FOLDER)!r} holds no recording for {part}: delete it and fetch it again"
        )
    several = [found.get_metadata(number) for number in range(len(found))]
    return [(root / _FOLDER.parts[0] / file, word, speaker) for file, _, word, speaker, _ in several]


def _download(root: Path) -> None:
    from torchaudio.datasets import SPEECHCOMMANDS

    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root) as temporary:  # moved whole, so that no half of it is ever found
        try:
            SPEECHCOMMANDS(temporary, download=True)
        except (OSError, HTTPException, RuntimeError) as error:  # RuntimeError: wrong checksum
            raise OSError(
                f"Speech Commands: it is neither in {str(root)!r} nor could it be downloaded ({error}): "
                f"set data.root to the folder that holds {str(_FOLDER)!r}"
            ) from error
        (root / _FOLDER).parent.mkdir(exist_ok=True)
        os.rename(Path(temporary, _FOLDER), root / _FOLDER)
