"""Data sets of the Hugging Face library that are loaded already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from ssl_pipeline.data.base import Classes
from ssl_pipeline.data.in_python.items import items_part, pixels
from ssl_pipeline.data.in_python.labels import numbered_labels
from ssl_pipeline.data.in_python.parts import PythonPart, Reading
from ssl_pipeline.data.options import Cache, UnreadableFiles

_MODULES = ("datasets.arrow_dataset", "datasets.dataset_dict", "datasets.iterable_dataset")


def is_hub(data: Any) -> bool:
    """Whether an object is a data set of that library, or several by the names of their splits."""
    return type(data).__module__ in _MODULES


def splits(data: Any) -> tuple[Any, Any]:
    """The training and the test part; None where there is none to test on.

    Raises:
        ValueError: several parts of which none is called ``train``; a stream.
    """
    if not isinstance(data, Mapping):
        train, test = data, None
    elif "train" not in data:
        raise ValueError(f"expected a split 'train', got {', '.join(map(str, data))}: pass one of these alone")
    else:
        train, test = data["train"], data.get("test", data.get("validation"))
    if not hasattr(train, "__getitem__"):
        raise ValueError("a streamed data set is read by name: data='hf' with data.path and data.streaming=true")
    return train, test


def hub_part(rows: Any, reading: Reading, labels: Any = None, classes: Classes = None) -> PythonPart:
    """Rows with images, decoded once; rows of numbers in torch's format are items like others.

    Raises:
        ValueError: no column of images, or several of them.
    """
    import datasets

    from ssl_pipeline.data.huggingface.hf import check_columns, read_labels
    from ssl_pipeline.data.huggingface.hf_images import HfImages
    from ssl_pipeline.data.huggingface.hf_pixels import first_image, range_of_rows

    if rows.format["type"] in ("torch", "numpy", "custom"):
        return items_part(rows, reading, labels, classes)
    column = image_column(rows, reading)
    if not len(rows):
        raise ValueError("expected a data set with rows, got none")
    if not isinstance(rows.features[column], datasets.Image):
        raise ValueError(f"column {column!r} holds {rows.features[column]} and no images: set data.image to another")
    codec = pixels(first_image(rows, column), reading)
    codec = replace(codec, range=range_of_rows(reading.range, rows, column, codec.channels))
    if labels is not None:
        numbers, classes = numbered_labels(labels, len(rows), classes)
    else:
        numbers, classes = read_labels(rows, check_columns(rows, column, reading.label), classes or None)
    unreadable, cache = UnreadableFiles.of(reading.unreadable), Cache.of(reading.cache)
    dataset = HfImages(rows, column, numbers, codec, unreadable, cache)
    return PythonPart(dataset, dataset[torch.arange(min(len(dataset), 2))].x, classes=classes, codec=codec)


def image_column(rows: Any, reading: Reading) -> str:
    """The column of the images: the one that is named, or the only one.

    Raises:
        ValueError: there is none, or there are several.
    """
    import datasets

    if reading.image is not None:
        if reading.image not in rows.column_names:
            raise ValueError(f"there is no column {reading.image!r}: set data.image to one of {_names(rows)}")
        return reading.image
    found = [name for name, feature in rows.features.items() if isinstance(feature, datasets.Image)]
    if len(found) != 1:
        raise ValueError(
            f"expected one column of images, got {len(found)} among {_names(rows)}: name it, "
            f"options={{'data.image': COLUMN}}, or save texts and sound and take data='hf_text' and 'hf_audio'"
        )
    return found[0]


def _names(rows: Any) -> str:
    return ", ".join(rows.column_names)
