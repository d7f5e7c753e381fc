"""Images in the rows of a table of the Hugging Face library."""

from __future__ import annotations

import io
from itertools import islice
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from ssl_pipeline.data.base import Subset
from ssl_pipeline.data.cache.decode_cache import passes
from ssl_pipeline.data.cache.folder import fingerprint
from ssl_pipeline.data.cache.images import VERSION, decoded_images
from ssl_pipeline.data.codecs.image import Pixels, read_image, to_pixels
from ssl_pipeline.data.io.memory_budget import MemoryBudget
from ssl_pipeline.data.io.regular_file import check_regular
from ssl_pipeline.data.options import Cache, UnreadableFiles

_LOOKED_AT = 100  # rows among which one is looked for whose image can be read


class HfImages(Subset):
    """The images of a table that can be read, decoded once.

    Args:
        rows: a ``datasets.Dataset``.
        column: of the images.
        labels: of the rows.
        codec: makes pixels of images.
        unreadable: what happens to rows that cannot be read.
        cache: how images are decoded and kept.

    Attributes:
        table: the rows of these images, which may hold more of them.

    Raises:
        ValueError: too many rows cannot be read.
        OSError: no room for what is decoded.
    """

    def __init__(
        self,
        rows: Any,
        column: str,
        labels: Int64[Tensor, "N"] | None,
        codec: Pixels,
        unreadable: UnreadableFiles = UnreadableFiles(),
        cache: Cache = Cache(),
    ) -> None:
        shape, budget = (codec.channels, codec.size, codec.size), MemoryBudget()
        images = undecoded(rows.select_columns([column]), column)
        found = decoded_images(
            read=lambda number: pixels_of(images[number][column], codec, budget),
            names=[f"row {number}" for number in range(len(rows))],
            # What `datasets` itself names its cached files by: it changes with the data.
            key=fingerprint((), f"images {VERSION} {rows._fingerprint} {column} {shape}"),
            shape=shape,
            cache=cache,
            limit=unreadable.limit,
        )
        readable = [number for number in range(len(rows)) if number not in found.troubles.unreadable]
        super().__init__(found.dataset(labels), readable)
        self.table = rows.select(readable) if found.troubles.unreadable else rows


def undecoded(rows: Any, image: str) -> Any:
    """The rows with images as bytes or paths, so that they are decoded here, small and only when used."""
    import datasets

    if rows.features is not None and isinstance(rows.features[image], datasets.Image):
        return rows.cast_column(image, datasets.Image(decode=False))
    return rows


def pixels_of(value: Any, codec: Pixels, budget: MemoryBudget | None = None) -> UInt8[np.ndarray, "C H W"]:
    """Pixels of an image given as bytes, path or address.

    Args:
        value: of a row.
        codec: makes pixels of images.
        budget: memory that several threads share.

    Raises:
        ValueError: no image. A corrupt one raises in many ways.
    """
    found = _image_or_file(value)
    if isinstance(found, Image.Image):
        return to_pixels(found, codec.size, codec.channels)
    try:
        return read_image(found, codec.size, codec.channels, budget)
    except UnidentifiedImageError:  # whose own words name an object in memory
        raise ValueError("no format of images that is known") from None


def first_image(rows: Any, column: str) -> Image.Image:
    """The first image whose header can be read.

    Raises:
        ValueError: there is none among the first 100 rows.
    """
    for row in islice(undecoded(rows.select_columns([column]), column), _LOOKED_AT):
        try:
            found = _image_or_file(row[column])
            if not isinstance(found, io.BytesIO | Image.Image):
                check_regular(found)
            return found if isinstance(found, Image.Image) else Image.open(found)
        except Exception as error:  # it is named and counted where all are read
            if passes(error):
                raise
    raise ValueError(f"no image in column {column!r} can be read: set data.image to another")


def _image_or_file(value: Any) -> Image.Image | io.BytesIO | str:
    """An image, or its file in memory or on disk."""
    import datasets

    if isinstance(value, dict):
        value = value.get("path") if value.get("bytes") is None else value["bytes"]
    if isinstance(value, bytes):
        return io.BytesIO(value)
    if isinstance(value, str) and "://" in value:
        return datasets.Image().decode_example({"path": value, "bytes": None})
    if isinstance(value, Image.Image | str):
        return value
    got = "nothing" if value is None else type(value).__name__
    raise ValueError(f"expected the bytes or the path of an image, got {got}")
