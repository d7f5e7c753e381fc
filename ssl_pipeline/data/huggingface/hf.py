"""Image sets of the Hugging Face hub, or in any format that its library reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Data, Index, holdout
from ssl_pipeline.data.codecs.image import Pixels, image_grid
from ssl_pipeline.data.huggingface.hf_pixels import pixels_of, range_of_rows, undecoded
from ssl_pipeline.data.io.value_range import RangeOption
from ssl_pipeline.data.options import HubSplit, Options
from ssl_pipeline.structures.batch import Batch
from ssl_pipeline.utils.extras import require

# `datasets` is imported inside the functions: it is slow to import, and no other set needs it.

DEFAULT_LABEL = "label"


@register("data", "hf")
def hf(
    path: str,
    name: str | None = None,
    split: HubSplit | Options = HubSplit(),
    image: str = "image",
    label: str | None = DEFAULT_LABEL,
    size: int = 64,
    channels: int = 3,
    range: RangeOption = "auto",
    pages: str = "first",
    streaming: bool = False,
    buffer: int = 1000,
    data_files: str | Sequence[str] | Mapping[str, Any] | None = None,
    revision: str | None = None,
) -> Data:
    """Whatever ``datasets.load_dataset`` loads, or a folder (or address) that ``save_to_disk`` wrote.

    Code that comes with a data set is never run.

    Args:
        path: name on the hub, folder, address, or format ("parquet", "imagefolder", …) of ``data_files``.
        name: configuration of the set.
        split: which parts to learn from and to test on.
        image: column of the images.
        label: column of the labels (classes, texts or whole numbers); None, or no column "label": unlabelled.
            A part in which some are missing is unlabelled, and so is a stream unless they are classes.
        size: height and width in pixels: the shorter side is resized to it, the centre cropped.
        channels: 3, 1 for grey, or 4; see ``folder``.
        range: least and largest value of images deeper than 8 bits; see ``folder``.
        pages: the "first" of an image of several, or all of them as "channels".
        streaming: read while training instead of fetching everything first; the test part is then held in memory.
        buffer: samples among which a stream is shuffled.
        data_files: files of a format.
        revision: version on the hub.

    Raises:
        OSError: it cannot be loaded.
        ValueError: no such split or column, or labels of another kind.
    """
    split, called = HubSplit.of(split), Path(path).name
    image_grid(size, channels, pages)  # refuses options before anything is fetched

    def load(part: str) -> tuple[Any, str | None]:
        rows = load_rows(path, name, part, data_files, revision, streaming)
        return rows, check_columns(rows, image, label)

    rows, column = load(split.train)
    codec = Pixels(size, channels, range_of_rows(range, rows, image, channels, pages), pages)
    if streaming:
        held_out = None if split.test is None else load(split.test)
        return _streamed((rows, column), held_out, called, image, codec, buffer)
    labels, classes = read_labels(rows, column)
    train = HfImages(rows, image, labels, codec)
    if split.test is None:
        train, test = holdout(train, split.holdout, split.seed)
    else:
        rows, column = load(split.test)
        test = HfImages(rows, image, read_labels(rows, column, classes)[0], codec)
    return Data(grid=codec.grid, codec=codec, train=train, test=test, classes=classes, name=called)


def _streamed(
    learnt: tuple[Any, str | None],
    held_out: tuple[Any, str | None] | None,
    called: str,
    image: str,
    codec: Pixels,
    buffer: int,
) -> Data:
    """Parts, each as its rows and the column of their labels, that are read while training."""
    from ssl_pipeline.data.huggingface.hf_stream import HfStream, in_memory

    def stream(rows: Any, column: str | None) -> HfStream:
        return HfStream(rows, image, column, partial(pixels_of, codec=codec), buffer)

    train, test = stream(*learnt), None if held_out is None else in_memory(stream(*held_out))
    return Data(grid=codec.grid, codec=codec, train=train, test=test, classes=train.classes, name=called)


class HfImages:
    """Rows that stay in their mapped Arrow files; images are decoded and resized when they are asked for."""

    def __init__(self, rows: Any, image: str, labels: Int64[Tensor, "N"] | None, codec: Pixels) -> None:
        self.table, self.rows = rows, undecoded(rows.select_columns([image]), image)
        self.image, self.labels, self.codec = image, labels, codec
        self.sources = torch.arange(len(rows))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Index) -> Batch:
        where = torch.as_tensor(index, dtype=torch.int64)
        numbers: list[int] = where.tolist()
        values = self.rows[numbers][self.image]
        pixels = [pixels_of(value, i, self.codec) for i, value in zip(numbers, values, strict=True)]
        label = None if self.labels is None else self.labels[where]
        return Batch(x=torch.from_numpy(np.stack(pixels)), source=where, label=label)


def load_rows(
    path: str,
    name: str | None,
    split: str,
    data_files: str | Sequence[str] | Mapping[str, Any] | None,
    revision: str | None,
    streaming: bool,
) -> Any:
    """One split as a ``datasets.Dataset``, or a ``datasets.IterableDataset`` if streaming.

    Raises:
        OSError: it cannot be loaded.
        ValueError: no such split, or a format that is made of code.
    """
    require("datasets", "hf", "a data set of the Hugging Face hub")
    import datasets
    from datasets.exceptions import DatasetsError

    if path == "pandas":
        raise ValueError("the format 'pandas' is pickle, which can run code: store the set as parquet")
    saved = "://" in path or any(Path(path, mark).is_file() for mark in ("state.json", "dataset_dict.json"))
    try:
        if not saved:
            files = _plain(data_files)
            return datasets.load_dataset(
                path, name, split=split, data_files=files, revision=revision, streaming=streaming
            )
        rows = datasets.load_from_disk(path)
    except (OSError, DatasetsError) as error:
        raise OSError(
            f"the data set {path!r} cannot be loaded ({' '.join(str(error).split())}): "
            f"check its name and the network, or set path to a folder"
        ) from error
    if isinstance(rows, datasets.DatasetDict):
        if split not in rows:
            raise ValueError(f"{path!r} has no split {split!r}: its splits are {', '.join(map(str, rows))}")
        rows = rows[split]
    elif split not in ("train", str(rows.split)):
        raise ValueError(f"{path!r} was saved as one part without splits, but split {split!r} was asked for")
    return rows.to_iterable_dataset(num_shards=min(16, len(rows)) or 1) if streaming else rows


def check_columns(rows: Any, column: str, label: str | None, option: str = "image") -> str | None:
    """Column of the labels, if there is one.

    Args:
        option: name of the option that chose ``column``.

    Raises:
        ValueError: a column that was asked for does not exist.
    """
    names = rows.column_names or list(next(iter(rows), {}))
    for name, chosen in ((option, column), ("label", label)):
        if chosen is not None and chosen not in names:
            if name == "label" and chosen == DEFAULT_LABEL:
                return None
            raise ValueError(f"there is no column {chosen!r}: set {name} to one of {', '.join(names)}")
    return label


def read_labels(
    rows: Any, column: str | None, classes: tuple[str, ...] | None = None
) -> tuple[Int64[Tensor, "N"] | None, tuple[str, ...] | None]:
    """Labels as numbers and the names of their classes, in sorted order where the set gives none.

    Args:
        classes: those of the part that was read before.

    Raises:
        ValueError: labels that are neither classes, texts nor whole numbers, or that ``classes`` lacks.
    """
    import datasets

    if column is None:
        return None, None
    values = rows.select_columns([column]).with_format("arrow")[:][column].to_pylist()
    feature = rows.features[column]
    if isinstance(feature, datasets.ClassLabel):
        if any(value is None or value < 0 for value in values):  # -1 is the hub's word for "kept secret"
            return None, None
        return torch.tensor(values), tuple(feature.names)
    if any(value is None for value in values):
        return None, None
    if not all(isinstance(value, (str, int)) for value in values):
        raise ValueError(
            f"expected labels that are classes, texts or whole numbers, got {feature} in column {column!r}: "
            f"set label to another column or to null"
        )
    found = tuple(str(value) for value in sorted(set(values)))
    if classes is not None and (unknown := sorted(set(found) - set(classes))):
        raise ValueError(f"the test part has labels that the training part lacks: {', '.join(unknown[:5])}")
    numbers = {value: number for number, value in enumerate(classes or found)}
    return torch.tensor([numbers[str(value)] for value in values]), classes or found


def _plain(value: Any) -> Any:
    # Hydra hands over its own kinds of list and dict, which `datasets` does not take.
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return value if value is None or isinstance(value, str) else [_plain(part) for part in value]
