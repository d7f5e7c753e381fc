"""Corruptions: what all of them promise (over the table in cases.py) and what each does on its own."""

from __future__ import annotations

import inspect
from functools import partial

import pytest
import torch
from helpers.cases import CONTINUOUS, CORRUPTIONS, GRIDS, sample
from helpers.paths import CONF
from helpers.views import EVERY, STILL, assert_same, coordinate_grid, coordinates_as_x, seeded
from hydra.utils import instantiate
from omegaconf import OmegaConf

import ssl_pipeline.corruptions as package
from ssl_pipeline.config.compose import register
from ssl_pipeline.corruptions import (
    Chain,
    Corruption,
    Crop,
    Drop,
    Echo,
    Infill,
    LowRes,
    Mask,
    Mix,
    Noise,
    Reversal,
    Shuffle,
    Template,
)
from ssl_pipeline.corruptions._mask_shapes import Rectangles
from ssl_pipeline.corruptions._photometric import Photometric, hue_rotation
from ssl_pipeline.structures.batch import clean_view, intact
from ssl_pipeline.structures.grid import GridSpec

# ---- every corruption, every grid


@pytest.mark.parametrize(("case", "grid"), EVERY)
def test_view_is_well_formed(case, grid):
    clean = sample(grid)
    corruption = case.build(grid=grid, **case.options)
    view = corruption(clean, seeded())
    shape = corruption.output_grid.shape
    assert view.x.dtype == clean.x.dtype
    assert view.x.shape == (*clean.x.shape[: clean.x.ndim - grid.ndim], *shape)
    assert view.x.isfinite().all()
    if grid.discrete:
        assert view.x.min() >= 0 and view.x.max() < grid.vocab
    assert view.position.shape[1:] == view.origin.shape[1:] == (*shape, grid.ndim)
    assert view.unmasked is None or (view.unmasked.shape == view.x.shape and view.removed is not None)
    for where in (view.removed, view.valid):
        assert where is None or (where.shape == (6, *shape) and where.dtype == torch.bool)
    assert set(view.params) == set(corruption.told)
    assert all(value.shape == (6,) and value.is_floating_point() for value in view.params.values())


@pytest.mark.parametrize(("case", "grid"), EVERY)
def test_input_stays_and_the_seed_decides(case, grid):
    clean, untouched = sample(grid), sample(grid)
    corruption = case.build(grid=grid, **case.options)
    first = corruption(clean, seeded(1))
    assert_same(clean, untouched)
    assert_same(first, corruption(clean, seeded(1)), rtol=0, atol=0)
    assert torch.equal(first.x, corruption(clean, seeded(2)).x) != case.random


@pytest.mark.parametrize(("case", "grid"), [row for row in EVERY if row.values[0].alone])
def test_samples_do_not_see_each_other(case, grid):
    clean = sample(grid)
    corruption = case.build(grid=grid, **case.options)
    other = clean._replace(x=torch.cat([sample(grid, seed=1).x[:3], clean.x[3:]]))
    before, after = corruption(clean, seeded()).x, corruption(other, seeded()).x
    torch.testing.assert_close(before[3:], after[3:])
    assert not torch.equal(before[:3], after[:3])


@pytest.mark.parametrize(("case", "grid"), [row for row in EVERY if row.values[0].identity is not None])
def test_severity_zero_is_the_identity(case, grid):
    clean = sample(grid)
    view = case.build(grid=grid, **case.identity)(clean, seeded())
    torch.testing.assert_close(view.x, clean.x, rtol=0, atol=1e-5)
    torch.testing.assert_close(view.origin, clean.origin.expand_as(view.origin))
    assert view.removed is None or not view.removed.any()
    assert view.valid is None or view.valid.all()


@pytest.mark.parametrize(("case", "grid"), [row for row in EVERY if not row.values[1].discrete])
def test_half_precision_stays_half(case, grid):
    clean = sample(grid)
    view = case.build(grid=grid, **case.options)(clean._replace(x=clean.x.bfloat16()), seeded())
    assert view.x.dtype == torch.bfloat16 and view.origin.dtype == torch.float32


@pytest.mark.parametrize(("case", "grid"), EVERY)
def test_autocast_changes_nothing(case, grid):
    clean = sample(grid)
    corruption = case.build(grid=grid, **case.options)
    with torch.autocast("cpu", torch.bfloat16):
        inside = corruption(clean, seeded())
    assert_same(inside, corruption(clean, seeded()), rtol=0, atol=0)


def test_every_corruption_has_yaml_and_a_case():
    built = {c.__name__ for c in vars(package).values() if inspect.isclass(c) and issubclass(c, Corruption)}
    yamls = {path.stem: OmegaConf.load(path) for path in (CONF / "corruption").glob("*.yaml")}
    targets = {name: leaf._target_.rpartition(".")[2] for name, leaf in yamls.items()}
    assert built - {"Corruption", "Chain"} == set(targets.values())
    assert targets == {case.name: case.build.__name__ for case in CORRUPTIONS}


@pytest.mark.parametrize("path", sorted((CONF / "corruption").glob("*.yaml")), ids=lambda path: path.stem)
def test_yaml_spells_every_option_with_its_default(path):
    assert path.read_text().startswith(f"# @package corruption.{path.stem}\n")
    register()  # what a file may interpolate
    leaf = instantiate(OmegaConf.load(path), _convert_="all")
    fitting = next(case.grids[0] for case in CORRUPTIONS if case.name == path.stem)
    assert isinstance(leaf(grid=GRIDS[fitting]), Corruption)
    options = inspect.signature(leaf.func.__init__).parameters
    defaults = {name: option.default for name, option in options.items() if name not in ("self", "grid")}
    written = {k: tuple(v) if isinstance(v, list) else v for k, v in leaf.keywords.items()}
    needed = {name: written[name] for name, default in defaults.items() if default is inspect.Parameter.empty}
    assert written == defaults | needed


