"""Any folder of recordings, with or without class folders."""

from __future__ import annotations

from pathlib import Path

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Data, holdout
from ssl_pipeline.data.folders.tree import Tree
from ssl_pipeline.data.io.mel_statistics import sound_codec
from ssl_pipeline.data.io.recordings import Recordings, recordings, windows_of_files
from ssl_pipeline.data.io.sound import SOUND_ENDINGS, common_rate
from ssl_pipeline.data.io.sound_range import sound_range_of
from ssl_pipeline.data.io.value_range import RangeOption
from ssl_pipeline.data.options import Cache, Options, Spectrogram, Split, UnreadableFiles, Windows
from ssl_pipeline.utils.extras import require

_SOURCES = ("recording", "name")


@register("data", "audio_folder", settled={"cache.folder": None})
def audio_folder(
    root: str,
    rate: int | None = None,
    seconds: float | int = 1.0,
    range: RangeOption = "auto",
    windows: Windows | Options = Windows(),
    features: str = "logmel",
    spectrogram: Spectrogram | Options = Spectrogram(),
    labels: bool | str = "auto",
    source: str = "recording",
    split: Split | Options = Split(),
    unreadable: UnreadableFiles | Options = UnreadableFiles(),
    cache: Cache | Options = Cache(),
) -> Data:
    """A tree of recordings; its top-level folders are classes, or ``train`` and ``test`` (or ``val``), or mean nothing.

    Channels are averaged. A short recording is padded; a rest of at least half a window counts.

    Args:
        root: the folder.
        rate: samples per second that all are brought to; the most common one among the files by default.
        seconds: length of a window.
        range: values in files that become -1 and 1, [-a, a]; None: -1 and 1; "auto": these, or see ``sound_range_of``.
        windows: how recordings are cut.
        features: "logmel", or "waveform" for the sound as it is.
        spectrogram: of the log-mel features; of waveforms, of what tables compare with.
        labels: take the top-level folders as classes; "auto": where every recording lies in one of at least two.
        source: what stays on one side of the split: a "recording", or all of one "name" (path below the top folder).
        split: which recordings are held out.
        unreadable: what happens to files that cannot be read.
        cache: how they are decoded and kept.

    Raises:
        FileNotFoundError: no such folder, or no recording in it.
        NotADirectoryError: a file.
        ValueError: too many unreadable files, no classes where ``labels=true``, or another option outside its bounds.
    """
    require("soundfile", "audio", "data=audio_folder")
    windows, spectrogram, split = Windows.of(windows), Spectrogram.of(spectrogram), Split.of(split)
    unreadable, cache = UnreadableFiles.of(unreadable), Cache.of(cache)
    if source not in _SOURCES:
        raise ValueError(f"expected source to be one of {', '.join(_SOURCES)}, got {source!r}")
    tree = Tree.of(Path(root).expanduser(), SOUND_ENDINGS, labels, "recording")
    files = tree.paths("train")
    rate = common_rate(files, cache.threads) if rate is None else rate
    found = sound_range_of(range, len(files), lambda number: files[number], cache.threads)
    codec, baseline = sound_codec(features, rate, seconds, spectrogram, found)

    def load(part: str, first: int = 0) -> Recordings:
        paths, label = tree.paths(part), tree.labels(part)
        found = windows_of_files(paths, codec, windows.stride, cache, unreadable.limit)
        names = [name_of(file) for file in tree.files[part]] if source == "name" else [*map(str, paths)]
        return recordings(found, codec, names, None if label is None else label.tolist(), first)

    train = load("train")
    test = load("test", first=len(train.paths)) if tree.has_test else None
    if test is None:
        train, test = holdout(train, split.holdout, split.seed)
    return Data(codec.grid, train, test, tree.classes, tree.name, codec=codec, baseline=baseline)


def name_of(file: Path) -> str:
    """Path below the top-level folder, without its ending.

    >>> name_of(Path("en/digits/1.wav")) == name_of(Path("fr/digits/1.flac")) == "digits/1"
    True
    """
    return Path(*(file.parts[1:] or file.parts)).with_suffix("").as_posix()
