"""Images on other backgrounds, and masks of foreground beside files."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from helpers.paths import CONF
from PIL import Image

from ssl_pipeline.data import Data, backgrounds, digits, folder
from ssl_pipeline.data.wrappers.foreground import FOREGROUND, threshold
from ssl_pipeline.structures.batch import as_float


def test_yaml_spells_every_option_with_its_default():
    options = yaml.safe_load((CONF / "data" / "backgrounds.yaml").read_text())
    assert options.pop("type") == "backgrounds"
    assert options.pop("defaults") == [{"/data@of": "digits"}]
    parameters = {p.name: p.default for p in inspect.signature(backgrounds).parameters.values()}
    assert options == {name: default for name, default in parameters.items() if name != "of"}


def ground_hue(data: Data) -> tuple[torch.Tensor, torch.Tensor]:
    """The hue of each background, in tenths of the colour circle, and the labels."""
    batch = data.train[range(len(data.train))]
    ground = ~threshold(batch.columns[FOREGROUND].x)
    mean = (as_float(batch.x, data.grid) * ground).sum((2, 3)) / ground.sum((2, 3))
    red, green, blue = mean.double().unbind(1)
    angle = torch.atan2(3**0.5 * (green - blue), 2 * red - green - blue)
    return (10 * angle / (2 * torch.pi)).round().long() % 10, batch.label


@pytest.mark.parametrize(("agreement", "tells"), [(0.95, "colour"), (0.5, "both"), (0.1, "colour"), (0.95, "texture")])
def test_colours_agree_with_the_class_as_often_as_asked(agreement, tells):
    hue, label = ground_hue(backgrounds(digits(), agreement=agreement, tells=tells, samples=4000))
    expected = agreement if tells != "texture" else 0.1
    assert (hue == label).double().mean() == pytest.approx(expected, abs=0.03)
    if expected == 0.1:  # nor does it tell another class
        assert torch.bincount(10 * label + hue, minlength=100).max() < 60


def test_images_are_the_same_each_time_and_masks_are_what_is_bright():
    data, again, other = (backgrounds(digits(), samples=80, seed=seed) for seed in (0, 0, 1))
    mine, theirs = data.test[range(20)], again.test[range(20)]
    assert torch.equal(mine.x, theirs.x) and not torch.equal(mine.x, other.test[range(20)].x)
    mask = mine.columns[FOREGROUND].x
    assert mask.shape == (20, 1, 32, 32) and set(mask.unique().tolist()) == {0, 255}
    assert (mine.x.float().amax(1, keepdim=True)[mask == 0] <= 0.66 * 255).all()
    assert 0.05 < (mask > 0).float().mean() < 0.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tells": "size"}, "colour, texture, both, got 'size'"),
        ({"agreement": 1.5}, "agreement from 0 to 1, got 1.5"),
        ({"samples": 4}, "at least 8 samples, got 4"),
        ({"of": replace(digits(), test=None)}, "labels and a test part, got digits: set data@data.of=digits"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        backgrounds(**{"of": digits(), **options})


def save(path: Path, x: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(x).save(path)


@pytest.fixture
def files(tmp_path):
    """Twelve images in two classes, brighter in the left half, which is the foreground."""
    drawn = np.random.default_rng(0)
    for number in range(12):
        x = drawn.integers(0, 90, (20, 24, 3), dtype=np.uint8)
        x[:, :12] += 120
        place = Path("ab"[number % 2], f"{number}")
        save(tmp_path / "images" / place.with_suffix(".bmp"), x)
        save(
            tmp_path / "masks" / place.with_suffix(".png"),
            np.uint8(255 * (np.arange(24) < 12)) * np.ones((20, 1), np.uint8),
        )
    return tmp_path


def load(files: Path, **options: object) -> Data:
    return folder(str(files / "images"), size=20, masks=str(files / "masks"), split={"holdout": 0.25}, **options)


@pytest.mark.parametrize("in_memory", [True, False])
def test_masks_of_files_are_cut_as_their_images_are(files, in_memory):
    data = load(files, cache={"in_memory": in_memory, "folder": str(files / "cache")})
    assert data.columns[FOREGROUND].grid.shape == data.grid.shape
    for part in (data.train, data.test):
        batch = part[range(len(part))]
        mask = threshold(batch.columns[FOREGROUND].x)
        assert mask[..., :10].all() and not mask[..., 10:].any()
        assert torch.equal(batch.x.float().mean(1, keepdim=True) > 105, mask)


def test_a_damaged_image_takes_its_mask_along(files):
    (files / "images" / "a" / "0.bmp").write_bytes(b"BM")
    (files / "masks" / "b" / "1.png").write_bytes(b"nothing")
    with pytest.warns(UserWarning, match="left out"):
        data = load(files, unreadable={"max_share": 0.5})
    batch = data.train[range(len(data.train))]
    assert len(data.train) + len(data.test) == 10
    assert threshold(batch.columns[FOREGROUND].x)[..., :10].all()


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (
            lambda masks: (masks / "a" / "4.png").unlink(),
            FileNotFoundError,
            r"4.bmp has no mask in .*masks: expected one",
        ),
        (
            lambda masks: save(masks / "a" / "4.png", np.zeros((9, 8), np.uint8)),
            ValueError,
            "8x9 pixels, and its image 24x20",
        ),
        (lambda masks: save(masks / "a" / "4.bmp", np.zeros((20, 24), np.uint8)), ValueError, "4.bmp has 2 masks"),
        (lambda masks: masks.rename(masks.with_name("other")), FileNotFoundError, "no folder data.masks="),
        (
            lambda masks: [save(file, np.ones((20, 24), np.uint8)) for file in masks.glob("*/*")],
            ValueError,
            "all masks are dark: expected the foreground brighter than half",
        ),
    ],
)
def test_masks_that_do_not_fit_are_named(files, spoil, error, message):
    spoil(files / "masks")
    with pytest.raises(error, match=message):
        load(files)
