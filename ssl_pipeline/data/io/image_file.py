"""Files of images: how they are opened, and which hold what numbers."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from PIL import Image

from ssl_pipeline.data.io.regular_file import check_regular


def open_image(file: str | Path | BytesIO) -> Image.Image:
    """Open a file, or the bytes of one. Its header is read, and nothing is decoded yet.

    Raises:
        ValueError: a folder, a pipe or a device.
        OSError: no such file, or no known format.
    """
    if not isinstance(file, BytesIO):
        check_regular(file)
    return Image.open(file)


def ending_for(values: Shaped[np.ndarray, "... C"]) -> str:
    """Of a file that holds such numbers: PNG where it can, or else TIFF."""
    bands = {np.dtype(np.uint8): (1, 3, 4), np.dtype(np.uint16): (1,)}.get(values.dtype, ())
    return ".png" if values.shape[-1] in bands else ".tif"


def save_pixels(file: Path, values: Shaped[np.ndarray, "H W C"]) -> None:
    """Write an image; of bands that PIL has no mode for, each becomes a page of a TIFF.

    Args:
        file: its ending may be any.
        values: uint8, uint16, int32 or float32.
    """
    if ending_for(values) == ".png":
        Image.fromarray(values if values.shape[2] > 1 else values[..., 0]).save(file, format="PNG")
        return
    first, *rest = (Image.fromarray(np.ascontiguousarray(values[..., i])) for i in range(values.shape[2]))
    first.save(file, format="TIFF", save_all=True, append_images=rest)