# ---- noise


def test_noise_has_the_sigma_it_tells():
    grid = GridSpec.of(("y", 64), ("x", 64), channels=2)
    clean = sample(grid)
    view = Noise(grid=grid, sigma=[0.1, 0.5])(clean, seeded())
    measured = (view.x - clean.x).flatten(1).std(1)
    torch.testing.assert_close(measured, view.params["sigma"], rtol=0.05, atol=0)
    assert view.params["sigma"].min() >= 0.1 and view.params["sigma"].max() <= 0.5 and view.params["sigma"].std() > 0


def test_replaced_tokens_are_uniform_but_never_the_mask_token():
    grid = GridSpec.of(("position", 4000), vocab=5, mask_token=2)
    clean = clean_view(grid, torch.zeros(2, 4000, dtype=torch.int64))
    share = Noise(grid=grid, ratio=0.8)(clean, seeded()).x.flatten().bincount(minlength=5) / 8000
    torch.testing.assert_close(share, torch.tensor([0.4, 0.2, 0.0, 0.2, 0.2]), rtol=0, atol=0.02)


def test_noise_leaves_holes_and_padding_of_tokens_alone():
    grid = GRIDS["text"]
    clean = sample(grid)
    keep = torch.arange(16) < 8
    hole = (torch.arange(16) < 4).expand(6, 16)
    view = Noise(grid=grid, ratio=1.0)(clean._replace(valid=keep.expand(6, 16), removed=hole), seeded())
    changed = (view.x != clean.x).float().mean(0)
    assert changed[:4].sum() == 0 and changed[8:].sum() == 0 and changed[4:8].mean() > 0.5


def test_noise_draws_neither_the_mask_nor_the_end():
    grid = GridSpec.of(("position", 4000), vocab=6, mask_token=5, end_token=2)
    clean = clean_view(grid, torch.zeros(2, 4000, dtype=torch.int64))
    share = Noise(grid=grid, ratio=0.8)(clean, seeded()).x.flatten().bincount(minlength=6) / 8000
    torch.testing.assert_close(share, torch.tensor([0.4, 0.2, 0.0, 0.2, 0.2, 0.0]), rtol=0, atol=0.02)


# ---- mask


@pytest.mark.parametrize("shape", ["random", "block", "rectangles"])
@pytest.mark.parametrize("ratio", [0.0, 0.3, 0.75, 0.99])
def test_mask_removes_whole_cells_in_exact_number(shape, ratio):
    grid = GRIDS["video"]
    view = Mask(grid=grid, ratio=ratio, cell=(1, 2, 4), shape=shape)(sample(grid), seeded())
    cells = view.removed.view(6, 4, 1, 4, 2, 3, 4).permute(0, 1, 3, 5, 2, 4, 6).flatten(1, 3).flatten(2)
    assert torch.equal(cells.all(2), cells.any(2))
    hidden = min(round(ratio * 48), 47)
    assert cells.all(2).sum(1).tolist() == [hidden] * 6
    assert view.visible == 48 - hidden and view.cell == (1, 2, 4)


def test_block_holes_hang_together():
    grid = GridSpec.of(("y", 32), ("x", 32), channels=1)

    def borders(shape: str) -> int:
        removed = Mask(grid=grid, ratio=0.5, cell=1, shape=shape)(sample(grid, 64), seeded()).removed
        return removed.diff(dim=1).sum().item() + removed.diff(dim=2).sum().item()

    assert borders("block") < 0.5 * borders("random")
    assert borders("rectangles") < 0.5 * borders("random")


@pytest.mark.parametrize("shape", ["random", "block"])
def test_mask_hits_all_cells_alike(shape):
    grid = GridSpec.of(("y", 6), ("x", 6), channels=1)
    removed = Mask(grid=grid, ratio=0.25, cell=1, shape=shape)(sample(grid, 4000), seeded()).removed
    torch.testing.assert_close(removed.float().mean(0), torch.full((6, 6), 0.25), rtol=0, atol=0.035)


def test_rectangles_are_boxes_of_the_size_and_aspect_asked_for():
    cells = (20, 40)
    boxes = Rectangles(3, (0.1, 0.2), (0.5, 2.0)).drawn(500, cells, None, seeded()).flatten(0, 1)
    height, width = boxes.any(2).sum(1), boxes.any(1).sum(1)
    assert torch.equal(boxes.sum((1, 2)), height * width)  # nothing of the bounding box is left out
    assert (boxes.any(2).diff(dim=1).sum(1) <= 2).all() and (boxes.any(1).diff(dim=1).sum(1) <= 2).all()
    low, high = ((height + r) * (width + r) / 800 for r in (-0.5, 0.5))  # sides are rounded
    assert (low <= 0.2).all() and (high >= 0.1).all()
    assert 0.14 < (height * width / 800).mean() < 0.16
    low, high = ((width - 0.5) / (height + 0.5) / 2, (width + 0.5) / (height - 0.5) / 2)  # a grid twice as wide
    assert (low <= 2.0).all() and (high >= 0.5).all() and (width / height).min() < 1.2 < 3.3 < (width / height).max()
    assert boxes.any(0).all()


