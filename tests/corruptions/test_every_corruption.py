"""What all corruptions promise, over the table in helpers/cases/corruptions.py."""

from __future__ import annotations

import inspect

import pytest
import torch
from helpers.cases import ALL_GRIDS, CORRUPTIONS, sample
from helpers.paths import CONF
from helpers.views import EVERY, assert_same, seeded
from omegaconf import OmegaConf

import ssl_pipeline.corruptions as package
from ssl_pipeline.config.build import build_part
from ssl_pipeline.config.compose import set_up_hydra
from ssl_pipeline.config.registry import lookup
from ssl_pipeline.corruptions import Corruption

ANY = CONF / "corruption" / "any.yaml"  # made of the others


@pytest.mark.parametrize(("case", "grid"), EVERY)
def test_view_is_well_formed(case, grid):
    clean = sample(grid)
    corruption = case.build(**case.options).bind(grid)
    view = corruption(clean, seeded())
    shape = corruption.output_grid.shape
    assert view.x.dtype == clean.x.dtype
    assert view.x.shape == (*clean.x.shape[: clean.x.ndim - grid.ndim], *shape)
    assert view.x.isfinite().all()
    if grid.discrete:
        assert view.x.min() >= 0 and view.x.max() < grid.vocab
    assert view.coords.shape[1:] == view.source_coords.shape[1:] == (*shape, grid.ndim)
    assert view.unmasked is None or (view.unmasked.shape == view.x.shape and view.mask is not None)
    for where in (view.mask, view.valid):
        assert where is None or (where.shape == (6, *shape) and where.dtype == torch.bool)
    assert set(view.params) == set(corruption.corruption_params)
    assert all(value.shape == (6,) and value.is_floating_point() for value in view.params.values())


@pytest.mark.parametrize(("case", "grid"), EVERY)
def test_input_stays_and_the_seed_decides(case, grid):
    clean, untouched = sample(grid), sample(grid)
    corruption = case.build(**case.options).bind(grid)
    first = corruption(clean, seeded(1))
    assert_same(clean, untouched)
    assert_same(first, corruption(clean, seeded(1)), rtol=0, atol=0)
    assert torch.equal(first.x, corruption(clean, seeded(2)).x) != case.random


@pytest.mark.parametrize(("case", "grid"), [row for row in EVERY if row.values[0].alone])
def test_samples_do_not_see_each_other(case, grid):
    clean = sample(grid)
    corruption = case.build(**case.options).bind(grid)
    other = clean._replace(x=torch.cat([sample(grid, seed=1).x[:3], clean.x[3:]]))
    before, after = corruption(clean, seeded()).x, corruption(other, seeded()).x
    torch.testing.assert_close(before[3:], after[3:])
    assert not torch.equal(before[:3], after[:3])


@pytest.mark.parametrize(("case", "grid"), [row for row in EVERY if row.values[0].identity is not None])
def test_severity_zero_is_the_identity(case, grid):
    clean = sample(grid)
    view = case.build(**case.identity).bind(grid)(clean, seeded())
    torch.testing.assert_close(view.x, clean.x, rtol=0, atol=1e-5)
    torch.testing.assert_close(view.source_coords, clean.source_coords.expand_as(view.source_coords))
    assert view.mask is None or not view.mask.any()
    assert view.valid is None or view.valid.all()


@pytest.mark.parametrize(("case", "grid"), [row for row in EVERY if not row.values[1].discrete])
def test_half_precision_stays_half(case, grid):
    clean = sample(grid)
    view = case.build(**case.options).bind(grid)(clean._replace(x=clean.x.bfloat16()), seeded())
    assert view.x.dtype == torch.bfloat16 and view.source_coords.dtype == torch.float32


@pytest.mark.parametrize(("case", "grid"), EVERY)
def test_autocast_changes_nothing(case, grid):
    clean = sample(grid)
    corruption = case.build(**case.options).bind(grid)
    with torch.autocast("cpu", torch.bfloat16):
        inside = corruption(clean, seeded())
    assert_same(inside, corruption(clean, seeded()), rtol=0, atol=0)


def test_every_corruption_has_yaml_and_a_case():
    built = {c.__name__ for c in vars(package).values() if inspect.isclass(c) and issubclass(c, Corruption)}
    yamls = {path.stem: OmegaConf.load(path) for path in (CONF / "corruption").glob("*.yaml")}
    targets = {name: lookup("corruption", leaf.type).target.__name__ for name, leaf in yamls.items()}
    assert built - {"Corruption", "Chain"} == set(targets.values())
    assert targets == {case.name: case.build.__name__ for case in CORRUPTIONS}


@pytest.mark.parametrize("path", sorted({*(CONF / "corruption").glob("*.yaml")} - {ANY}), ids=lambda path: path.stem)
def test_yaml_spells_every_option_with_its_default(path):
    assert path.read_text().startswith(f"# @package corruption.{path.stem}\n")
    set_up_hydra()  # what a file may interpolate
    loaded = OmegaConf.to_container(OmegaConf.load(path), resolve=True)
    leaf = build_part("corruption", loaded)
    fitting = next(case.grids[0] for case in CORRUPTIONS if case.name == path.stem)
    assert isinstance(leaf.bind(ALL_GRIDS[fitting]), Corruption)
    options = inspect.signature(type(leaf)).parameters
    defaults = {name: option.default for name, option in options.items()}
    written = {k: tuple(v) if isinstance(v, list) else v for k, v in loaded.items() if k != "type"}
    needed = {name: written[name] for name, default in defaults.items() if default is inspect.Parameter.empty}
    assert written == defaults | needed
