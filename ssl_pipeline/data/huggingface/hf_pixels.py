"""Images in the rows of a Hugging Face data set, decoded here."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
from jaxtyping import Shaped
from PIL import Image

from ssl_pipeline.data.codecs.image import Pixels, read_image, to_pixels
from ssl_pipeline.data.io.pixel_range import range_of
from ssl_pipeline.data.io.remarks import say
from ssl_pipeline.data.io.value_range import Range, RangeOption

# `datasets` is imported inside the functions: it is slow to import, and no other set needs it.

_FIRST = 32
"""Images of a stream that are looked at to learn their range."""


def undecoded(rows: Any, image: str) -> Any:
    """The rows with images as bytes or paths, so that they are decoded here, small and only when used."""
    import datasets

    if rows.features is not None and isinstance(rows.features[image], datasets.Image):
        return rows.cast_column(image, datasets.Image(decode=False))
    return rows


def pixels_of(value: Any, number: int, codec: Pixels) -> Shaped[np.ndarray, "C H W"]:
    """Pixels of an image given as bytes, path or address.

    Raises:
        ValueError: no image, or a corrupt one.
    """
    try:
        found = file_or_image(value)
        if isinstance(found, Image.Image):
            return to_pixels(found, codec, say)
        return read_image(found, codec, say)
    except Exception as error:  # decoders raise whatever they like
        raise ValueError(f"sample {number} is no readable image ({error}): mend it or choose another column") from error


def file_or_image(value: Any) -> BytesIO | str | Image.Image:
    """An image, or the file of one, that is given as bytes, path or address.

    Raises:
        TypeError: it is given as something else.
    """
    import datasets

    if isinstance(value, dict):
        value = value["path"] if value.get("bytes") is None else value["bytes"]
    if isinstance(value, bytes):
        return BytesIO(value)
    if isinstance(value, str) and "://" in value:
        return datasets.Image().decode_example({"path": value, "bytes": None})
    if isinstance(value, str | Image.Image):
        return value
    raise TypeError(f"expected the bytes or the path of an image, got {type(value).__name__}")


def range_of_rows(option: RangeOption, rows: Any, image: str, channels: int, pages: str = "first") -> Range | None:
    """The range of the images in a column, of a stream as its first ones have it; see ``range_of``."""
    rows = undecoded(rows.select_columns([image]), image)
    if not hasattr(rows, "__len__"):
        rows = list(rows.take(_FIRST))

    def open_image(number: int) -> Image.Image:
        found = file_or_image(rows[number][image])
        return found.copy() if isinstance(found, Image.Image) else Image.open(found)

    return range_of(option, len(rows), open_image, channels, pages)
