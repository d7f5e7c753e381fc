"""Recordings of the Hugging Face hub, or in any format that its library reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Classes, Data, holdout
from ssl_pipeline.data.cache.folder import fingerprint
from ssl_pipeline.data.cache.sound_windows import WINDOWS_VERSION, SoundWindows, load_windows
from ssl_pipeline.data.codecs.sound import SoundCodec
from ssl_pipeline.data.huggingface.hf import DEFAULT_LABEL, check_columns, load_rows, read_labels
from ssl_pipeline.data.huggingface.hf_cells import cell_content
from ssl_pipeline.data.io.mel_statistics import sound_codec
from ssl_pipeline.data.io.recordings import Recordings, recordings
from ssl_pipeline.data.io.sound import read_sound
from ssl_pipeline.data.io.sound_range import sound_range_of
from ssl_pipeline.data.io.value_range import RangeOption
from ssl_pipeline.data.options import Cache, HubSplit, Options, Spectrogram, UnreadableFiles, Windows
from ssl_pipeline.utils.extras import require

# `datasets` is imported inside the functions: it is slow to import, and no other set needs it.


@register("data", "hf_audio", settled={"cache.folder": None})
def hf_audio(
    path: str,
    name: str | None = None,
    split: HubSplit | Options = HubSplit(),
    audio: str = "audio",
    label: str | None = DEFAULT_LABEL,
    source: str | None = None,
    rate: int = 16_000,
    seconds: float | int = 1.0,
    range: RangeOption = "auto",
    windows: Windows | Options = Windows(),
    features: str = "logmel",
    spectrogram: Spectrogram | Options = Spectrogram(),
    unreadable: UnreadableFiles | Options = UnreadableFiles(),
    cache: Cache | Options = Cache(),
    data_files: str | Sequence[str] | Mapping[str, Any] | None = None,
    revision: str | None = None,
) -> Data:
    """Whatever ``datasets.load_dataset`` loads, or ``save_to_disk`` wrote; its code is never run. All of it is read.

    Args:
        path: name on the hub, folder, address, or format ("parquet", "audiofolder", …) of ``data_files``.
        name: configuration of the set.
        split: which parts to learn from and to test on.
        audio: column of the recordings: sounds, or the bytes or paths of files.
        label: column of the labels (classes, texts or whole numbers); None, or no column "label": unlabelled.
        source: column that tells what stays on one side of the split, such as the speaker; None: each recording.
        rate: samples per second that all are brought to.
        seconds: length of a window.
        range: values in files that become -1 and 1; see ``audio_folder``.
        windows: how recordings are cut.
        features: "logmel", or "waveform" for the sound as it is.
        spectrogram: of the log-mel features; of waveforms, of what tables compare with.
        unreadable: what happens to files that cannot be read.
        cache: how they are decoded and kept.
        data_files: files of a format.
        revision: version on the hub.

    Raises:
        OSError: it cannot be loaded.
        ValueError: no such split or column, labels of another kind, or too many unreadable recordings.
    """
    require("soundfile", "audio", "data=hf_audio")
    windows, spectrogram, split = Windows.of(windows), Spectrogram.of(spectrogram), HubSplit.of(split)
    unreadable, cache = UnreadableFiles.of(unreadable), Cache.of(cache)
    rows_of = partial(load_rows, path, name, data_files=data_files, revision=revision, streaming=False)
    learnt = rows_of(split.train)
    bounds = sound_range_of(range, len(learnt), _recordings_of(learnt, audio), cache.threads)
    codec, baseline = sound_codec(features, rate, seconds, spectrogram, bounds)

    def load(rows: Any, classes: Classes = None, first: int = 0) -> tuple[Recordings, Classes]:
        names, column = _sources_of(rows, source), check_columns(rows, audio, label, option="audio")
        labels, classes = read_labels(rows, column, classes)
        found = windows_of_rows(rows, audio, codec, windows.stride, cache, unreadable.limit)
        return recordings(found, codec, names, None if labels is None else labels.tolist(), first), classes

    train, classes = load(learnt)
    test = None if split.test is None else load(rows_of(split.test), classes, first=len(train.paths))[0]
    train, test = holdout(train, split.holdout, split.seed) if test is None else (train, test)
    return Data(codec.grid, train, test, classes, Path(path).name, codec=codec, baseline=baseline)


def windows_of_rows(
    rows: Any, column: str, codec: SoundCodec, stride: float | int | None, cache: Cache, limit: float | int
) -> SoundWindows:
    """All windows of the recordings of a column; see ``windows_of_files``."""
    files = _recordings_of(rows, column)
    return load_windows(
        read=lambda number: read_sound(files(number)),
        names=[f"row {number}" for number in range(len(rows))],
        # What `datasets` itself names its cached files by: it changes with the data.
        key=fingerprint((), f"sound {WINDOWS_VERSION} {rows._fingerprint} {column} {codec} {stride}"),
        codec=codec,
        stride=stride,
        cache=cache,
        limit=limit,
    )


def _sources_of(rows: Any, column: str | None) -> list[str]:
    """What each row belongs to: the value of a column, or itself where there is none.

    Raises:
        ValueError: there is no such column.
    """
    if column is None:
        return [f"{number:09}" for number in range(len(rows))]
    check_columns(rows, column, None, option="source")
    named = rows.select_columns([column]).with_format("arrow")[:][column].to_pylist()
    return [f"{number:09}" if name is None else str(name) for number, name in enumerate(named)]


def _recordings_of(rows: Any, column: str) -> Callable[[int], BytesIO | str]:
    """The file of a row's recording, without the decoder of `datasets`, which needs one more package."""
    import datasets

    check_columns(rows, column, None, option="audio")
    rows = rows.select_columns([column])
    if isinstance(rows.features[column], datasets.Audio):
        rows = rows.cast_column(column, datasets.Audio(decode=False))
    return lambda number: recording_file(rows[number][column])


def recording_file(value: Any) -> BytesIO | str:
    """A file given as bytes or path.

    Raises:
        TypeError: it is given as something else.
    """
    found = cell_content(value)
    if isinstance(found, BytesIO | str):
        return found
    raise TypeError(f"expected the bytes or the path of a recording, got {type(found).__name__}")
