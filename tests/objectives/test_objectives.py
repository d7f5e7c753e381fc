"""Terms without a graph: what they ask of losses and heads, and when."""

from __future__ import annotations

from functools import partial

import pytest
import torch
import torch.nn.functional as F
from helpers.build import build
from helpers.processes import in_two_processes
from torch import nn

from ssl_pipeline.config.compose import compose
from ssl_pipeline.losses import NNCLR, Centering, InfoNCE, MoCo, SelfDistillation, Sinkhorn, SmoothL1, sinkhorn
from ssl_pipeline.models.encoders import ConvEncoder
from ssl_pipeline.models.layers import Projector, Prototypes
from ssl_pipeline.objectives import GraphInfo, JointEmbedding, MaskedPrediction, State, Targets, TeacherPrediction
from ssl_pipeline.structures.batch import Batch, Latent, clean_view
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.structures.view_assignment import assign_views

LINE = GridSpec.of(("x", 6), channels=1)
VIEWS = ("a", "b", "c", "d")
DIRECTED = {
    "centring": lambda: SelfDistillation(Centering(6)),
    "sinkhorn": lambda: SelfDistillation(Sinkhorn()),
    "queue": lambda: MoCo(6, 64),  # it holds more than two steps: which rows come first does not matter
    "neighbour": lambda: NNCLR(6, 64),
}


def joined(term, name="term", views=VIEWS, width=6, grid=LINE):
    """A term in a graph of some views."""
    tokens = GridSpec(grid.axes, channels=width)
    return term.bind(name, GraphInfo(tuple(views), False, grid, width, width, True, tokens))


def state(latents, dealt=None, valid=None, head=lambda module: module, teacher=None):
    """A step whose encoder said ``latents`` of each view, and whose teacher said ``teacher``, or the same."""
    n = len(next(iter(latents.values())).pooled)
    dealt = assign_views([*latents], len(latents), n, "cpu", 0, 0, 0) if dealt is None else dealt
    views = {name: clean_view(LINE, torch.zeros(n, 1, 6), valid) for name in latents}
    targets = Targets(latents if teacher is None else teacher, head)
    return State(views["a"], views, torch.arange(n), latents, dealt, {}, lambda _: None, targets)


def said(rows=8, width=6, seed=0, views=VIEWS):
    generator = torch.Generator().manual_seed(seed)
    return {v: Latent(torch.zeros(rows, 0, width), torch.randn(rows, width, generator=generator)) for v in views}


class Spy(SelfDistillation):
    """Keeps the rows that each target was made of."""

    def target(self, said):
        self.rows = [*getattr(self, "rows", []), said]
        return super().target(said)


def test_each_target_is_balanced_once_over_all_rows_of_its_view():
    latents, term = said(12), joined(TeacherPrediction(loss=Spy(Sinkhorn()), targets=["a", "b"]), "dino")
    found = term(state(latents))
    assert len(found) == 6 and all(rows.equal(latents[v].pooled) for v, rows in zip("ba", term.loss.rows, strict=True))
    wanted = sinkhorn(latents["b"].pooled, 3, 0.05)
    torch.testing.assert_close(found["dino/c>b"], F.cross_entropy(latents["c"].pooled / 0.1, wanted))


def test_rows_are_dealt_out_after_the_target_was_made_of_all():
    dealt = assign_views(VIEWS, 2, 12, "cpu", 0, 3, 0)
    latents, term = said(6), joined(TeacherPrediction(loss=Spy(Sinkhorn())), "dino")
    found = term(state(latents, dealt))
    assert [len(rows) for rows in term.loss.rows] == [6] * 4 and len(found) == 8
    for name, value in found.items():
        a, b = name.removeprefix("dino/").split(">")
        wanted = dealt.shared(sinkhorn(latents[b].pooled, 3, 0.05), b, a)
        assert len(wanted) == 3
        expected = F.cross_entropy(dealt.shared(latents[a].pooled, a, b) / 0.1, wanted)
        torch.testing.assert_close(value, expected)