@pytest.mark.parametrize("name", ["image", "video", "wave", "codes"])
@pytest.mark.parametrize("ratio", [0.2, 0.5, 0.9])
def test_holes_are_the_first_rectangles_cut_off_or_topped_up(name, ratio):
    grid = GRIDS[name]
    removed = Mask(grid=grid, ratio=ratio, cell=1, shape="rectangles")(sample(grid, 64), seeded()).removed
    boxes = Rectangles().drawn(64, grid.shape, None, seeded())  # the first that a mask draws
    hidden, cut = round(ratio * removed[0].numel()), 0
    for hole, mine in zip(removed, boxes, strict=True):
        union, whole = mine.any(0), 0
        assert hole.sum() == hidden
        assert not (hole & ~union).any() if union.sum() >= hidden else not (union & ~hole).any()
        cut += int(union.sum() > hidden)
        while whole < 4 and mine[: whole + 1].any(0).sum() <= hidden:
            whole += 1
        assert not (mine[:whole].any(0) & ~hole).any()
    assert cut == 64 if ratio == 0.2 else cut == 0 if ratio == 0.9 else 0 < cut < 64


@pytest.mark.parametrize(
    ("name", "cell", "expected"),
    [
        ("image", 1, (4, 6)),
        ("image", 2, (4, 6)),
        ("video", 1, (2, 4, 6)),
        ("wave", 1, (4,)),
        ("logmel", [None, 1], (8, 3)),
    ],
)
def test_one_rectangle_of_the_hole_s_size_is_the_hole(name, cell, expected):
    grid, ratio = GRIDS[name], {"wave": 0.125, "video": 0.125}.get(name, 0.25)
    mask = Mask(grid=grid, ratio=ratio, cell=cell, shape="rectangles", blocks=1, scale=ratio, aspect=1.0)
    removed = mask(sample(grid, 32), seeded()).removed
    corners = set()
    for hole in removed:
        where = hole.nonzero()
        assert tuple((where.amax(0) - where.amin(0) + 1).tolist()) == expected and len(where) == hole.sum()
        assert hole.sum() == torch.Size(expected).numel()
        corners.add(tuple(where.amin(0).tolist()))
    assert len(corners) > 4


def test_spans_stay_clear_of_padding():
    grid, valid = GRIDS["bytes"], (torch.arange(24) >= 4) & (torch.arange(24) < 12)
    view = sample(grid, 64)._replace(valid=valid.expand(64, 24))
    removed = Mask(grid=grid, ratio=0.5, cell=1, shape="rectangles", blocks=1, scale=0.5)(view, seeded()).removed
    real = removed[:, 4:12]
    assert (real.sum(1) == 4).all() and (torch.nn.functional.pad(real.int(), (1, 1)).diff().abs().sum(1) == 2).all()
    assert removed.sum(1).tolist() == [12] * 64


def test_holes_hold_the_mean_of_what_is_seen():
    grid = GRIDS["image"]
    clean = sample(grid)
    padded = clean._replace(valid=(torch.arange(12) < 8).expand(6, 8, 12))
    view = Mask(grid=grid, ratio=0.5)(padded, seeded())
    for i in range(6):
        seen = clean.x[i][:, ~view.removed[i] & padded.valid[i]].mean(1)
        torch.testing.assert_close(view.x[i][:, view.removed[i]], seen[:, None].expand(3, view.removed[i].sum()))
    torch.testing.assert_close(view.x.movedim(1, -1)[~view.removed], clean.x.movedim(1, -1)[~view.removed])


def test_holes_of_text_hold_the_mask_token():
    clean = sample(GRIDS["text"])
    view = Mask(grid=GRIDS["text"], ratio=0.5)(clean, seeded())
    assert torch.equal(view.x == 1, view.removed)
    assert torch.equal(view.x[~view.removed], clean.x[~view.removed])


def test_cells_as_long_as_an_axis_hide_spans_of_time_or_bands():
    grid = GRIDS["logmel"]
    spans = Mask(grid=grid, ratio=0.5, cell=[None, 3])(sample(grid), seeded()).removed
    assert torch.equal(spans.all(1), spans.any(1)) and spans[:, 0].sum(1).tolist() == [6] * 6
    bands = Mask(grid=grid, ratio=0.5, cell=(2, None))(sample(grid), seeded())
    assert torch.equal(bands.removed.all(2), bands.removed.any(2))
    assert bands.cell == (2, 12) and bands.visible == 2


@pytest.mark.parametrize("shape", ["random", "block", "rectangles"])
@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.9])
def test_padding_takes_part_in_holes_only_to_make_the_numbers_equal(shape, ratio):
    grid = GRIDS["bytes"]
    length = torch.tensor([0, 1, 2, 6, 13, 20, 24])
    valid = torch.arange(24) < length[:, None]
    view = Mask(grid=grid, ratio=ratio, cell=1, shape=shape)(sample(grid, 7)._replace(valid=valid), seeded())
    assert view.removed.sum(1).tolist() == [round(ratio * 24)] * 7 and view.visible == 24 - round(ratio * 24)
    expected = [min(max(round(ratio * n), 1), max(n - 1, 0)) for n in length.tolist()]
    assert (view.removed & valid).sum(1).tolist() == expected


def test_a_share_of_the_hole_is_random_or_kept():
    grid = GridSpec.of(("position", 4000), vocab=200, mask_token=199)
    clean = sample(grid, 4)
    view = Mask(grid=grid, ratio=0.5, random_share=0.2, keep_share=0.3)(clean, seeded())
    hole, before = view.x[view.removed], clean.x[view.removed]
    masked, kept = hole == 199, hole == before
    assert abs(masked.float().mean() - 0.5) < 0.02 and abs(kept.float().mean() - 0.3) < 0.02
    assert len(hole[~masked & ~kept].unique()) == 199
    assert torch.equal(view.x[~view.removed], clean.x[~view.removed]) and view.visible == 2000


