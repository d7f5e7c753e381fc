"""What is decoded from two views of a sample agrees: divergences, the term, and what keeps its outputs apart."""

from __future__ import annotations

import math

import pytest
import torch
from helpers.build import build
from helpers.nodes import edge, node

from ssl_pipeline.config.compose import compose
from ssl_pipeline.graph.topology import check_topology, decoded_nodes, leading, topology
from ssl_pipeline.inference.inference import Inference
from ssl_pipeline.inference.learned import views_leading_to
from ssl_pipeline.losses import L1, CrossEntropy, JensenShannon, MultiResolutionSTFT, SymmetricKL
from ssl_pipeline.objectives import Consistency, GraphInfo, Reconstruction
from ssl_pipeline.structures.batch import Batch
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.structures.nodes import CLEAN

TEXT = GridSpec.of(("position", 12), vocab=258, mask_token=257, end_token=256)
SMALL = ["encoder=vit", "encoder.width=16", "encoder.depth=1", "encoder.heads=2", "decoder.width=16", "decoder.depth=1"]
FOLDS = ["corruption=template+template+template", *(f"corruption.template_{i}.fold=[{i},3]" for i in (1, 2, 3))]
ROOM = [f"corruption.template_{i}.room=24" for i in (1, 2, 3)]


def graph(*overrides, decoder="cross_attention", grid=TEXT):
    torch.manual_seed(0)
    parts = [*SMALL, f"decoder={decoder}", "objective=cross_entropy+consistency", *FOLDS, *ROOM]
    return build(compose([*parts, *overrides]), grid).eval()


def batch(rows=9):
    generator = torch.Generator().manual_seed(0)
    x, length = torch.randint(97, 122, (rows, 12), generator=generator), torch.randint(2, 12, (rows, 1))
    place = torch.arange(12)
    return Batch(x.where(place < length, 256), torch.arange(rows), valid=place <= length)


def distributions(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 3, 5, generator=generator), torch.randn(2, 3, 5, generator=generator)


def kl(p, q):
    return sum(x * math.log(x / y) for x, y in zip(p, q, strict=True))


def test_divergences_are_their_formulas():
    a, b = distributions()
    p, q = (z[1, 2].softmax(-1).tolist() for z in (a, b))
    mean = [(x + y) / 2 for x, y in zip(p, q, strict=True)]
    js, both = JensenShannon().per_place(a, b)[1, 2].item(), SymmetricKL().per_place(a, b)[1, 2].item()
    assert js == pytest.approx((kl(p, mean) + kl(q, mean)) / 2, rel=1e-4)
    assert both == pytest.approx((kl(p, q) + kl(q, p)) / 2, rel=1e-4)


@pytest.mark.parametrize("loss", [JensenShannon(), SymmetricKL()], ids=lambda loss: type(loss).__name__)
def test_divergences_are_symmetric_finite_and_0_where_both_say_the_same(loss):
    a, b = distributions()
    torch.testing.assert_close(loss(a, b), loss(b, a))
    assert loss(a, a + 3).item() == pytest.approx(0, abs=1e-6)  # logits know no constant
    sure = torch.tensor([[[900.0, -900.0]]]).requires_grad_()
    loss(sure, -sure.detach()).backward()
    assert sure.grad.isfinite().all()
    assert JensenShannon()(sure, -sure).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("decoder", ["cross_attention", "autoregressive"])
@pytest.mark.parametrize("per_step", ["all", 2])
def test_each_pair_is_compared_where_both_views_have_the_sample(decoder, per_step):
    """Against the outputs of all samples in all views; only real places count."""
    one, given = graph(f"views_per_step={per_step}", decoder=decoder), batch()
    corrupted = one.corrupt(given, step=1)
    found = one(corrupted)
    pairs = [("template_1", "template_2"), ("template_1", "template_3"), ("template_2", "template_3")]
    seen = [name for name in found if name.startswith("consistency/")]
    assert sorted(seen) == [f"consistency/{a}~{b}" for a, b in pairs]  # dealt to two of three views, all pairs meet too
    weight = one.objective.terms["consistency"].weight
    each = [found[name] for name in seen]
    reconstruction = [value for name, value in found.items() if name.startswith("cross_entropy/")]
    total = torch.stack(reconstruction).mean() + weight * torch.stack(each).mean()
    torch.testing.assert_close(found["loss"], total)
    for a, b in pairs:
        logits, rows = {}, {}
        for name in (a, b):
            rows[name] = torch.arange(9) if corrupted.assignment.rows is None else corrupted.assignment.rows[name]
            latent = Inference(one).latents({name: corrupted.views[name]})[name]
            logits[name] = one.decoders[CLEAN.name](latent, None, None, given.x[rows[name]].unsqueeze(-1))
        apart, count = 0.0, 0
        for row in set(rows[a].tolist()) & set(rows[b].tolist()):
            p, q = (logits[n][rows[n].tolist().index(row)] for n in (a, b))
            apart += (SymmetricKL().per_place(p[None], q[None])[0] * given.valid[row]).sum()
            count += given.valid[row].sum()
        torch.testing.assert_close(found[f"consistency/{a}~{b}"], apart / count)