def test_a_pair_is_contrasted_with_all_samples_of_the_step():
    """Each embedding finds its partner among every other one, though only a quarter of the samples pass both views."""
    dealt, latents = assign_views(VIEWS, 2, 12, "cpu", 0, 3, 0), said(6)
    found = joined(JointEmbedding(loss=InfoNCE(0.3)), "info_nce")(state(latents, dealt))
    assert len(found) == 4
    sample = torch.cat([dealt.rows[view] for view in VIEWS])
    view = torch.arange(len(VIEWS)).repeat_interleave(6)
    z = F.normalize(torch.cat([latents[v].pooled for v in VIEWS]), dim=-1)
    log_p = ((z @ z.T) / 0.3).fill_diagonal_(float("-inf")).log_softmax(1)
    partner = ((sample[:, None] == sample) & (view[:, None] != view)).float().argmax(1)
    each = -log_p[torch.arange(24), partner]
    for name, value in found.items():
        a, b = (VIEWS.index(v) for v in name.removeprefix("info_nce/").split("~"))
        among = ((view == a) & (view[partner] == b)) | ((view == b) & (view[partner] == a))
        torch.testing.assert_close(value, each[among].mean())


class Counting(nn.Linear):
    """Counts its calls."""

    calls = 0

    def forward(self, z):
        self.calls += 1
        return super().forward(z)


def test_each_pair_has_a_hub():
    def pairs(anchors, views=VIEWS):
        term = joined(JointEmbedding(loss=InfoNCE(), anchors=anchors), "info_nce", views)
        return [edge.name.removeprefix("info_nce/") for edge in term.edges]

    assert pairs(["b"]) == ["a~b", "b~c", "b~d"]
    assert pairs(["a", "c"]) == ["a~b", "a~c", "a~d", "b~c", "c~d"]
    assert pairs(VIEWS) == pairs(None) and len(pairs(None)) == 6
    with pytest.raises(ValueError, match=r"info_nce\.anchors names e, and the views that meet are a, b, c, d"):
        pairs(["e"])


def test_heads_see_each_view_once():
    own, copy = Counting(6, 4), Counting(6, 4)
    term = TeacherPrediction(loss=SelfDistillation(Centering(4)), projector=lambda _: own, targets=["a", "b"])
    joined(term, "dino")(state(said(), head=lambda _: copy))
    assert (own.calls, copy.calls) == (4, 2)


def step(name: str, part: slice) -> tuple[float, list, list]:
    """Loss, gradient and memory after two steps of four views, of which two are targets."""
    torch.manual_seed(0)
    term = TeacherPrediction(loss=DIRECTED[name](), projector=partial(nn.Linear, out_features=6), targets=["a", "b"])
    term, total = joined(term, name), torch.zeros(())
    for seed in (0, 1):
        latents = {v: Latent(z.tokens[part], z.pooled[part]) for v, z in said(8, seed=seed).items()}
        total = total + torch.stack([*term(state(latents)).values()]).sum()
    total.backward()
    memory = [sorted(v.double().flatten().tolist()) for v in term.loss.state_dict().values()]
    return total.item(), term.projector.weight.grad.tolist(), memory


def dealt_step(rank: int) -> tuple[list[str], list]:
    """Edges of a step whose rows are dealt by rank, and the codes of each target view."""
    term = joined(TeacherPrediction(loss=Spy(Sinkhorn())), "dino")
    found = term(state(said(6, seed=rank), assign_views(VIEWS, 2, 12, "cpu", 0, 3, rank)))
    return [*found], [sinkhorn(rows, 3, 0.05).tolist() for rows in term.loss.rows]


def _halves(rank: int, queue) -> None:
    whole = {name: step(name, slice(4 * rank, 4 * rank + 4)) for name in DIRECTED}
    queue.put((rank, whole, dealt_step(rank)))