@pytest.mark.parametrize(("cell", "expected"), [(2, (2, 2)), (4, None)])
def test_second_mask_unites_the_holes(cell, expected):
    grid = GRIDS["image"]
    once = Mask(grid=grid, ratio=0.5, cell=2)(sample(grid), seeded(1))
    second = Mask(grid=grid, ratio=0.5, cell=cell)
    alone, twice = second(sample(grid), seeded(2)), second(once, seeded(2))
    assert torch.equal(twice.removed, once.removed | alone.removed)
    assert twice.visible is None and twice.cell == expected


# ---- what stood in a hole


@pytest.mark.parametrize("name", list(GRIDS))
def test_intact_is_the_view_before_its_holes(name):
    grid = GRIDS[name]
    start = sample(grid)._replace(valid=torch.rand(6, *grid.shape) < 0.8, params={"before": torch.ones(6)})
    view = Mask(grid=grid, ratio=0.5)(start, seeded())
    assert not torch.equal(view.x, start.x)
    assert_same(intact(view), start, rtol=0, atol=0)
    assert intact(start) is start


@pytest.mark.parametrize(("case", "grid"), EVERY)
def test_only_further_holes_keep_what_stood_in_the_first(case, grid):
    chain = Chain(grid=grid, mask=partial(Mask, ratio=0.5, cell=1), then=partial(case.build, **case.options))
    clean = sample(grid)
    view = chain(clean, seeded())
    if case.build is Mask:
        torch.testing.assert_close(intact(view).x, clean.x, rtol=0, atol=0)
        return
    assert view.unmasked is None and view.removed is not None
    with pytest.raises(ValueError, match=r"holes were cut last.*mask it last"):
        intact(view)


@pytest.mark.parametrize("name", ["image", "text"])
def test_chains_know_what_stood_in_their_last_holes(name):
    grid, mask = GRIDS[name], partial(Mask, ratio=0.5, cell=1)
    noisy = Noise(grid=grid)(sample(grid), seeded())

    def whole(**parts):
        chain = Chain(grid=grid, **parts)
        view = chain(sample(grid), seeded())
        assert chain.knows_holes is (view.removed is None or view.unmasked is not None)
        return view.unmasked

    assert torch.equal(whole(noise=Noise, mask=mask), noisy.x)
    assert torch.equal(whole(noise=Noise, one=mask, two=mask), noisy.x)
    assert torch.equal(whole(inner=partial(Chain, noise=Noise, mask=mask), mask=mask), noisy.x)
    assert whole(one=mask, noise=Noise, two=mask) is None
    assert whole(one=mask, inner=partial(Chain, noise=Noise, mask=mask)) is None
    assert whole(one=mask, inner=partial(Chain, noise=Noise)) is None
    assert whole(noise=Noise) is None


# ---- lowres


@pytest.mark.parametrize("name", CONTINUOUS)
@pytest.mark.parametrize("upsample", ["linear", "nearest", "sinc", "hold"])
def test_lowres_of_a_constant_is_the_constant(name, upsample):
    grid = GRIDS[name]
    clean = sample(grid)
    flat = clean._replace(x=torch.full_like(clean.x, 0.3))
    torch.testing.assert_close(LowRes(grid=grid, factor=[2, 4], upsample=upsample)(flat, seeded()).x, flat.x)


def test_lowres_nearest_holds_block_means_and_tells_the_drawn_factor():
    grid = GRIDS["grey"]
    clean = sample(grid, 32)
    view = LowRes(grid=grid, factor=[2, 4], upsample="nearest")(clean, seeded())
    assert set(view.params["factor"].tolist()) == {2.0, 4.0}
    for x, y, k in zip(clean.x, view.x, view.params["factor"].int().tolist(), strict=True):
        blocks = x.unfold(1, k, k).unfold(2, k, k).mean((-1, -2))
        torch.testing.assert_close(y, blocks.repeat_interleave(k, 1).repeat_interleave(k, 2))


def test_lowres_along_one_axis_and_on_tokens():
    grid = GRIDS["image"]
    clean = sample(grid)
    view = LowRes(grid=grid, axes=["x"], factor=4, upsample="nearest")(clean, seeded())
    torch.testing.assert_close(view.x, clean.x.unfold(3, 4, 4).mean(-1).repeat_interleave(4, 3))
    assert view.params["factor"].tolist() == [4.0] * 6
    per_axis = LowRes(grid=grid, factor=[[1, 4]], upsample="nearest")(clean, seeded())
    assert torch.equal(per_axis.x, view.x)
    text = sample(GRIDS["text"])
    kept = LowRes(grid=GRIDS["text"], factor=4)(text, seeded()).x
    assert torch.equal(kept, text.x[:, ::4].repeat_interleave(4, 1))


# ---- shuffle


