"""Pixels of pictures in any mode."""

import numpy as np
import pytest
from helpers.images import picture
from PIL import Image

from ssl_pipeline.data.codecs.image import Pixels, to_pixels


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "LA", "CMYK", "I;16"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(40, 30), (3, 50), (8, 8)])
def test_every_mode_becomes_the_same_kind_of_square(mode, channels, size):
    pixels = to_pixels(picture(mode, size), Pixels(8, channels))
    assert pixels.shape == (channels, 8, 8) and pixels.dtype == np.uint8


def test_pixels_keep_their_meaning():
    assert to_pixels(picture("L"), Pixels(8, 3)).flatten().tolist() == [90] * 192
    assert to_pixels(picture("RGB"), Pixels(8, 3))[:, 0, 0].tolist() == [200, 10, 10]
    assert (to_pixels(Image.new("RGBA", (9, 9), (0, 0, 0, 0)), Pixels(8, 3)) == 255).all()  # transparent: white
    deep = Image.fromarray(np.full((9, 9), 0x80FF, dtype=np.uint16))
    assert to_pixels(deep, Pixels(8, 1))[0, 0, 0] == 0x80
    with pytest.raises(ValueError, match="floats without a fixed range"):
        to_pixels(Image.new("F", (9, 9)), Pixels(8, 1))


def test_the_centre_is_kept():
    wide = np.zeros((8, 24), dtype=np.uint8)
    wide[:, 8:16] = np.arange(8) * 30
    np.testing.assert_array_equal(to_pixels(Image.fromarray(wide), Pixels(8, 1))[0], wide[:, 8:16])
