"""Images on other backgrounds: the data, the swap, what is measured and where it is shown."""

from __future__ import annotations

import inspect
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from helpers.paths import CONF
from PIL import Image

from ssl_pipeline.cli import main as cli
from ssl_pipeline.config.compose import compose
from ssl_pipeline.config.instantiate import DATA, instantiate
from ssl_pipeline.data import Data, MemoryDataset, backgrounds, digits, folder
from ssl_pipeline.data.wrappers.foreground import FOREGROUND, foreground_spec, threshold
from ssl_pipeline.evaluation import P1
from ssl_pipeline.evaluation.backgrounds import Cut, filled, partners, swapped, variants
from ssl_pipeline.report.headline import backgrounds as backgrounds_of
from ssl_pipeline.structures.batch import Column, as_float
from ssl_pipeline.training import run


def random(*key: int) -> torch.Generator:
    return torch.Generator().manual_seed(sum(key))


def cut(batch: int = 5, seed: int = 0, size: tuple[int, int] = (9, 13)) -> Cut:
    x = torch.rand(batch, 3, *size, generator=random(seed))
    return Cut(x, torch.rand(batch, 1, *size, generator=random(seed, 1)) < 0.4)


# ---------------------------------------------------------------- the swap


def test_foreground_stays_and_the_rest_is_the_partners():
    fore, ground = cut(seed=0), cut(seed=7)
    mixed = swapped(fore, ground)
    mine = fore.foreground.expand_as(mixed)
    seen = ~mine & ~ground.foreground.expand_as(mixed)  # where the partner shows its background
    hidden = ~mine & ~seen
    assert torch.equal(mixed[mine], fore.x[mine]) and torch.equal(mixed[seen], ground.x[seen])
    assert hidden.any() and (mixed[hidden] != ground.x[hidden]).all()


def test_what_the_partner_hides_does_not_matter():
    """Nothing of the partner's own foreground passes."""
    fore, ground = cut(seed=0), cut(seed=7)
    other = ground._replace(x=torch.where(ground.foreground, torch.rand_like(ground.x), ground.x))
    assert torch.equal(swapped(fore, ground), swapped(fore, other))


def test_an_image_on_its_own_background_is_itself():
    own = cut()
    assert torch.equal(swapped(own, own), own.x)


@pytest.mark.parametrize("full", [True, False])
def test_masks_that_are_all_foreground_or_none(full):
    fore, ground = cut(seed=0), cut(seed=7)
    mixed = swapped(fore._replace(foreground=torch.full_like(fore.foreground, full)), ground)
    assert torch.equal(mixed, fore.x if full else filled(ground.x, ground.foreground))
    nothing = torch.full_like(ground.foreground, full)  # an image that is a hole throughout, or has none
    assert torch.equal(filled(ground.x, nothing), ground.x)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (8, 8), (9, 13)])
def test_holes_are_filled_from_within_the_range_of_what_is_known(size):
    x, hole = cut(size=size)
    hole[..., 0, 0] = False
    found = filled(x, hole)
    known = torch.where(hole, torch.nan, x).flatten(2)
    low, high = (known.nan_to_num(nan).unflatten(2, size) for nan in (9.0, -9.0))
    assert (found >= low.amin((2, 3), keepdim=True) - 1e-6).all()
    assert (found <= high.amax((2, 3), keepdim=True) + 1e-6).all()
    assert torch.equal(filled(torch.ones_like(x), hole).round(decimals=5), torch.ones_like(x))


def test_samples_do_not_see_each_other():
    x, hole = cut()
    torch.testing.assert_close(filled(x, hole)[2:3], filled(x[2:3], hole[2:3]))


@pytest.mark.parametrize("same", [True, False])
def test_each_lends_its_background_once(same):
    labels = torch.randint(4, (101,), generator=random(0))
    found = partners(labels, same, random(1))
    assert found.sort().values.tolist() == [*range(101)]
    assert (found != torch.arange(101)).all()
    assert not same or torch.equal(labels[found], labels)
    assert torch.equal(found, partners(labels, same, random(1)))
    assert not torch.equal(found, partners(labels, same, random(2)))
    if not same:
        assert 0.1 < (labels[found] == labels).float().mean() < 0.4  # a random label, its own sometimes