@pytest.mark.parametrize("name", ["wave", "image", "video", "codes"])
@pytest.mark.parametrize("window", [1, 3])
def test_shuffle_moves_whole_windows_of_each_sample(name, window):
    grid = GRIDS[name]
    clean = sample(grid)
    view = Shuffle(grid=grid, window=window)(clean, seeded(1))
    before, after = (z.reshape(6, -1, grid.shape[-1]).movedim(-1, 1) for z in (clean.x, view.x))
    whole = grid.shape[-1] // window * window
    assert torch.equal(before[:, whole:], after[:, whole:])
    orders = []
    for x, y in zip(before[:, :whole], after[:, :whole], strict=True):
        x, y = x.reshape(whole // window, -1), y.reshape(whole // window, -1)
        same = (x[:, None] == y[None]).all(2)
        assert (same.sum(0) == 1).all() and (same.sum(1) == 1).all()
        orders.append(same.float().argmax(0).tolist())
    assert len({tuple(order) for order in orders}) > 1


@pytest.mark.parametrize("axis", ["y", "x"])
def test_origin_and_holes_move_with_the_windows(axis):
    grid = coordinate_grid("image")
    masked = coordinates_as_x(Mask(grid=grid, ratio=0.5, cell=2, fill=0.0)(sample(grid), seeded(1)))
    view = Shuffle(grid=grid, window=4, axis=axis)(masked, seeded(2))
    torch.testing.assert_close(view.x.movedim(1, -1), view.origin)
    assert not torch.equal(view.origin, masked.origin.expand_as(view.origin))
    came_from = (view.origin - 0.5).round().long()
    for i in range(6):
        assert torch.equal(view.removed[i], masked.removed[i][came_from[i, ..., 0], came_from[i, ..., 1]])
    assert (view.cell, view.visible) == ((2, 2), 12)
    assert Shuffle(grid=grid, window=3)(masked, seeded()).cell is None


def test_windows_with_padding_stay():
    grid = GRIDS["logmel"]
    clean = sample(grid, 32)._replace(valid=(torch.arange(12) < 8).expand(32, 8, 12))
    view = Shuffle(grid=grid, window=3)(clean, seeded())
    assert torch.equal(view.x[..., 6:], clean.x[..., 6:]) and torch.equal(view.valid, clean.valid)
    swapped = (view.x[..., :3] == clean.x[..., 3:6]).flatten(1).all(1)
    assert 8 < swapped.sum() < 24


@pytest.mark.parametrize("name", ["image", "wave"])
def test_crop_of_a_shuffled_sample_knows_where_its_cells_come_from(name):
    grid = coordinate_grid(name)
    chain = Chain(grid=grid, shuffle=partial(Shuffle, window=2), crop=partial(Crop, resample=False, **STILL))
    view = chain(coordinates_as_x(sample(grid)), seeded())
    real = torch.ones(view.x.shape[:1] + grid.shape, dtype=torch.bool) if view.valid is None else view.valid
    torch.testing.assert_close(view.x.movedim(1, -1)[real], view.origin[real])


# ---- reversal


@pytest.mark.parametrize(("case", "grid"), [row for row in EVERY if row.values[0].build is Reversal])
def test_reversal_twice_is_the_identity(case, grid):
    start = sample(grid)._replace(valid=torch.rand(6, *grid.shape) < 0.5)
    masked = Mask(grid=grid, ratio=0.5, cell=1)(start, seeded())
    reverse = case.build(grid=grid, **case.options)
    once = reverse(masked, seeded())
    assert not torch.equal(once.x, masked.x) and not torch.equal(once.removed, masked.removed)
    assert torch.equal(once.position, masked.position) and not torch.equal(once.origin, masked.origin)
    start = masked._replace(origin=masked.origin.expand(once.origin.shape))
    assert_same(reverse(once, seeded()), start, rtol=0, atol=0)


# ---- crop


@pytest.mark.parametrize("name", CONTINUOUS)
@pytest.mark.parametrize("size", [None, 4, 24])
@pytest.mark.parametrize("before", [Echo, Reversal, partial(Crop, **STILL)])
def test_origin_of_a_crop_is_where_its_cells_come_from(name, size, before):
    grid = coordinate_grid(name)
    first = before(grid=grid)
    start = coordinates_as_x(first(sample(grid), seeded(1)))
    view = Crop(grid=first.output_grid, size=size, resample=True, **{**STILL, "flip": 0.5})(start, seeded(2))
    readings = [max(1, round(n / k)) for n, k in zip(grid.shape, view.x.shape[2:], strict=True)]
    for axis, k in enumerate(readings):
        where, clean = view.origin[..., axis], start.origin[..., axis].expand(6, *grid.shape).flatten(1)
        # at the border the image continues as a constant, its coordinates do not
        margin = (where.diff(dim=axis + 1).abs().amax((1, *range(2, where.ndim))) / 2 * (k - 1) / k).unsqueeze(1)
        flat = where.flatten(1)
        inner = (flat >= clean.amin(1, True) + margin) & (flat <= clean.amax(1, True) - margin)
        torch.testing.assert_close(view.x[:, axis].flatten(1)[inner], flat[inner], rtol=0, atol=2e-4)
        assert inner.float().mean() > 0.3


@pytest.mark.parametrize("name", ["wave", "image", "video"])
def test_told_box_is_the_window(name):
    grid = coordinate_grid(name)
    view = Crop(grid=grid, resample=True, **{**STILL, "flip": 0.5})(sample(grid), seeded())
    for axis, (label, cells, spacing) in enumerate(grid.axes):
        centres = view.origin[..., axis].flatten(1)
        side = view.params[f"{label}_size"] * cells * spacing
        first = view.params[f"{label}_start"] * cells * spacing
        torch.testing.assert_close(centres.amin(1), first + side / cells / 2)
        torch.testing.assert_close(centres.amax(1), first + side - side / cells / 2)
        assert (view.params[f"{label}_start"] >= 0).all() and (first + side <= cells * spacing + 1e-4).all()


def test_window_has_the_scale_and_ratio_asked_for():
    grid = GRIDS["image"]
    params = Crop(grid=grid, scale=(0.1, 0.4), ratio=(0.5, 2.0))(sample(grid, 2000), seeded()).params
    area, aspect = params["y_size"] * params["x_size"], params["x_size"] / params["y_size"]
    assert 0.1 <= area.min() < 0.11 and 0.39 < area.max() <= 0.4001
    assert 0.499 <= aspect.min() < 0.55 and 1.8 < aspect.max() <= 2.001
    assert abs(params["flip"].mean() - 0.5) < 0.05


def test_output_grid_keeps_the_extent_when_stretched_and_the_spacing_when_cut():
    grid = GRIDS["wave"]
    with pytest.raises(ValueError, match="a share of the cells up to 1"):
        Crop(grid=grid, size=14.0)
    stretched = Crop(grid=grid, size=8, resample=True).output_grid
    assert Crop(grid=grid, size=0.5, resample=True).output_grid.shape == tuple(round(n / 2) for n in grid.shape)
    cut = Crop(grid=grid, size=8, resample=False).output_grid
    assert (stretched.shape, stretched.axes[0].spacing) == ((8,), 2.0)
    assert (cut.shape, cut.axes[0].spacing) == ((8,), 0.5)


def test_a_spectrogram_is_cropped_in_time_only_and_keeps_its_cells():
    grid = GRIDS["logmel"]
    crop = Crop(grid=grid, jitter=0.0, size=6)
    view = crop(sample(grid), seeded())
    assert crop.output_grid.shape == (8, 6) and crop.output_grid.axes[1].spacing == 0.01
    assert not view.params["flip"].any() and (view.params["mel_size"] == 1).all() and view.params["time_size"].std() > 0
    for i in range(6):
        count, start = (round(float(view.params[f"time_{end}"][i]) * 12) for end in ("size", "start"))
        assert torch.equal(view.x[i, :, :, :count], sample(grid).x[i, :, :, start : start + count])
        assert view.valid[i].sum() == 8 * count
    both = Crop(grid=grid, axes=["mel", "time"])(sample(grid), seeded()).params
    assert both["mel_size"].std() > 0


def test_chosen_axes_of_an_image_are_cropped():
    grid = GRIDS["image"]
    view = Crop(grid=grid, axes=["x"], scale=0.5, **STILL)(sample(grid), seeded())
    torch.testing.assert_close(view.params["x_size"], torch.full((6,), 0.5))
    assert (view.params["y_size"] == 1).all() and (view.params["y_start"] == 0).all()
    torch.testing.assert_close(view.origin[..., 0], sample(grid).origin[..., 0].expand(6, 8, 12))


def test_shrinking_averages():
    grid = GridSpec.of(("y", 16), ("x", 16), channels=1)
    stripes = (torch.arange(16) % 2).float().expand(2, 1, 16, 16)
    crop = Crop(grid=grid, size=4, scale=1.0, ratio=1.0, **STILL)
    torch.testing.assert_close(crop(clean_view(grid, stripes), seeded()).x, torch.full((2, 1, 4, 4), 0.5))


@pytest.mark.parametrize("name", ["image", "video", "wave"])
def test_hole_moves_with_the_crop(name):
    grid = GRIDS[name]
    masked = Mask(grid=grid, ratio=0.5, cell=2)(sample(grid), seeded(1))
    view = Crop(grid=grid, **{**STILL, "flip": 0.5})(masked, seeded(2))
    spacing = torch.tensor([axis.spacing for axis in grid.axes])
    index = (view.origin / spacing - 0.5).round().long()
    for i in range(6):
        where = [index[i, ..., a].clamp(0, n - 1) for a, n in enumerate(grid.shape)]
        assert (view.removed[i] == masked.removed[i][tuple(where)]).float().mean() > 0.99
    assert view.cell is None and view.visible is None


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_cut_keeps_tokens_and_stays_in_the_text(flip):
    grid = GRIDS["text"]
    valid = torch.arange(16) < torch.tensor([3, 5, 8, 11, 13, 16])[:, None]
    clean = sample(grid)._replace(valid=valid)
    clean = clean._replace(x=clean.x.masked_fill(~valid, 0))
    view = Crop(grid=grid, scale=(0.3, 0.8), size=10, flip=flip)(clean, seeded())
    assert view.x.shape == (6, 10) and (view.valid.sum(1) >= 1).all() and not view.valid.all()
    for i in range(6):
        came_from = (view.origin[i, :, 0] - 0.5).long()[view.valid[i]]
        assert torch.equal(view.x[i][view.valid[i]], clean.x[i][came_from])
        assert set(came_from.diff().tolist()) <= {-1 if flip else 1}
    assert (view.x[view.valid] != 0).all() and (view.x[~view.valid] == grid.mask_token).all()
    assert torch.equal(view.valid.sum(1).float(), (view.params["position_size"] * 16).round())


def test_pure_shift_needs_no_padding():
    grid = GRIDS["wave"]
    clean = sample(grid)
    view = Crop(grid=grid, scale=1.0, size=20, jitter=0.0)(clean, seeded())
    assert view.valid is None
    starts = (view.params["time_start"] * 32).round().long().tolist()
    assert len(set(starts)) > 1
    for x, y, start in zip(clean.x, view.x, starts, strict=True):
        assert torch.equal(y, x[:, start : start + 20])


def photometric(**options) -> Photometric:
    still = dict.fromkeys(("jitter", "brightness", "contrast", "saturation", "hue", "grayscale", "blur"), 0.0)
    return Photometric(**{"range": (0.0, 1.0), "colour": True, **still, "blur_sigma": (0.5, 1.5), **options})


def test_grayscale_equals_the_luma_and_leaves_the_rest():
    x = sample(GRIDS["image"], 64).x
    y = photometric(grayscale=0.5)(x, seeded())
    grey = (y.std(1) < 1e-6).flatten(1).all(1)
    assert 10 < grey.sum() < 54
    luma = 0.299 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2]
    torch.testing.assert_close(y[grey], luma[grey].unsqueeze(1).expand(-1, 3, -1, -1))
    torch.testing.assert_close(y[~grey], x[~grey])


