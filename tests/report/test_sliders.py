"""Corrupted images can be drawn over their restored forms."""

from __future__ import annotations

from base64 import b64decode
from io import BytesIO

import numpy as np
import torch
from PIL import Image

from ssl_pipeline.data import Data, MemoryDataset, Pixels
from ssl_pipeline.report.sheets import Form, sheet

RED, GREY = 3, 1


def drawn(channels, size=8, **forms):
    codec = Pixels(size, channels)
    data = Data(codec.grid, MemoryDataset(torch.zeros(1, channels, size, size)), None, None, "plain", codec)
    shown = {name: Form(torch.full((6, channels, size, size), value), None) for name, value in forms.items()}
    return sheet("any", shown, data).slider


def pixels(uri):
    return np.asarray(Image.open(BytesIO(b64decode(uri.partition(",")[2]))))


def test_two_strips_of_the_same_images():
    for channels in (RED, GREY):
        first, second = drawn(channels, clean=0.0, corrupted=1.5, restored=0.2)
        assert pixels(first).shape[:2] == pixels(second).shape[:2] == (8, 32)
        assert (pixels(first) == 255).all() and (pixels(second) == 51).all()


def test_what_is_not_restored_has_none():
    assert drawn(RED, clean=0.0, corrupted=1.0) is None