@pytest.fixture(scope="module")
def halves():
    """By rank: what two processes find with half of the samples each, and with dealt rows."""
    return in_two_processes(_halves)


@pytest.mark.parametrize("name", DIRECTED)
def test_two_processes_equal_one(name, halves):
    loss, gradient, memory = step(name, slice(None))
    results = [whole[name] for _, whole, _ in halves]
    assert sum(r[0] for r in results) / 2 == pytest.approx(loss, rel=1e-5)
    mean = sum(torch.tensor(r[1]) for r in results) / 2
    torch.testing.assert_close(mean, torch.tensor(gradient), rtol=1e-4, atol=1e-6)
    for theirs, ours in zip(results[0][2] + results[1][2], memory * 2, strict=True):
        assert theirs == pytest.approx(ours, rel=1e-5, abs=1e-6)


def test_dealt_ranks_balance_the_same_views_together(halves):
    (_, _, (names, codes)), (_, _, (others, theirs)) = halves
    assert names == others and len(codes) == len(theirs) == 4
    latents, order = (said(6, seed=0), said(6, seed=1)), dict.fromkeys(name.split(">")[1] for name in names)
    for view, ours, other in zip(order, codes, theirs, strict=True):
        expected = sinkhorn(torch.cat([z[view].pooled for z in latents]), 3, 0.05)
        torch.testing.assert_close(torch.tensor(ours + other), expected)


def test_tokens_are_balanced_over_all_places_of_a_view():
    tokens, wanted = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    term = MaskedPrediction(loss=SelfDistillation(Sinkhorn()), normalize=False, where="everywhere")
    student, teacher = ({"a": Latent(z, z.mean(1))} for z in (tokens, wanted))
    found = joined(term, "ibot", "a")(state(student, teacher=teacher))["ibot/a"]
    expected = F.cross_entropy(tokens.flatten(0, 1) / 0.1, sinkhorn(wanted.flatten(0, 1), 3, 0.05))
    torch.testing.assert_close(found, expected)


def test_padding_passes_no_head():
    """Loss and gradient are those of the places alone, normalised over themselves."""
    torch.manual_seed(0)
    head = Projector(hidden=5, out=4)
    term = joined(MaskedPrediction(loss=SmoothL1(), projector=head, normalize=False, where="everywhere"), "t", "a")
    valid = torch.arange(6) < torch.tensor([[6], [2], [1], [4]])
    tokens, wanted = torch.randn(4, 6, 6), torch.randn(4, 6, 6)
    tokens[~valid], wanted[~valid] = 1e3, -1e3
    student, teacher = ({"a": Latent(z.requires_grad_(), z.mean(1))} for z in (tokens, wanted))
    term(state(student, valid=valid, teacher=teacher))["t/a"].backward()
    rows = tokens.detach()[valid].requires_grad_()
    alone = F.smooth_l1_loss(term.projector(rows), term.projector(wanted[valid]).detach())
    alone.backward()
    torch.testing.assert_close(tokens.grad[valid], rows.grad)
    assert tokens.grad[~valid].eq(0).all() and wanted.grad is None and rows.grad.abs().sum() > 0
    torch.testing.assert_close(term(state(student, valid=valid, teacher=teacher))["t/a"], alone)


@pytest.mark.parametrize(
    ("head", "width"),
    [(Projector(7, 3).bind(5), 3), (Prototypes(7, 4, 9).bind(5), 9), (nn.Identity(), 5), (nn.Linear(5, 2), 2)],
)
def test_a_predictor_is_as_wide_as_the_head_before_it(head, width):
    seen = []
    term = TeacherPrediction(
        loss=SelfDistillation(Sinkhorn()),
        projector=lambda _: head,
        predictor=lambda n: seen.append(n) or nn.Linear(n, n),
    )
    term = joined(term, width=5)
    assert seen == [width] == [term.predictor(head(torch.randn(4, 5))).shape[1]]