@pytest.mark.parametrize("colour", [True, False])
def test_brightness_scales_and_contrast_keeps_the_mean(colour):
    x = 0.4 + 0.1 * sample(GRIDS["image"], 64).x
    gain = photometric(colour=colour, jitter=1.0, brightness=0.4)(x, seeded()) / x
    torch.testing.assert_close(gain, gain[:, :1, :1, :1].expand_as(gain))
    assert 0.6 <= gain.min() < 0.65 and 1.35 < gain.max() <= 1.4
    y = photometric(colour=colour, jitter=1.0, contrast=0.4)(x, seeded())
    weight = torch.tensor([0.299, 0.587, 0.114]) if colour else torch.full((3,), 1 / 3)
    luma, after = (torch.einsum("c,bchw->b", weight, z) / 96 for z in (x, y))
    torch.testing.assert_close(after, luma)
    spread = y.flatten(1).std(1) / x.flatten(1).std(1)
    assert spread.min() < 0.8 and spread.max() > 1.2
    both = photometric(colour=colour, jitter=1.0, brightness=0.2, contrast=0.9)(x, seeded())
    level = torch.einsum("c,bchw->b", weight, both) / 96 / luma
    assert 0.8 <= level.min() < 0.85 and 1.15 < level.max() <= 1.2


