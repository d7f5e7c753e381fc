"""Pixels of pictures in any mode."""

import numpy as np
import pytest
import torch
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


@pytest.mark.parametrize(
    ("codec", "kind", "ending"),
    [
        (Pixels(6, 1, range=(0, 4095)), np.uint16, ".png"),
        (Pixels(6, 1, range=(0, 200)), np.uint8, ".png"),
        (Pixels(6, 1, range=(-1000, 3000)), np.int32, ".tif"),
        (Pixels(6, 1, range=(0.5, 2.5)), np.float32, ".tif"),
        (Pixels(6, 3, range=(0, 4095), pages="channels"), np.uint16, ".tif"),
        (Pixels(6, 4), np.uint8, ".png"),
        (Pixels(6, 5, pages="channels"), np.uint8, ".tif"),
    ],
)
def test_what_is_written_is_read_alike(codec, kind, ending, tmp_path):
    x = torch.rand(1, codec.channels, 6, 6, generator=torch.Generator().manual_seed(0))
    x[0, :, 0, 0], x[0, :, 0, 1] = 0, 1
    values = codec.in_units(x)
    assert values.dtype == kind and codec.ending == ending
    low, high = codec.range or (0, 255)
    assert values[0, 0, 0, 0] == low and values[0, 0, 1, 0] == high
    file = codec.write(tmp_path / "a", x[0])
    assert file.suffix == ending
    again, _ = codec.encode([file])
    assert np.array_equal(codec.in_units(again), values)
    stored = codec.expand(torch.from_numpy(codec.compact(again.numpy()))) if codec.range else again
    np.testing.assert_array_equal(np.rint(codec.in_units(stored)), np.rint(values))
    plain = codec.plain()
    assert Pixels(**{key: value for key, value in plain.items() if key != "type"}) == codec
    if codec.channels in (3, 5):
        with pytest.raises(ValueError, match="take codec"):
            codec.decode(x)
    else:
        assert np.array_equal(np.asarray(codec.decode(x)[0]).reshape(values[0].shape), values[0])
