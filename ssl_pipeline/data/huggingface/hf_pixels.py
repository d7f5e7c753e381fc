"""Images in the rows of a Hugging Face data set, decoded here."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from io import BytesIO
from itertools import islice
from typing import Any

import numpy as np
from jaxtyping import Shaped
from PIL import Image, UnidentifiedImageError

from ssl_pipeline.data.cache.decode_cache import passes
from ssl_pipeline.data.codecs.image import Pixels, read_image, to_pixels
from ssl_pipeline.data.huggingface.hf_cells import cell_content
from ssl_pipeline.data.io.image_file import open_image
from ssl_pipeline.data.io.memory_budget import MemoryBudget
from ssl_pipeline.data.io.pixel_range import range_of
from ssl_pipeline.data.io.remarks import Note, silent
from ssl_pipeline.data.io.value_range import RangeOption, ValueRange

# `datasets` is imported inside the functions: it is slow to import, and no other set needs it.

_FIRST = 32
"""Images of a stream that are looked at to learn their range."""
_LOOKED_AT = 100  # rows among which one is looked for whose image can be read


def undecoded(rows: Any, image: str) -> Any:
    """The rows with images as bytes or paths, so that they are decoded here, small and only when used."""
    import datasets

    if rows.features is not None and isinstance(rows.features[image], datasets.Image):
        return rows.cast_column(image, datasets.Image(decode=False))
    return rows


def pixels_of(
    value: Any, codec: Pixels, note: Note = silent, budget: MemoryBudget | None = None
) -> Shaped[np.ndarray, "C H W"]:
    """Pixels of an image given as bytes, path or address.

    Args:
        value: of a row.
        codec: makes pixels of images.
        note: takes remarks.
        budget: memory that several threads share.

    Raises:
        ValueError: no image. A corrupt one raises in many ways.
    """
    found = _image_or_file(value)
    if isinstance(found, Image.Image):
        return to_pixels(found, codec, note)
    try:
        return read_image(found, codec, note, budget)
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
            return found if isinstance(found, Image.Image) else open_image(found)
        except Exception as error:  # it is named and counted where all are read
            if passes(error):
                raise
    raise ValueError(f"no image in column {column!r} can be read: set data.image to another")


def range_of_rows(option: RangeOption, rows: Any, image: str, channels: int, pages: str = "first") -> ValueRange | None:
    """The range of the images in a column, of a stream as its first ones have it; see ``range_of``."""
    rows = undecoded(rows.select_columns([image]), image)
    if not hasattr(rows, "__len__"):
        rows = list(rows.take(_FIRST))
    return range_of(option, len(rows), lambda number: _opened(rows[number][image]), channels, pages)


def _opened(value: Any) -> AbstractContextManager[Image.Image]:
    """An image, which is closed in the end if it was opened here."""
    found = _image_or_file(value)
    return nullcontext(found) if isinstance(found, Image.Image) else open_image(found)


def _image_or_file(value: Any) -> Image.Image | BytesIO | str:
    """An image, or its file in memory or on disk."""
    import datasets

    found = cell_content(value)
    if isinstance(found, str) and "://" in found:
        return datasets.Image().decode_example({"path": found, "bytes": None})
    if isinstance(found, Image.Image | BytesIO | str):
        return found
    got = "nothing" if found is None else type(found).__name__
    raise ValueError(f"expected the bytes or the path of an image, got {got}")
