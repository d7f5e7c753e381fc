"""Folders of images that are deeper than 8 bits, or have further bands or pages."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.deep_images import wave, write_colours, write_folder
from PIL import Image

from ssl_pipeline.data import folder

WHOLE = {"size": 24, "split": {"holdout": 0}}
KINDS = {  # as microscopes, scanners and computer tomographs write them: scale, kind, ending, range
    "12 bits in 16": (lambda x: x * 4095, np.uint16, ".png", (0, 4095)),
    "32 bits": (lambda x: x * 1e6, np.int32, ".tif", (0, 1_000_000)),
    "Hounsfield units": (lambda x: x * 4000 - 1000, np.int32, ".tif", (-1000, 3000)),
    "floats": (lambda x: x * 2 - 0.5, np.float32, ".tif", (-0.5, 1.5)),
}


def samples(data):
    return data.train[range(len(data.train))].x


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("in_memory", [True, False])
def test_deep_images_are_scaled_by_the_range_of_the_set(kind, in_memory, tmp_path):
    scale, dtype, ending, wanted = kind
    root = write_folder(tmp_path / "images", scale, dtype, ending)
    cache = {"in_memory": in_memory, "folder": str(tmp_path / "cache")}
    data = folder(str(root), channels=1, cache=cache, **WHOLE)
    assert data.codec.range == pytest.approx(wanted) and data.grid.range == (0, 1)
    assert isinstance(data.codec.range[0], float) == (dtype is np.float32)
    x, (low, high) = samples(data), data.codec.range
    assert x.dtype == torch.float32 and len(x.unique()) > 200
    for number in (0, 7):
        exact = (scale(wave(number)[..., 0]).astype(dtype).astype(np.float64) - low) / (high - low)
        np.testing.assert_allclose(x[number, 0], exact, atol=1 / 65535)
    if not in_memory:
        assert data.train.stored.x.dtype == torch.int16  # two bytes a pixel on the disk
        again = folder(str(root), channels=1, cache=cache, **WHOLE)
        assert torch.equal(samples(again), x)


def test_a_range_is_given_and_what_lies_outside_is_named(tmp_path):
    root = write_folder(tmp_path / "images", lambda x: x * 3000, np.uint16, ".png")
    with pytest.warns(UserWarning, match=r" of 20 images hold values outside the range: .*00.png \(0 to 3000, .* cut"):
        data = folder(str(root), channels=1, range=[0, 2000], **WHOLE)
    x = samples(data)
    assert data.codec.range == (0, 2000) and x.max() == 1 and (x == 1).float().mean() > 0.05
    assert folder(str(root), channels=1, range=None, **WHOLE).codec.range is None
    for wrong in ("wide", [1], [5, 5], [0, float("inf")]):
        with pytest.raises(ValueError, match=r"expected data.range=auto or data.range=\[low,high\]"):
            folder(str(root), channels=1, range=wrong, **WHOLE)


def test_what_is_not_finite_is_named_and_left_out(tmp_path):
    root = write_folder(tmp_path / "images", lambda x: x, np.float32, ".tif")
    for number, bad in enumerate((np.nan, np.inf)):
        Image.fromarray(np.full((24, 24), bad, dtype=np.float32)).save(root / f"bad{number}.tif")
    with pytest.warns(UserWarning, match=r"2 of 22 images cannot be read: .*bad0.tif \(it holds NaN or infinity\)"):
        data = folder(str(root), channels=1, unreadable={"max_share": 0.1}, **WHOLE)
    assert len(data.train) == 20 and samples(data).isfinite().all() and data.codec.range == pytest.approx((0, 1))


def test_deep_images_among_those_of_8_bits(tmp_path):
    root = write_folder(tmp_path / "images", lambda x: x * 255, np.uint8, ".png", count=19)
    Image.fromarray(np.full((24, 24), 257 * 100, dtype=np.uint16)).save(root / "zdeep.png")
    with pytest.warns(UserWarning, match=r"1 of 20 images have 16 bits a band, .* for the range 0 to 65535: .*zdeep"):
        data = folder(str(root), channels=1, **WHOLE)
    assert data.codec.range is None and data.train.x.dtype == torch.uint8 and (data.train.x[19] == 100).all()
    Image.fromarray(np.full((24, 24), 10**6, dtype=np.int32)).save(root / "zdeep.tif")
    with pytest.warns(UserWarning, match=r"zdeep.tif \(its values go from 0 to 1000000, expected 0 to 65535: set data"):
        assert len(folder(str(root), channels=1, **WHOLE).train) == 20


@pytest.mark.parametrize("scale", [4095, 65535])
def test_16_bits_a_colour_are_read(scale, tmp_path):
    values = [np.rint(wave(number, count=3) * scale).astype(np.uint16) for number in range(12)]
    for number, one in enumerate(values):
        write_colours(tmp_path / f"{number:02}.png", one)
    data = folder(str(tmp_path), **WHOLE)
    low, high = data.codec.range
    assert high > 0.9 * scale
    np.testing.assert_allclose(samples(data)[5].movedim(0, -1), (values[5] - float(low)) / (high - low), atol=1 / 65535)


def test_a_fourth_band_is_a_channel_or_named(tmp_path):
    for number in range(10):
        bands = np.rint(wave(number, count=4) * 255).astype(np.uint8)
        bands[..., 3] = 60
        Image.fromarray(bands, "RGBA").save(tmp_path / f"{number}.png")
    x = samples(folder(str(tmp_path), channels=4, **WHOLE))
    assert x.shape == (10, 4, 24, 24) and (x[:, 3] == 60).all() and x[:, 0].float().std() > 20
    with pytest.warns(UserWarning, match=r"10 of 10 images have a fourth band .*\(laid on white as transp.*channels=4"):
        assert samples(folder(str(tmp_path), **WHOLE)).min() > 150
    Image.new("RGB", (24, 24)).save(tmp_path / "three.png")
    with pytest.raises(ValueError, match=r"three.png \(expected 4 bands, as data.channels says, got 3 \(RGB\)\)"):
        folder(str(tmp_path), channels=4, **WHOLE)


def test_pages_are_channels_or_the_first_is_taken(tmp_path):
    pages = [Image.fromarray(np.full((24, 24), 40 * number, dtype=np.uint8)) for number in range(1, 6)]
    for number in range(3):
        pages[0].save(tmp_path / f"{number}.tif", save_all=True, append_images=pages[1:])
    with pytest.warns(UserWarning, match=r"3 of 3 images hold several pages, of which the first .*0.tif \(5 pages\)"):
        assert (samples(folder(str(tmp_path), channels=1, **WHOLE)) == 40).all()
    x = samples(folder(str(tmp_path), channels=5, pages="channels", **WHOLE))
    assert x[0, :, 0, 0].tolist() == [40, 80, 120, 160, 200]
    with pytest.raises(ValueError, match=r"expected 3 pages, as data.channels says, got 5"):
        folder(str(tmp_path), channels=3, pages="channels", **WHOLE)
    with pytest.raises(ValueError, match=r"expected data.pages=first or data.pages=channels, got 'all'"):
        folder(str(tmp_path), pages="all", **WHOLE)


def test_arrays_in_files_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((12, 8, 8), np.float32))
    with pytest.raises(ValueError, match=r"got channels=12: for other numbers save each band as a page"):
        folder(str(tmp_path), channels=12)
    with pytest.raises(FileNotFoundError, match=r"no image in .* or pass arrays \(.npy\) in Python, sslp.pretrain"):
        folder(str(tmp_path))
