"""Map-style data sets of anyone's: items by number, stacked into batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64
from PIL.Image import Image
from torch import Tensor
from torch.utils.data import default_collate

from ssl_pipeline.data.base import Classes, Index
from ssl_pipeline.data.codecs.image import Pixels, to_pixels
from ssl_pipeline.data.in_python.labels import known_labels, numbered_labels
from ssl_pipeline.data.in_python.parts import PythonPart, Reading
from ssl_pipeline.data.in_python.samples import on_grid
from ssl_pipeline.data.io.pixel_range import range_of
from ssl_pipeline.data.io.remarks import say
from ssl_pipeline.data.loaders import LABEL_NAMES, SAMPLE_NAMES, as_batch
from ssl_pipeline.structures.batch import Batch

Collate = Callable[[list[Any]], Any]
_SEEN = 256  # items that are read to see what values they have
_LARGEST = 64  # pixels, where nobody says a size


class Items:
    """Whole batches of a data set that gives items.

    Args:
        items: with ``__getitem__`` and ``__len__``; ``__getitems__``, where there is one, is asked for a batch at once.
        read: makes tensors of what an item holds.
        collate: stacks items.
        labels: of all items, where they are known; None: those that the items hold.
        classes: names by which the labels that items hold are numbered; None or (): they are numbers already.
    """

    def __init__(
        self,
        items: Any,
        read: Callable[[Any], Any],
        collate: Collate = default_collate,
        labels: Int64[Tensor, "N"] | None = None,
        classes: Classes = None,
    ) -> None:
        self.items, self.read, self.collate, self.labels, self.classes = items, read, collate, labels, classes
        self.sources = torch.arange(len(items))

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: Index) -> Batch:
        where = torch.as_tensor(index, dtype=torch.int64)
        batch = self.stacked(where)
        label = batch.label if self.labels is None else self.labels[where]
        return batch._replace(x=on_grid(batch.x), source=where, label=label)

    def stacked(self, where: Int64[Tensor, "B"]) -> Batch:
        """Items as they come.

        Raises:
            ValueError: they have no samples, or of different shapes; labels that ``classes`` lacks.
        """
        numbers = where.tolist()
        many = getattr(self.items, "__getitems__", None)
        found = many(numbers) if many is not None else [self.items[number] for number in numbers]
        read = [self.read(item) for item in found]
        try:
            batch = as_batch(self.collate(read))
        except (RuntimeError, TypeError) as error:
            why = " ".join(str(error).split())
            raise ValueError(
                f"items {numbers[0]} to {numbers[-1]} cannot be stacked ({why}): give all the same shape"
            ) from error
        if self.labels is not None or batch.label is None or not self.classes:
            return batch
        return batch._replace(label=numbered_labels(batch.label, len(batch.label), self.classes)[0])


def items_part(
    items: Any, reading: Reading, labels: Any = None, classes: Classes = None, collate: Collate | None = None
) -> PythonPart:
    """A map-style data set.

    Args:
        items: the data set, or a list of items.
        reading: its options.
        labels: one for each item; None: what the data set knows, as far as its items say the same.
        classes: of the training part, where this is the test part; () where only its items know their labels.
        collate: in place of torch's own.

    Raises:
        ValueError: an empty set, items without samples, labels that do not fit.
    """
    if not len(items):
        raise ValueError(f"expected a data set with items, got {type(items).__name__} of length 0: fill it")
    collate, some = collate or default_collate, some_of(len(items))
    codec = codec_of_items(items, reading)
    read = item_reader(reading, codec)
    seen, numbers = Items(items, read, collate).stacked(some), None
    if labels is None:
        labels = _agreeing(known_labels(items), seen.label, some)
    if labels is not None and classes != ():
        numbers, classes = numbered_labels(labels, len(items), classes)
    elif classes and seen.label is not None:
        numbered_labels(seen.label, len(some), classes)  # refuses labels that training lacks
    return PythonPart(Items(items, read, collate, numbers, classes), seen.x, classes=classes, codec=codec)


def _agreeing(known: Any, held: Tensor | None, some: Int64[Tensor, "K"]) -> Any:
    """Labels that a data set knows; None where its items hold others, which a ``target_transform`` makes of them."""
    if known is None or held is None:
        return known
    return known if np.array_equal(np.asarray(known)[some.numpy()], held.numpy()) else None


def some_of(count: int) -> Int64[Tensor, "K"]:
    """Numbers of items that are spread evenly over all."""
    return torch.linspace(0, count - 1, min(count, _SEEN), dtype=torch.float64).round().long()


def codec_of_items(items: Any, reading: Reading) -> Pixels | None:
    """What reads the PIL images among items; None where the first one holds none.

    Raises:
        ValueError: a dictionary that lacks what the options name.
    """

    def image(number: int) -> Image | None:
        return next((part for part in _parts(named(items[number], reading)) if isinstance(part, Image)), None)

    def open_image(number: int) -> AbstractContextManager[Image]:
        found = image(number)
        if found is None:
            raise ValueError(f"item {number} holds no image")
        return nullcontext(found)  # the user's own, which stays open

    first = image(0)
    if first is None:
        return None
    codec = pixels(first, reading)
    return replace(codec, range=range_of(reading.range, len(items), open_image, codec.channels))


def item_reader(reading: Reading, codec: Pixels | None) -> Callable[[Any], Any]:
    """What makes tensors of items: PIL images become squares of pixels."""
    if codec is None:
        return lambda item: named(item, reading)

    def read(part: Any) -> Any:
        return torch.from_numpy(to_pixels(part, codec, say)) if isinstance(part, Image) else part

    def tensors(item: Any) -> Any:
        item = named(item, reading)
        if isinstance(item, Mapping):
            return {name: read(part) for name, part in item.items()}
        return [read(part) for part in item] if isinstance(item, Sequence) else read(item)

    return tensors


def pixels(first: Image, reading: Reading) -> Pixels:
    """The codec of PIL images, like the first one where the options do not say otherwise."""
    grey = first.mode in ("1", "L", "F") or first.mode.startswith("I")
    return Pixels(reading.size or min(*first.size, _LARGEST), reading.channels or (1 if grey else 3))


def named(item: Any, reading: Reading) -> Any:
    """An item, or a batch, whose parts have the names that ``as_batch`` knows.

    Raises:
        ValueError: a dictionary that lacks what the options name.
    """
    if isinstance(item, Batch):
        item = {name: part for name, part in item._asdict().items() if isinstance(part, Tensor)}
    if not isinstance(item, Mapping) or (reading.image is None and reading.label == "label"):
        return item
    image = reading.image or next((name for name in SAMPLE_NAMES if name in item), None)
    _check_names(item, image=reading.image, label=None if reading.label == "label" else reading.label)
    others = {name: part for name, part in item.items() if name not in (image, *LABEL_NAMES)}
    label = {} if item.get(reading.label) is None else {"label": item[reading.label]}
    return others | label | ({} if image is None else {"x": item[image]})


def _check_names(item: Mapping[str, Any], **options: str | None) -> None:
    for option, name in options.items():
        if name is not None and name not in item:
            raise ValueError(f"items have no {name!r}: set data.{option} to one of {', '.join(map(str, item))}")


def _parts(item: Any) -> Sequence[Any]:
    if isinstance(item, Mapping):
        return [*item.values()]
    return item if isinstance(item, list | tuple) else [item]