def test_contrast_of_a_wave_is_a_gain_and_its_brightness_nothing():
    x = 0.5 * sample(GRIDS["wave"]).x
    y = photometric(colour=False, range=(-1.0, 1.0), signal=True, jitter=1.0, contrast=0.4)(x, seeded())
    gain = (y / x)[:, :, :1]
    torch.testing.assert_close(y / x, gain.expand_as(x))
    assert gain.std() > 0.1
    assert torch.equal(
        photometric(colour=False, range=(-1.0, 1.0), signal=True, jitter=1.0, brightness=0.4)(x, seeded()), x
    )


def test_brightness_of_logarithms_is_loudness():
    x = sample(GRIDS["logmel"], 64).x.clamp(-10, 5)
    y = photometric(colour=False, range=(-14.0, 6.0), log=True, jitter=1.0, brightness=0.4)(x, seeded())
    gain = (y - x).exp()
    torch.testing.assert_close(gain, gain[:, :1, :1, :1].expand_as(gain))
    assert 0.6 <= gain.min() < 0.65 and 1.35 < gain.max() <= 1.4001


def test_hue_and_saturation_leave_grey_grey():
    x = sample(GRIDS["grey"]).x.expand(-1, 3, -1, -1)
    options = {"jitter": 1.0, "saturation": 0.8, "hue": 0.3}
    torch.testing.assert_close(photometric(**options)(x, seeded()), x)
    coloured = sample(GRIDS["image"]).x
    assert not torch.allclose(photometric(**options)(coloured, seeded()), coloured, atol=0.05)
    turn = hue_rotation(torch.tensor([1.3]))[0]
    torch.testing.assert_close(turn @ turn.T, torch.eye(3))


@pytest.mark.parametrize("name", CONTINUOUS)
def test_blur_smooths_the_chosen_and_keeps_constants(name):
    x = sample(GRIDS[name], 64).x
    y = photometric(colour=False, blur=0.5)(x, seeded())
    rough, smooth = (z.diff(dim=-1).flatten(1).abs().mean(1) for z in (x, y))
    same = (y - x).flatten(1).abs().amax(1) < 1e-6
    assert 10 < same.sum() < 54
    assert (smooth[~same] < 0.85 * rough[~same]).all()
    flat = torch.full_like(x, 0.7)
    torch.testing.assert_close(photometric(colour=False, blur=1.0)(flat, seeded()), flat)


def test_photometric_stays_in_the_range():
    grid = GRIDS["image"]
    strong = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.5, "jitter": 1.0}
    x = Crop(grid=grid, **strong)(sample(grid, 64), seeded()).x
    assert x.min() == 0 and x.max() == 1


# ---- chain


@pytest.mark.parametrize("name", list(GRIDS))
def test_chain_is_the_composition(name):
    grid = GRIDS[name]
    lowres, noise, mask = LowRes(grid=grid), Noise(grid=grid), Mask(grid=grid, ratio=0.5)
    chain = Chain(grid=grid, lowres=LowRes, noise=Noise, mask=partial(Mask, ratio=0.5))
    clean, one = sample(grid), seeded()
    expected = mask(noise(lowres(clean, one), one), one)
    view = chain(clean._replace(params={"before": torch.ones(6)}), seeded())
    kind = "ratio" if grid.discrete else "snr_db" if name in ("wave", "logmel") else "sigma"
    assert chain.told == ("lowres.factor", f"noise.{kind}")
    assert set(view.params) == {"before", *chain.told}
    assert torch.equal(view.params[f"noise.{kind}"], expected.params[kind])
    assert_same(view._replace(params={}), expected._replace(params={}), rtol=0, atol=0)