def test_what_is_alone_in_its_class_is_its_own_partner():
    assert partners(torch.tensor([0, 1, 1]), True, random(0)).tolist() == [0, 2, 1]


# ---------------------------------------------------------------- the data


def test_yaml_spells_every_option_with_its_default():
    options = yaml.safe_load((CONF / "data" / "backgrounds.yaml").read_text())
    assert options.pop("_target_") == "ssl_pipeline.data.backgrounds"
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


# ---------------------------------------------------------------- masks beside files


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
    return folder(str(files / "images"), size=20, masks=str(files / "masks"), holdout=0.25, **options)


@pytest.mark.parametrize("in_memory", [True, False])
def test_masks_of_files_are_cut_as_their_images_are(files, in_memory):
    data = load(files, in_memory=in_memory, cache=str(files / "cache"))
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
        data = load(files, max_unreadable=0.5)
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
        (lambda masks: masks.rename(masks.with_name("other")), FileNotFoundError, "no folder masks="),
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


# ---------------------------------------------------------------- what is measured


def measured(agreement: float) -> dict[str, float]:
    return P1(few=0).raw(backgrounds(digits(), agreement=agreement, samples=1200))


def test_the_gap_of_the_raw_input_is_there_where_backgrounds_tell_and_only_there():
    shortcut, none = measured(0.95), measured(0.1)
    assert shortcut["knn/swap_gap"] > 40 and shortcut["knn/background_gap"] > 40
    assert abs(none["knn/swap_gap"]) < 8 and abs(none["knn/background_gap"]) < 8
    # What stands where the foreground was does not tell it: ten classes, 300 images, three deviations.
    assert none["knn/only_background"] < 10 + 3 * 1.8
    assert shortcut["knn/only_background"] > 60


def test_keys_are_the_forms_and_their_differences():
    found = measured(0.95)
    for probe in ("knn", "linear"):
        assert found[f"{probe}/original"] == found[probe]  # each held-out image has foreground and background
        assert found[f"{probe}/swap_gap"] == found[f"{probe}/original"] - found[f"{probe}/mixed_rand"]
        assert found[f"{probe}/background_gap"] == found[f"{probe}/mixed_same"] - found[f"{probe}/mixed_rand"]


def with_masks(mask: torch.Tensor, labels: torch.Tensor | None = None, size: int = 8) -> Data:
    plain = backgrounds(digits(), samples=80)
    x = torch.randint(256, (len(mask), 3, size, size), dtype=torch.uint8, generator=random(0))
    images = MemoryDataset(x, labels, columns={FOREGROUND: Column(mask)})
    spec = {FOREGROUND: foreground_spec(mask.shape[-1])}
    return replace(plain, grid=plain.grid.resized((size, size)), train=images, test=images, columns=spec)


def test_images_without_foreground_or_without_background_are_left_out():
    mask = torch.zeros(6, 1, 8, 8, dtype=torch.uint8)
    mask[1] = 255
    mask[2:, :, :4] = 255
    found = variants(with_masks(mask, torch.tensor([0, 1, 0, 0, 1, 1])))
    assert found["original"].sources.tolist() == [2, 3, 4, 5]
    data = with_masks(mask, torch.tensor([0, 1, 0, 0, 1, 1]))
    torch.testing.assert_close(found["original"][[0, 1]].x, as_float(data.test[[2, 3]].x, data.grid))
    same = found["mixed_same"][range(4)].x
    torch.testing.assert_close(same[:, :, 4:], as_float(data.test[[3, 2, 5, 4]].x, data.grid)[:, :, 4:])
    plain = found["only_foreground"][range(4)].x[:, :, 4:]
    assert plain.flatten(2).std(2).max() < 1e-6 and plain.std(0).max() < 1e-6  # the same for all