def test_a_head_that_does_not_say_its_width_is_refused_where_it_matters():
    make = partial(TeacherPrediction, projector=lambda n: nn.Sequential(nn.Linear(n, 3)))
    assert joined(make(loss=SelfDistillation(Sinkhorn()))).edges
    with pytest.raises(ValueError, match="got Sequential: give it an attribute out_features"):
        joined(make(loss=SelfDistillation(Sinkhorn()), predictor=nn.Identity))


@pytest.mark.parametrize(
    ("kind", "loss", "sentence"),
    [
        (
            TeacherPrediction,
            MoCo(7),
            r"objective.x.loss.width is 7, .*projector gives 3 numbers: set objective.x.*width=3",
        ),
        (
            TeacherPrediction,
            SelfDistillation(Centering(4)),
            r"objective.x.loss.balance.count is 4, and .* set .*balance.count=3",
        ),
        (
            MaskedPrediction,
            SelfDistillation(Centering(4)),
            r"objective.x.loss.balance.count is 4, and .* set .*balance.count=3",
        ),
    ],
)
def test_another_width_is_refused_before_a_step(kind, loss, sentence):
    term = kind(loss=loss, projector=partial(nn.Linear, out_features=3))
    with pytest.raises(ValueError, match=sentence):
        joined(term, "x")


def test_a_token_of_a_convolutional_encoder_lies_in_the_patch_that_it_stands_for():
    torch.manual_seed(0)
    grid = GridSpec.of(("x", 84), channels=1)
    encoder = ConvEncoder(widths=[16, 16], stride=2).bind(grid, ["a"]).double().eval()
    x = torch.randn(64, 1, 84, dtype=torch.float64, requires_grad=True)
    tokens = encoder({"a": clean_view(grid, x)})["a"].tokens
    for token in range(5, 16):  # of which it sees all cells
        (slope,) = torch.autograd.grad(tokens[:, token].sum(), x, retain_graph=True)
        seen = slope.abs().sum((0, 1)).nonzero()
        assert (seen.min() + seen.max()) / 2 == encoder.reduction * token
    for step in (1, 2, 4, 8, 16):
        for n in range(1, 200):
            count = -(-n // step)
            assert n % count or all(step * token // (n // count) == token for token in range(count))


CROPS = [
    "corruption=crop+crop+crop+crop",
    "corruption.crop_3.size=0.5",
    "corruption.crop_4.size=0.5",
    "objective.swav.targets=[crop_1,crop_2]",
]


@pytest.mark.parametrize(
    ("overrides", "teacher"),
    [
        (["experiment=dino", "objective=swav", "objective.swav.targets=[crop_1,crop_2]"], True),
        (["experiment=swav", *CROPS], False),
    ],
    ids=["dino with sinkhorn", "swav with small crops"],
)
def test_codes_of_large_crops_are_for_all(overrides, teacher):
    """As the comments of ``conf/objective/dino.yaml`` and ``conf/experiment/swav.yaml`` say."""
    grid = GridSpec.of(("y", 16), ("x", 16), channels=1)
    graph = build(compose([*overrides, "encoder.widths=[8,8]"]), grid)
    corrupted = graph.corrupt(Batch(torch.rand(8, 1, 16, 16), torch.arange(8)))
    assert {name: view.x.shape[2] for name, view in corrupted.views.items()} == {
        "crop_1": 16,
        "crop_2": 16,
        "crop_3": 8,
        "crop_4": 8,
    }
    losses = graph(corrupted)
    losses["loss"].backward()
    assert len(losses) == 1 + 2 * 3 and {name[-6:] for name in losses if ">" in name} == {"crop_1", "crop_2"}
    assert (graph.teacher is not None) is teacher
    assert isinstance(graph.objective.terms["swav"].loss.balance, Sinkhorn)