def test_chain_hands_the_new_grid_on():
    grid = GRIDS["image"]
    chain = Chain(grid=grid, crop=partial(Crop, size=4), mask=partial(Mask, cell=2, ratio=0.5))
    view = chain(sample(grid), seeded())
    assert chain.output_grid.shape == (4, 4) and view.x.shape == (6, 3, 4, 4) and view.visible == 2
    with pytest.raises(ValueError, match="at least one corruption"):
        Chain(grid=grid)


# ---- bad options

BAD = [
    (Noise, "image", {"sigma": -0.1}, "sigma is a number or an interval"),
    (Noise, "image", {"sigma": [0.5, 0.1]}, "sigma is a number or an interval"),
    (Noise, "image", {"sigma": 0.1, "snr_db": 3}, "one of sigma and snr_db"),
    (Noise, "wave", {"snr_db": [20, 0]}, "snr_db is a number or an interval"),
    (Mix, "text", {}, "got a discrete grid"),
    (Noise, "text", {"ratio": 1.5}, "between 0.0 and 1.0, got 1.5"),
    (Mask, "image", {"ratio": 1.0}, "ratio must be at least 0 and below 1, got 1.0"),
    (Mask, "image", {"cell": 3}, "got 3: choose one of 1, 2, 4, 8"),
    (Mask, "image", {"cell": (2, 2, 2)}, "one per axis"),
    (Mask, "image", {"cell": [None, 5]}, "got 5: choose one of 1, 2, 3, 4, 6, 12"),
    (Mask, "text", {"random_share": 0.5, "keep_share": 0.6}, "keep_share is a number"),
    (Mask, "image", {"blob": 0}, "blob must be at least 1"),
    (Mask, "image", {"blocks": 0}, "blocks must be at least 1"),
    (Mask, "image", {"scale": 1.5}, "scale is a number or an interval"),
    (Mask, "image", {"aspect": (2.0, 1.0)}, "aspect is a number or an interval"),
    (LowRes, "image", {"factor": 5}, "factor must divide the 8 cells along 'y', got 5"),
    (LowRes, "image", {"factor": [2, 3]}, "got 3: choose one of 1, 2, 4, 8"),
    (LowRes, "image", {"factor": []}, "at least one choice"),
    (LowRes, "image", {"axes": ["time"]}, "among y, x"),
    (Reversal, "codes", {"unit": "word"}, "takes discrete grids of one axis"),
    (Reversal, "text", {"separators": []}, "at least one symbol"),
    (Infill, "image", {}, "infill takes discrete grids of one axis"),
    (Infill, "text", {"ratio": 1.0}, "ratio must be at least 0 and below 1"),
    (Infill, "text", {"span": 0.5}, "span must be at least 1"),
    (Drop, "codes", {}, "drop takes discrete grids of one axis"),
    (Drop, "text", {"every": 1}, "every must be at least 2"),
    (Drop, "text", {"separators": []}, "at least one symbol"),
    (Shuffle, "text", {"window": 9}, "set 1 to 8"),
    (Shuffle, "image", {"axis": "time"}, "among y, x"),
    (Template, "text", {"families": {}}, "got 50 symbols"),
    (Template, "wave", {"families": {}}, "template takes discrete grids"),
    (Template, "bytes", {"families": {"say": []}}, "leave no template"),
    (Template, "bytes", {"families": {"say": ["{}"]}, "only": ["sya"]}, "nearest: say"),
    (Template, "bytes", {"families": {"say": ["{}"]}, "fold": (0, 3)}, "the i-th of k folds"),
    (Template, "bytes", {"families": {"say": ["{}"]}, "fold": (2, 2)}, "leave no template"),
    (Template, "bytes", {"families": {"say": ["{}"]}, "room": -1}, "expected a number of cells"),
    (Template, "bytes", {"families": {"say": ["{} and {}"]}}, "once, where the text goes"),
    (Template, "bytes", {"families": {"say": ["repeat"]}}, "once, where the text goes"),
    (Template, "bytes", {"families": {"say": ["Write that sentence: {}!!"]}}, "got .Write that sentence: {}!!. of 23"),
    (Crop, "logmel", {"size": (4, 12)}, "name it in axes or set resample=True"),
    (Crop, "image", {"axes": ["time"]}, "among y, x"),
    (Reversal, "image", {"axes": ["time"]}, "among y, x"),
    (Reversal, "image", {"axes": []}, "at least one of y, x"),
    (Crop, "image", {"scale": (0.5, 1.5)}, "scale is a number or an interval"),
    (Crop, "image", {"size": 0}, "positive integer"),
    (Crop, "image", {"size": (4, 4, 4)}, "one per axis"),
    (Crop, "image", {"jitter": 1.5}, "jitter is a number"),
    (Crop, "image", {"flip": 1.5}, "flip is a number"),
    (Crop, "image", {"hue": 0.7}, "hue is a number"),
    (Crop, "text", {"resample": True}, "set resample=False"),
]


@pytest.mark.parametrize(("build", "grid", "options", "sentence"), BAD)
def test_bad_options_are_refused_with_a_sentence(build, grid, options, sentence):
    with pytest.raises(ValueError, match=sentence):
        build(grid=GRIDS[grid], **options)


@pytest.mark.parametrize("build", [Mask, Infill])
def test_holes_need_a_mask_token(build):
    with pytest.raises(ValueError, match="set the grid's mask_token"):
        build(grid=GridSpec.of(("position", 8), vocab=9))
