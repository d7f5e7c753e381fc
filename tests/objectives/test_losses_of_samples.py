"""The loss of each sample, where a term knows it."""

from __future__ import annotations

import pytest
import torch
from helpers.build import build
from helpers.cases import GRIDS, LOSSES, sample

from ssl_pipeline.config.compose import compose
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.losses import PairLoss
from ssl_pipeline.structures.batch import Batch

# The loss of each sample


@pytest.mark.parametrize(
    "case", [c for c in LOSSES if issubclass(c.build, PairLoss) and c.build.rates_samples], ids=lambda c: c.name
)
def test_a_loss_is_the_mean_over_its_samples(case):
    loss, noise = case.make().eval(), torch.Generator().manual_seed(0)
    a, b = torch.randn(9, 6, generator=noise), torch.randn(9, 6, generator=noise)
    b = loss.target(b) if loss.directed else b
    each = loss.per_sample(a, b)
    assert each.shape == (9,) and each.std() > 0
    torch.testing.assert_close(each.mean(), loss(a, b))


def test_contrast_by_sample_is_its_formula():
    loss = next(c for c in LOSSES if c.name == "info_nce").make()
    a, b = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0)).unbind()
    z = [x / x.norm() for x in (*a, *b)]
    for i in range(4):
        wanted = 0.0
        for mine, partner in ((i, i + 4), (i + 4, i)):
            scores = torch.stack([z[mine] @ z[j] / loss.temperature for j in range(8) if j != mine])
            wanted += float(scores.logsumexp(0) - z[mine] @ z[partner] / loss.temperature) / 2
        assert float(loss.per_sample(a, b)[i]) == pytest.approx(wanted, abs=1e-5)


TINY = [
    "encoder=vit",
    "encoder.width=24",
    "encoder.depth=1",
    "encoder.heads=2",
    "encoder.patch=4",
    "decoder=cross_attention",
]
TINY += ["decoder.width=24", "decoder.depth=1", "decoder.heads=2"]
OBJECTIVES = {
    "reconstruct": ["corruption=mask+noise"],
    "patchnorm": ["corruption=mask", "objective=patchnorm"],
    "share": ["corruption=noise", "objective.reconstruct.share=1.0"],
    "info_nce": ["corruption=crop+crop", "objective=info_nce"],
    "byol": ["corruption=crop+crop", "objective=byol", "teacher=ema"],
    "moco": ["corruption=crop+crop", "objective=moco", "teacher=ema"],
    "dino": ["corruption=crop+crop", "objective=dino", "teacher=ema"],
    "jepa": ["corruption=mask", "objective=jepa", "teacher=ema"],
    "ibot": ["corruption=mask", "objective=dino+ibot", "teacher=ema", "encoder.masked=token"],
    "sum": ["corruption=mask+noise", "objective=reconstruct+align"],
    "translate": ["corruption=noise+reversal", "objective=reconstruct+translate"],
    "ball": ["latent=slots", "latent.slots=2", "latent.heads=2", "latent.fuse=mean", "corruption=mask+noise"],
}


def graph_of(*options: str, grid: str = "grey") -> Graph:
    torch.manual_seed(0)
    cell = [f"corruption.{view}.cell=4" for view in ("mask",) if any(view in o for o in options if "corruption" in o)]
    return build(compose([*TINY, *options, *cell]), GRIDS[grid]).eval()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_loss_of_a_graph_is_the_mean_over_its_samples(name):
    graph = graph_of(*OBJECTIVES[name])
    batch = Batch(sample(GRIDS["grey"], batch=7).x, torch.arange(7))
    with torch.no_grad():
        corrupted = graph.corrupt(batch, seed=1, whole=True)
        each, loss = graph.per_sample(corrupted), graph(corrupted)["loss"]
    assert each.shape == (7,) and each.std() > 0
    torch.testing.assert_close(each.mean(), loss, rtol=1e-4, atol=1e-5)


def test_of_a_sum_the_terms_that_rate_samples_do():
    both = graph_of("corruption=crop+crop", "objective=info_nce+vicreg")
    alone = graph_of("corruption=crop+crop", "objective=info_nce")
    both.load_state_dict(alone.state_dict(), strict=False)
    batch = Batch(sample(GRIDS["grey"], batch=5).x, torch.arange(5))
    both.objective.terms["info_nce"].load_state_dict(alone.objective.terms["info_nce"].state_dict())
    with torch.no_grad():
        a, b = (g.per_sample(g.corrupt(batch, whole=True)) for g in (both, alone))
    torch.testing.assert_close(a, b)


def test_terms_that_know_only_batches_say_so():
    graph = graph_of("corruption=crop+crop", "objective=barlow")
    batch = Batch(sample(GRIDS["grey"], batch=4).x, torch.arange(4))
    with pytest.raises(ValueError, match="got barlow, which only know batches: add one that reconstructs"):
        graph.per_sample(graph.corrupt(batch, whole=True))
    dealt = graph_of("corruption=mask+noise", "views_per_step=1")
    with pytest.raises(ValueError, match="whole=True"):
        dealt.per_sample(dealt.corrupt(batch))


def test_padding_does_not_count():
    graph = graph_of("corruption=noise", "objective=cross_entropy", grid="text")
    x = sample(GRIDS["text"], batch=3).x
    valid = torch.ones_like(x, dtype=torch.bool)
    valid[0, 8:] = False
    with torch.no_grad():
        corrupted = graph.corrupt(Batch(x, torch.arange(3), valid=valid), whole=True)
        each = graph.per_sample(corrupted)
        alone = [graph(graph.corrupt(Batch(x, torch.arange(3), valid=valid), whole=True))["loss"]]
    weights = valid.sum(1).float()
    torch.testing.assert_close((each * weights).sum() / weights.sum(), alone[0], rtol=1e-4, atol=1e-4)
