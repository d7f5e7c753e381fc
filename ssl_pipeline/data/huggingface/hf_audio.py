"""Recordings of the Hugging Face hub, or in any format that its library reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from ssl_pipeline.data.base import Data
from ssl_pipeline.data.base import holdout as set_aside
from ssl_pipeline.data.cache.folder import fingerprint
from ssl_pipeline.data.cache.sound_windows import VERSION, Keep, load_windows
from ssl_pipeline.data.huggingface.hf import DEFAULT_LABEL, check_columns, load_rows, read_labels
from ssl_pipeline.data.io.mel_statistics import sound_codec
from ssl_pipeline.data.io.recordings import Recordings, recordings
from ssl_pipeline.data.io.sound import Sound, read_sound

# `datasets` is imported inside the functions: it is slow to import, and no other set needs it.


def hf_audio(
    path: str,
    name: str | None = None,
    split: str = "train",
    test_split: str | None = None,
    audio: str = "audio",
    label: str | None = DEFAULT_LABEL,
    source: str | None = None,
    rate: int = 16_000,
    seconds: float | int = 1.0,
    stride: float | int | None = None,
    features: str = "logmel",
    mels: int = 40,
    hop_ms: float | int = 10,
    window_ms: float | int = 25,
    holdout: float | int = 0.1,
    seed: int = 0,
    max_unreadable: float | int = 0.05,
    in_memory: bool | str = "auto",
    cache: str | None = None,
    workers: int | None = None,
    data_files: str | Sequence[str] | Mapping[str, Any] | None = None,
    revision: str | None = None,
) -> Data:
    """Whatever ``datasets.load_dataset`` loads, or a folder (or address) that ``save_to_disk`` wrote.

    Code that comes with a data set is never run. All recordings are read once, when the set is loaded.

    Args:
        path: name on the hub, folder, address, or format ("parquet", "audiofolder", …) of ``data_files``.
        name: configuration of the set.
        split: part to learn from, such as "train" or "train[:10%]".
        test_split: held-out part; without one a fraction of ``split`` is set aside.
        audio: column of the recordings: sounds, or the bytes or paths of files.
        label: column of the labels (classes, texts or whole numbers); None, or no column "label": unlabelled.
        source: column that tells what stays on one side of the split, such as the speaker; None: each recording,
            as where a row names none.
        rate: samples per second that all are brought to.
        seconds: length of a window.
        stride: seconds from the start of one window to the next; None: no overlap.
        features: "logmel", or "waveform" for the sound as it is.
        mels: bands of the log-mel spectrogram; of waveforms, of what tables compare with.
        hop_ms: milliseconds from one of its frames to the next.
        window_ms: milliseconds of sound that a frame is made of.
        holdout: fraction of the sources set aside.
        seed: of the choice of these.
        max_unreadable: largest fraction of unreadable recordings to leave out before stopping.
        in_memory: true: windows in memory; false: in a mapped file; "auto": in such a file if reading takes over 2 s.
        cache: folder of that file; ``~/.cache/ssl_pipeline`` by default.
        workers: reading threads; as many as processors by default.
        data_files: files of a format.
        revision: version on the hub.

    Raises:
        OSError: it cannot be loaded.
        ValueError: no such split or column, labels of another kind, or too many unreadable recordings.
    """
    codec, baseline = sound_codec(features, rate, seconds, mels, hop_ms, window_ms)
    keep = Keep(in_memory, cache, workers, max_unreadable)

    def load(
        part: str, classes: tuple[str, ...] | None = None, first: int = 0
    ) -> tuple[Recordings, tuple[str, ...] | None]:
        rows = load_rows(path, name, part, data_files, revision, streaming=False)
        column = check_columns(rows, audio, label, option="audio")
        if source is not None:
            check_columns(rows, source, None, option="source")
        labels, classes = read_labels(rows, column, classes)
        found = load_windows(
            read=reader(rows, audio),
            names=[f"row {number}" for number in range(len(rows))],
            # What `datasets` itself names its cached files by: it changes with the data.
            key=fingerprint((), f"sound {VERSION} {rows._fingerprint} {audio} {codec} {stride}"),
            codec=codec,
            stride=stride,
            keep=keep,
        )
        if source is None:
            sources = [f"{number:09}" for number in range(len(rows))]
        else:
            named = rows.select_columns([source]).with_format("arrow")[:][source].to_pylist()
            sources = [f"{number:09}" if name is None else str(name) for number, name in enumerate(named)]
        return recordings(found, codec, sources, None if labels is None else labels.tolist(), first), classes

    train, classes = load(split)
    if test_split is None:
        train, test = set_aside(train, holdout, seed)
    else:
        test = load(test_split, classes, first=len(train.paths))[0]
    return Data(
        grid=codec.grid, train=train, test=test, classes=classes, name=Path(path).name, codec=codec, baseline=baseline
    )


def reader(rows: Any, column: str) -> Callable[[int], Sound]:
    """Reads the recording of a row, without the decoder of `datasets`, which needs one more package."""
    import datasets

    rows = rows.select_columns([column])
    if isinstance(rows.features[column], datasets.Audio):
        rows = rows.cast_column(column, datasets.Audio(decode=False))
    return lambda number: sound_of(rows[number][column])


def sound_of(value: Any) -> Sound:
    """A recording given as bytes or path.

    Raises:
        TypeError: it is given as something else.
        soundfile.SoundFileError: it cannot be decoded.
    """
    if isinstance(value, dict):
        value = value.get("path") if value.get("bytes") is None else value["bytes"]
    if isinstance(value, bytes):
        return read_sound(BytesIO(value))
    if isinstance(value, str):
        return read_sound(value)
    raise TypeError(f"expected the bytes or the path of a recording, got {type(value).__name__}")