def test_only_labelled_images_of_known_foreground_are_swapped():
    mask = torch.zeros(6, 1, 8, 8, dtype=torch.uint8)
    mask[:, :, :4] = 255
    assert variants(digits()) == {} and variants(with_masks(mask)) == {}
    assert variants(with_masks(mask, torch.tensor([0, 1, -1, 0, 1, 1]))) == {}
    with pytest.raises(ValueError, match=r"masks on the grid \(8, 8\) of images, got \(4, 4\)"):
        variants(with_masks(mask[..., :4, :4], torch.zeros(6, dtype=torch.int64)))


def test_forms_of_a_wide_embedding_are_reduced_with_it():
    wide = torch.randn(3 * 32 * 32, 40, generator=random(0))
    data = backgrounds(digits(), samples=400)
    found = P1(few=0, width=16).features(lambda batch: as_float(batch.x, data.grid).flatten(1) @ wide, data)
    assert {form.z.shape for form in found.variants.values()} == {(100, 16)}
    np.testing.assert_allclose(found.variants["original"].z, found.test.z, atol=1e-4)


# ---------------------------------------------------------------- where it is shown


SMALL = ["encoder.widths=[8]", "data.samples=200", "batch_size=20", "trainer.max_steps=2", "probe.protocol.few=0"]


def test_a_run_measures_and_says_it(tmp_path, capsys):
    summary = run(compose(["experiment=shortcuts", *SMALL, "probe.online=1"]), str(tmp_path))
    assert summary["swapped"] == 50 and "swapped_raw" not in summary
    assert {"knn/mixed_rand", "linear/swap_gap", "knn/background_gap_raw", "linear/mixed_same_untrained"} < set(summary)
    assert json.loads((tmp_path / "summary.json").read_text()) == summary
    said = capsys.readouterr().out
    assert "50 held-out images on other backgrounds, in %" in said and "raw input, linear" in said
    assert "mixed_rand" not in (tmp_path / "metrics.csv").read_text()  # at the end only
    table = backgrounds_of(summary)
    assert table.head[-2:] == ["swap gap", "BG-gap"] and len(table.rows) == 6
    assert table.rows[0][4] == f"{summary['knn/mixed_rand']:.1f}"


@pytest.mark.slow
@pytest.mark.page
def test_a_page_and_evaluate_show_it(tmp_path, capsys):
    summary = run(compose(["experiment=shortcuts", *SMALL, "probe.online=0"]), str(tmp_path))
    page = (tmp_path / "report.html").read_text()
    assert "asked about 50 held-out ones" in page and "images on other backgrounds" in page
    assert f"<td>{summary['knn/mixed_rand']:.1f}</td>" in page
    capsys.readouterr()
    assert cli.main(["evaluate", f"run={tmp_path}", "few="]) == 0
    said = capsys.readouterr().out
    assert "50 held-out images on other backgrounds:" in said and "| swap gap | BG-gap |" in said
    rows = json.loads(next(tmp_path.glob("evaluation_*.json")).read_text())["rows"]
    assert rows["this encoder"]["knn/mixed_rand"]["mean"] == pytest.approx(summary["knn/mixed_rand"])


@pytest.mark.slow
def test_contrast_that_keeps_colours_learns_the_background(tmp_path):
    """The same graph and steps: where backgrounds tell, it reads the class off them; where they do not, it cannot."""
    gaps = {}
    for agreement in (0.95, 0.1):
        words = ["experiment=shortcuts", f"data.agreement={agreement}", "trainer.max_steps=100", "probe.online=0"]
        summary = run(
            compose([*words, "probe.baselines=false", "probe.protocol.few=0"]), str(tmp_path / str(agreement))
        )
        gaps[agreement] = summary["knn/swap_gap"]
    assert gaps[0.95] > gaps[0.1] + 30


def test_other_shapes_are_chosen_on_the_command_line(tmp_path):
    config = compose(
        ["data=backgrounds", "data@data.of=fashion_mnist", f"data.of.root={tmp_path}", "data.of.download=false"]
    )
    with pytest.raises(FileNotFoundError, match="Fashion-MNIST"):
        instantiate(config["data"], allowed=DATA)
