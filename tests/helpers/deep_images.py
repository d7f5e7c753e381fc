"""Pictures whose numbers are no bytes, and their files."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def wave(number: int, side: int = 24, count: int = 1) -> np.ndarray:
    """Smooth pictures (H, W, C) between 0 and 1, of which the first reaches both."""
    across, down = np.meshgrid(np.linspace(0, 1, side), np.linspace(0, 1, side))
    bands = [(0.5 + 0.5 * np.cos((3 + band) * across + 2 * down + number)) ** 2 for band in range(count)]
    x = np.stack(bands, axis=-1)
    return x if number else (x - x.min()) / (x.max() - x.min())


def write_folder(folder: Path, scale, kind, ending: str, count: int = 20) -> Path:
    """Pictures of one band, of ``scale(wave)`` as numbers of a kind."""
    folder.mkdir(parents=True)
    for number in range(count):
        Image.fromarray(scale(wave(number)[..., 0]).astype(kind)).save(folder / f"{number:02}{ending}")
    return folder


def write_colours(file: Path, values: np.ndarray) -> None:
    """A PNG of 16 bits a colour, which PIL does not write."""
    high, wide, bands = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", wide, high, 16, {1: 0, 2: 4, 3: 2, 4: 6}[bands], 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    chunks = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
