"""Any folder of recordings, with or without class folders."""

from __future__ import annotations

import os
from pathlib import Path

from ssl_pipeline.data.base import Data
from ssl_pipeline.data.base import holdout as set_aside
from ssl_pipeline.data.cache.sound_windows import Keep
from ssl_pipeline.data.folders.image_folder import choose_classes, find_parts, list_files, unreadable_limit
from ssl_pipeline.data.io.mel_statistics import sound_codec
from ssl_pipeline.data.io.recordings import Recordings, recordings, windows_of_files
from ssl_pipeline.data.io.sound import ENDINGS, common_rate

SOURCES = ("recording", "name")


def audio_folder(
    root: str,
    rate: int | None = None,
    seconds: float | int = 1.0,
    stride: float | int | None = None,
    features: str = "logmel",
    mels: int = 40,
    hop_ms: float | int = 10,
    window_ms: float | int = 25,
    labels: bool | str = "auto",
    source: str = "recording",
    holdout: float | int = 0.1,
    seed: int = 0,
    unreadable: str = "skip",
    max_unreadable: float | int = 0.05,
    in_memory: bool | str = "auto",
    cache: str | None = None,
    workers: int | None = None,
) -> Data:
    """A tree of recordings; its top-level folders are classes, or ``train`` and ``test`` (or ``val``), or mean nothing.

    Channels are averaged. A recording shorter than a window is padded; what is left at the end of a longer one counts
    if it is at least half a window.

    Args:
        root: the folder.
        rate: samples per second that all are brought to; the most common one among the files by default.
        seconds: length of a window.
        stride: seconds from the start of one window to the next; None: no overlap.
        features: "logmel", or "waveform" for the sound as it is.
        mels: bands of the log-mel spectrogram; of waveforms, of what tables compare with.
        hop_ms: milliseconds from one of its frames to the next.
        window_ms: milliseconds of sound that a frame is made of.
        labels: take the top-level folders as classes; "auto": where every recording lies in one and there are at least
            two.
        source: what stays on one side of the split: a "recording", or all those of one "name", which is the path below
            the top-level folder (the same sentence in several languages).
        holdout: fraction of the sources set aside for testing where there is no test folder.
        seed: of the choice of these.
        unreadable: leave unreadable files out, or stop.
        max_unreadable: largest fraction to leave out before stopping all the same.
        in_memory: true: windows in memory; false: in a mapped file; "auto": in such a file if reading takes over 2 s.
        cache: folder of that file; ``~/.cache/ssl_pipeline`` by default.
        workers: reading threads; as many as processors by default.

    Raises:
        FileNotFoundError: no such folder, or no recording in it.
        NotADirectoryError: a file.
        ValueError: too many unreadable files, no classes where ``labels=true``, or another option outside its bounds.
    """
    if source not in SOURCES:
        raise ValueError(f"expected source to be one of {', '.join(SOURCES)}, got {source!r}")
    keep = Keep(in_memory, cache, workers, unreadable_limit(unreadable, max_unreadable))
    path = Path(root).expanduser()
    places = find_parts(path, "recording")
    files = {part: list_files(place, ENDINGS, "recording") for part, place in places.items()}
    classes = choose_classes(files, labels, root, "recording")
    if rate is None:
        rate = common_rate([places["train"] / file for file in files["train"]], workers or os.cpu_count() or 1)
    codec, baseline = sound_codec(features, rate, seconds, mels, hop_ms, window_ms)

    def load(part: str, first: int = 0) -> Recordings:
        found = windows_of_files([places[part] / file for file in files[part]], codec, stride, keep)
        names = [name_of(file) if source == "name" else str(places[part] / file) for file in files[part]]
        numbers = [classes.index(file.parts[0]) for file in files[part]] if classes else None
        return recordings(found, codec, names, numbers, first)

    train = load("train")
    train, test = (train, load("test", first=len(train.paths))) if "test" in places else set_aside(train, holdout, seed)
    return Data(
        grid=codec.grid,
        train=train,
        test=test,
        classes=classes,
        name=path.resolve().name,
        codec=codec,
        baseline=baseline,
    )


def name_of(file: Path) -> str:
    """Path below the top-level folder, without its ending.

    >>> name_of(Path("en/digits/1.wav")) == name_of(Path("fr/digits/1.flac")) == "digits/1"
    True
    """
    return Path(*(file.parts[1:] or file.parts)).with_suffix("").as_posix()
