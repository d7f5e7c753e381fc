"""Image sets of the Hugging Face hub, or in any format that its library reads."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int64
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Data, holdout
from ssl_pipeline.data.codecs.image import Pixels, image_grid
from ssl_pipeline.data.huggingface.hf_images import HfImages
from ssl_pipeline.data.huggingface.hf_pixels import pixels_of, range_of_rows
from ssl_pipeline.data.io.memory_budget import MemoryBudget
from ssl_pipeline.data.io.remarks import say
from ssl_pipeline.data.io.value_range import RangeOption
from ssl_pipeline.data.options import Cache, HubSplit, Options, UnreadableFiles
from ssl_pipeline.utils.extras import require

# `datasets` is imported inside the functions: it is slow to import, and no other set needs it.

DEFAULT_LABEL = "label"


@register("data", "hf", settled={"cache.folder": None})
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
    unreadable: UnreadableFiles | Options = UnreadableFiles(),
    cache: Cache | Options = Cache(),
    streaming: bool = False,
    buffer: int = 1000,
    data_files: str | Sequence[str] | Mapping[str, Any] | None = None,
    revision: str | None = None,
) -> Data:
    """Whatever ``datasets.load_dataset`` loads, or ``save_to_disk`` wrote; code that comes with it is never run.

    Args:
        path: name on the hub, folder, address, or format ("parquet", "imagefolder", …) of ``data_files``.
        name: configuration of the set.
        split: which parts to learn from and to test on.
        image: column of the images.
        label: column of the labels (classes, texts or whole numbers); None, or no column "label": unlabelled.
            Where some are missing, probes leave those rows out. A stream is unlabelled unless they are classes.
        size: height and width in pixels: the shorter side is resized to it, the centre cropped.
        channels: 3, 1 for grey, or 4; see ``folder``.
        range: least and largest value of images deeper than 8 bits; see ``folder``.
        pages: the "first" of an image of several, or all of them as "channels".
        unreadable: what happens to rows whose image cannot be read.
        cache: how images are decoded and kept; not those of a stream.
        streaming: read while training instead of fetching everything first; the test part is then held in memory.
        buffer: samples among which a stream is shuffled.
        data_files: files of a format.
        revision: version on the hub.

    Raises:
        OSError: it cannot be loaded.
        ValueError: no such split or column, labels of another kind, or too many unreadable images.
    """
    split, unreadable, cache = HubSplit.of(split), UnreadableFiles.of(unreadable), Cache.of(cache)
    image_grid(size, channels, pages)  # refuses options before anything is fetched

    def load(part: str) -> tuple[Any, str | None]:
        rows = load_rows(path, name, part, data_files, revision, streaming)
        return rows, check_columns(rows, image, label)

    learnt, held_out = load(split.train), None if split.test is None else load(split.test)
    codec = Pixels(size, channels, range_of_rows(range, learnt[0], image, channels, pages), pages)
    if streaming:
        return _streamed(learnt, held_out, Path(path).name, image, codec, buffer, unreadable.limit)
    labels, classes = read_labels(*learnt)
    train = HfImages(learnt[0], image, labels, codec, unreadable, cache)
    if held_out is None:
        train, test = holdout(train, split.holdout, split.seed)
    else:
        test = HfImages(held_out[0], image, read_labels(*held_out, classes)[0], codec, unreadable, cache)
    return Data(grid=codec.grid, codec=codec, train=train, test=test, classes=classes, name=Path(path).name)


def _streamed(
    learnt: tuple[Any, str | None],
    held_out: tuple[Any, str | None] | None,
    called: str,
    image: str,
    codec: Pixels,
    buffer: int,
    limit: float | int,
) -> Data:
    """Parts, each as its rows and the column of their labels, that are read while training."""
    from ssl_pipeline.data.huggingface.hf_stream import HfStream, in_memory

    decode = partial(pixels_of, codec=codec, note=say, budget=MemoryBudget())

    def stream(rows: Any, column: str | None) -> HfStream:
        return HfStream(rows, image, column, decode, buffer, limit)

    train, test = stream(*learnt), None if held_out is None else in_memory(stream(*held_out))
    return Data(grid=codec.grid, codec=codec, train=train, test=test, classes=train.classes, name=called)


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
            f"check its name and the network, or set data.path to a folder"
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
            raise ValueError(f"there is no column {chosen!r}: set data.{name} to one of {', '.join(names)}")
    return label


def read_labels(
    rows: Any, column: str | None, classes: tuple[str, ...] | None = None
) -> tuple[Int64[Tensor, "N"] | None, tuple[str, ...] | None]:
    """Labels as numbers, -1 where one is missing, and the names of their classes, sorted where the set has no order.

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
    if isinstance(feature, datasets.ClassLabel):  # -1 is the hub's word for "kept secret"
        values = [None if value is None or value < 0 else feature.names[value] for value in values]
        classes = classes or tuple(feature.names)
    known = [value for value in values if value is not None]
    if not known:
        return None, None
    if not all(isinstance(value, (str, int)) for value in known):
        raise ValueError(
            f"expected labels that are classes, texts or whole numbers, got {feature} in column {column!r}: "
            f"set data.label to another column or to null"
        )
    found = tuple(str(value) for value in sorted(set(known)))
    if classes is not None and (unknown := sorted(set(found) - set(classes))):
        raise ValueError(f"the test part has labels that the training part lacks: {', '.join(unknown[:5])}")
    if len(known) < len(values):
        warnings.warn(
            f"{len(values) - len(known)} of {len(values)} rows have no label in column {column!r}: probes leave them "
            f"out, training does not",
            stacklevel=3,
        )
    numbers = {name: number for number, name in enumerate(classes or found)}
    return torch.tensor([-1 if value is None else numbers[str(value)] for value in values]), classes or found


def _plain(value: Any) -> Any:
    # Hydra hands over its own kinds of list and dict, which `datasets` does not take.
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return value if value is None or isinstance(value, str) else [_plain(part) for part in value]