def test_targets_stand_still():
    """Each view that moves meets each target, and the gradient of the term is that of the views that move."""
    one = graph("objective.consistency.targets=[template_1]", "objective.cross_entropy.views=[template_1]")
    assert [e.name for e in one.edges["consistency"]] == [
        "consistency/template_2>template_1",
        "consistency/template_3>template_1",
    ]
    latents = []
    one.latent.register_forward_hook(lambda module, args, latent: latents.append(latent.tokens))
    found = one(one.corrupt(batch()))
    still, *moving = torch.autograd.grad(found["consistency/template_2>template_1"], latents, allow_unused=True)
    assert still is None and moving[0].abs().sum() > 0 and moving[1] is None


def test_an_untargeted_view_is_restored_all_the_same():
    """The decoder has learnt to lead it to the clean form, so that it is measured and exported as the others are."""
    one = graph("objective.cross_entropy.views=[template_1]")
    assert views_leading_to(one) == ["template_1", "template_2", "template_3"]


def test_numbers_are_compared_as_numbers():
    grid = GridSpec.of(("x", 8), channels=1)
    loss = "objective.consistency.loss=mse"
    parts = ["corruption=noise+mask", "objective=reconstruct+consistency", loss, *SMALL, "decoder=cross_attention"]
    one = build(compose([*parts, "corruption.mask.cell=2"]), grid).eval()
    corrupted = one.corrupt(Batch(torch.rand(4, 1, 8), torch.arange(4)))
    a, b = (one.decoders[CLEAN.name](z) for z in Inference(one).latents(corrupted.views).values())
    torch.testing.assert_close(one(corrupted)["consistency/noise~mask"], (a - b).square().mean())
    with pytest.raises(ValueError, match=r"SymmetricKL does not compare numbers.*type: mse"):
        build(compose([part for part in parts if part != loss]), grid)
    with pytest.raises(ValueError, match=r"MSE does not compare symbols.*type: symmetric_kl"):
        graph(loss)


COMPARE = edge("c/a~b", "output/a", "output/b", True)
DECODE = edge("r/a", "latent/a", "clean", False, True)


def test_outputs_that_only_agree_are_refused():
    with pytest.raises(ValueError, match=r"decoded from a, b is only compared .*\+cross_entropy or \+reconstruct"):
        check_topology(topology("ab", [COMPARE], False).nodes, [COMPARE])
    check_topology(topology("ab", [COMPARE], False).nodes, [COMPARE], allow_collapse=True)
    check_topology(topology("ab", [COMPARE, DECODE], False).nodes, [COMPARE, DECODE])


def test_latents_that_are_kept_apart_do_not_keep_outputs_apart():
    spread = edge("sigreg/a~b", "latent/a", "latent/b", True, True)
    with pytest.raises(ValueError, match="one constant output"):
        check_topology(topology("ab", [COMPARE, spread], False).nodes, [COMPARE, spread])
    other = [COMPARE, edge("c/c~d", "output/c", "output/d", True, False), DECODE]
    with pytest.raises(ValueError, match="decoded from c, d is only compared"):
        check_topology(topology("abcd", other, False).nodes, other)


def test_what_is_compared_is_decoded():
    assert decoded_nodes([COMPARE]) == [CLEAN] and leading([COMPARE], CLEAN, "abc") == ["a", "b"]
    assert leading([COMPARE], node("view/a"), "abc") == []
    found = topology("abc", [COMPARE, DECODE, edge("p/c>a", "latent/c", "teacher/a", True, True)], False)
    assert found.students == ["a", "b", "c"] and found.nodes[node("output/a")] == (node("latent/a"),)


def joined(term, views=("a",), consensus=False):
    """A term in a graph of some views."""
    return term.bind("c", GraphInfo(tuple(views), consensus, TEXT, 8, 8, True, None))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Consistency(loss=CrossEntropy()), "JensenShannon or SymmetricKL"),
        (
            lambda: Consistency(
                loss=MultiResolutionSTFT(sizes=[8]).bind(GridSpec.of(("time", 64), channels=1, signal=True))
            ),
            "whole signals",
        ),
        (lambda: Reconstruction(loss=JensenShannon()), "the truth is none"),
        (lambda: joined(Consistency(loss=L1()), "ab", True), "latent.fuse=null"),
        (lambda: joined(Consistency(loss=L1())), "give it two views"),
        (lambda: joined(Consistency(loss=L1(), targets=["a"])), "give it two views"),
        (lambda: graph("objective.consistency.targets=[tempalte_1]"), "nearest: output/template_1"),
    ],
)
def test_what_cannot_be_compared_is_refused(make, sentence):
    with pytest.raises(ValueError, match=sentence):
        make()
