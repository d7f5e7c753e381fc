"""Large images cut into windows at full resolution."""

import numpy as np
import pytest
import torch
from helpers.images import check_contract
from PIL import Image

from ssl_pipeline.data import folder


@pytest.fixture
def photographs(tmp_path):
    """Three of two classes, each pixel of its own value."""
    for number, (name, shape) in enumerate({"a/0": (8, 12), "a/1": (9, 8), "b/2": (8, 8)}.items()):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        values = np.arange(shape[0] * shape[1], dtype=np.uint8).reshape(shape) + 100 * number
        Image.fromarray(values).save(tmp_path / f"{name}.png")
    return tmp_path


def test_tiles_are_windows_of_the_files(photographs):
    data = folder(str(photographs), channels=1, tile=4, split={"holdout": 0})
    check_contract(data)
    batch = data.train[range(len(data.train))]
    assert data.grid.shape == (4, 4) and batch.source.bincount().tolist() == [6, 6, 4]
    assert batch.label.tolist() == [0] * 12 + [1] * 4 and data.classes == ("a", "b")
    image = np.asarray(Image.open(photographs / "a/1.png"))
    wanted = [image[y : y + 4, x : x + 4] for y in (0, 4, 5) for x in (0, 4)]
    assert torch.equal(batch.x[6:12, 0], torch.from_numpy(np.stack(wanted)))
    assert data.train.files[6] == "a/1.png"


def test_tiles_overlap_by_a_stride(photographs):
    data = folder(str(photographs), channels=1, tile=4, stride=2, split={"holdout": 0})
    assert data.train.sources.bincount().tolist() == [15, 12, 9]


def test_tiles_of_a_file_stay_on_one_side_of_the_split(photographs):
    data = folder(str(photographs), channels=1, tile=4, labels=False, split={"holdout": 0.4})
    train, test = (set(part[range(len(part))].source.tolist()) for part in (data.train, data.test))
    assert train and test and not train & test


def test_tiles_of_deep_images_are_floats(tmp_path):
    Image.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 64).save(tmp_path / "a.png")
    data = folder(str(tmp_path), channels=1, tile=4, range=[0, 4096], split={"holdout": 0})
    assert data.train[[0]].x[0, 0, 1, 0].item() == pytest.approx(8 * 64 / 4096, abs=1e-4)


def test_an_image_smaller_than_a_tile_is_named(photographs):
    Image.new("L", (3, 9)).save(photographs / "b/small.png")
    with pytest.warns(UserWarning, match=r"small.png \(it has 3 x 9 pixels, fewer than data.tile=4 each way\)"):
        data = folder(str(photographs), channels=1, tile=4, split={"holdout": 0}, unreadable={"max_share": 0.5})
    assert len(data.train) == 16


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"stride": 2}, "data.stride=2 leads from tile to tile"),
        ({"tile": 4, "stride": 0}, "expected data.stride as pixels from one tile to the next"),
        ({"tile": 4, "masks": "elsewhere"}, "data.masks are of whole images"),
        ({"tile": 0}, "expected data.size as pixels along a side"),
    ],
)
def test_options_that_do_not_fit_are_refused(options, sentence, photographs):
    with pytest.raises(ValueError, match=sentence):
        folder(str(photographs), **options)
