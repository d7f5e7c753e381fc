"""What backgrounds tell: the swap, and what is measured of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ssl_pipeline.data import Data, MemoryDataset, backgrounds, digits
from ssl_pipeline.data.wrappers.foreground import FOREGROUND, foreground_spec
from ssl_pipeline.evaluation import P1
from ssl_pipeline.evaluation.backgrounds import Cut, filled, partners, swapped, variants
from ssl_pipeline.structures.batch import Column, as_float


def random(*key: int) -> torch.Generator:
    return torch.Generator().manual_seed(sum(key))


def cut(batch: int = 5, seed: int = 0, size: tuple[int, int] = (9, 13)) -> Cut:
    x = torch.rand(batch, 3, *size, generator=random(seed))
    return Cut(x, torch.rand(batch, 1, *size, generator=random(seed, 1)) < 0.4)


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


def measured(agreement: float) -> dict[str, float]:
    return P1(few_shot=0).raw(backgrounds(digits(), agreement=agreement, samples=1200))


@pytest.mark.slow
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
    assert {len(form) for form in variants(with_masks(mask, torch.tensor([0, 1, -1, 0, 1, 1]))).values()} == {5}
    with pytest.raises(ValueError, match=r"masks on the grid \(8, 8\) of images, got \(4, 4\)"):
        variants(with_masks(mask[..., :4, :4], torch.zeros(6, dtype=torch.int64)))


def test_forms_of_a_wide_embedding_are_reduced_with_it():
    wide = torch.randn(3 * 32 * 32, 40, generator=random(0))
    data = backgrounds(digits(), samples=400)
    found = P1(few_shot=0, width=16).features(lambda batch: as_float(batch.x, data.grid).flatten(1) @ wide, data)
    assert {form.z.shape for form in found.variants.values()} == {(100, 16)}
    np.testing.assert_allclose(found.variants["original"].z, found.test.z, atol=1e-4)
