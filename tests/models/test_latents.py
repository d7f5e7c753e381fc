"""The fixed-format latent and the consensus of views."""

from __future__ import annotations

from itertools import combinations

import pytest
import torch
from helpers.graphs import SLOTS, batch, make
from torch import nn

from ssl_pipeline.models.latents import MeanConsensus, RelaxedConsensus, Slots, consensus_loss
from ssl_pipeline.structures.batch import Latent


def test_slots_have_one_format_for_any_number_of_tokens():
    slots = Slots(slots=3, slot_width=8).bind(16, 16)
    for n in (5, 9):
        latent = slots(Latent(torch.randn(2, n, 16), torch.randn(2, 16)))
        assert latent.tokens.shape == (2, 3, 8)
        assert latent.pooled.shape == (2, 8)


def test_slots_do_not_read_what_is_not_valid():
    slots = Slots().bind(16, 16).eval()
    tokens, valid = torch.randn(2, 6, 16), torch.tensor([[True] * 4 + [False] * 2] * 2)
    short = slots(Latent(tokens[:, :4], tokens.mean(1)))
    long = slots(Latent(tokens, tokens.mean(1), valid=valid))
    torch.testing.assert_close(short.tokens, long.tokens)


@pytest.mark.parametrize("options", [{"slots": 0}, {"fuse": "median"}])
def test_slots_refuse(options):
    with pytest.raises(ValueError, match="latent"):
        Slots(**options).bind(16, 16)


def views(n=3, batch=4, slots=2, width=5):
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(batch, slots, width, generator=generator).requires_grad_() for _ in range(n)]


def test_mean_is_the_mean_and_passes_gradients():
    latents = views()
    consensus = MeanConsensus()(latents, None)
    torch.testing.assert_close(consensus.tokens, sum(latents) / 3)
    consensus.tokens.sum().backward()
    assert all(v.grad is not None for v in latents)


def linear_energy(z):
    generator = torch.Generator().manual_seed(2)
    g, x = torch.randn(z[0].numel(), 7, generator=generator), torch.randn(len(z), 7, generator=generator)
    return (z.flatten(1) @ g - x).square().sum(1), g, x


def test_energy_never_rises_in_relaxation():
    consensus = RelaxedConsensus(steps=12, rate=50.0)(views(), lambda z: linear_energy(z)[0])
    assert consensus.energy.shape == (13, 4)
    assert (consensus.energy.diff(dim=0) <= 1e-6).all()
    assert (consensus.energy[-1] < consensus.energy[0]).all()


def test_relaxed_meets_the_closed_form_of_linear_maps():
    latents = views()
    consensus = RelaxedConsensus(steps=40, stiffness=7.0, data_weight=0.5)(latents, lambda z: linear_energy(z)[0])
    _, g, x = linear_energy(latents[0])
    f = torch.stack([v.detach().flatten(1) for v in latents])
    # (sum k + kappa G G^T) z = sum k f + kappa G x, with k = 7 / 10 since losses are means over the 10 values
    a = 0.7 * 3 * torch.eye(len(g)) + 0.5 * g @ g.T
    expected = torch.linalg.solve(a, (0.7 * f.sum(0) + 0.5 * x @ g.T).T).T
    torch.testing.assert_close(consensus.tokens.flatten(1), expected, rtol=1e-3, atol=1e-3)


def test_a_stiffer_spring_counts_more():
    """A view that comes twice has a spring of twice the stiffness."""
    a, b = views(n=2)
    consensus = RelaxedConsensus(steps=40, stiffness=2.0)([a, a, b], lambda z: linear_energy(z)[0])
    _, g, x = linear_energy(a)
    stiff, loose = 2 * 2.0 / 10, 2.0 / 10  # losses are means over 10 values
    matrix = (stiff + loose) * torch.eye(10) + g @ g.T
    wanted = (stiff * a + loose * b).detach().flatten(1) + x @ g.T
    expected = torch.linalg.solve(matrix, wanted.T).T
    torch.testing.assert_close(consensus.tokens.flatten(1), expected, rtol=1e-3, atol=1e-3)


class Decoder(nn.Module):
    """From a latent to data on a bent path, with the energy between them."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(3)
            self.layers = nn.Sequential(nn.Linear(10, 16), nn.Tanh(), nn.Linear(16, 7))
            self.x = torch.randn(4, 7)

    def forward(self, z):
        return (self.layers(z.flatten(1)) - self.x).square().sum(1)


def test_energy_never_rises_and_comes_to_rest_with_a_bent_decoder():
    decoder = Decoder()
    for rate in (0.01, 1.0, 500.0):  # also from steps that are much too long
        consensus = RelaxedConsensus(steps=60, rate=rate)(views(), decoder)
        assert (consensus.energy.diff(dim=0) <= 1e-6).all()
        z = consensus.tokens.requires_grad_()
        force = torch.autograd.grad((consensus_loss(z, views()) + decoder(z)).sum(), z)[0]
        start = torch.stack(views()).mean(0).requires_grad_()
        pull = torch.autograd.grad((consensus_loss(start, views()) + decoder(start)).sum(), start)[0]
        assert force.abs().max() < 1e-2 * pull.abs().max()


def test_force_on_the_weights_is_the_partial_derivative_at_rest():
    """Envelope theorem, linear maps: what flows from a detached z* equals the derivative of min_z E in closed form."""
    latents = views()
    _, g, x = linear_energy(latents[0])
    g = g.requires_grad_()
    consensus = RelaxedConsensus(steps=40, stiffness=7.0)(latents, lambda z: (z.flatten(1) @ g - x).square().sum(1))
    at_rest = consensus.consensus_loss + (consensus.tokens.flatten(1) @ g - x).square().sum(1).mean()
    partial = torch.autograd.grad(at_rest, [g, *latents])

    g64, x64 = g.detach().double().requires_grad_(), x.double()
    f64 = [v.detach().double().requires_grad_() for v in latents]
    flat = torch.stack([v.flatten(1) for v in f64])
    z = torch.linalg.solve(0.7 * 3 * torch.eye(10) + g64 @ g64.T, (0.7 * flat.sum(0) + x64 @ g64.T).T).T
    loss = 0.7 * (z - flat).square().sum((0, 2)) + (z @ g64 - x64).square().sum(1)
    total = torch.autograd.grad(loss.mean(), [g64, *f64])
    for ours, exact in zip(partial, total, strict=True):
        torch.testing.assert_close(ours.double(), exact, rtol=2e-3, atol=2e-3 * float(exact.abs().max()))


def test_force_on_the_weights_of_a_bent_decoder():
    """The same against finite differences of the energy at rest."""
    decoder, relaxed, latents = Decoder(), RelaxedConsensus(steps=60, stiffness=0.1), views()

    def at_rest():
        return float(relaxed(latents, decoder).energy[-1].mean())

    weight = decoder.layers[2].weight
    consensus = relaxed(latents, decoder)
    gradient = torch.autograd.grad(consensus.consensus_loss + decoder(consensus.tokens).mean(), weight)[0]
    other = torch.randn(weight.shape, generator=torch.Generator().manual_seed(4))
    for direction in (gradient / gradient.norm(), other / other.norm()):
        with torch.no_grad():
            weight += 0.02 * direction
            above = at_rest()
            weight -= 0.04 * direction
            below = at_rest()
            weight += 0.02 * direction
        expected = float((gradient * direction).sum())
        assert (above - below) / 0.04 == pytest.approx(expected, abs=0.01 * float(gradient.norm()))


def test_a_graph_at_rest_feels_the_partial_derivative():
    """The loss of a relaxed graph has the gradient of min_z E over all of its weights, encoder and decoder."""
    relaxed = "latent.fuse={type: relaxed, steps: 60, stiffness: 0.2}"
    graph = make("corruption=mask+noise", *SLOTS, relaxed, "allow_collapse=true").eval()
    corrupted, weights = graph.corrupt(batch()), [*graph.parameters()]
    graph(corrupted)["loss"].backward()
    gradient = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in weights]
    norm = torch.stack([g.norm() for g in gradient]).norm()

    def moved(by):
        with torch.no_grad():
            for p, g in zip(weights, gradient, strict=True):
                p += by / norm * g
        return float(graph.state(corrupted).consensus.energy[-1].mean())

    above, below = moved(0.01), moved(-0.02)
    assert (above - below) / 0.02 == pytest.approx(float(norm), rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("stiffness", [1.0, 4.0])
def test_the_default_steps_come_to_rest_on_a_trained_graph(stiffness):
    """What pulls the encoders points where it would at rest, which torch's L-BFGS finds with its line search."""
    fuse = f"latent.fuse={{type: relaxed, stiffness: {stiffness}}}"
    graph = make("corruption=mask+noise", *SLOTS, fuse, "objective=reconstruct+sigreg")
    optimiser = torch.optim.AdamW(graph.parameters(), lr=2e-3)
    for step in range(200):
        optimiser.zero_grad()
        graph(graph.corrupt(batch(n=64), seed=0, step=step))["loss"].backward()
        optimiser.step()
    graph.eval().requires_grad_(False)
    corrupted = graph.corrupt(batch(n=16))
    clean, views = graph.normalize.of(corrupted.clean), graph.encode(graph.normalized(corrupted.views))
    fixed, explains = [view.tokens for view in views.values()], graph.objective.explains(clean, graph.decoders)

    def energy(z):
        return stiffness * consensus_loss(z, fixed) + explains(z)

    found = RelaxedConsensus(stiffness=stiffness)(fixed, explains)
    rest = torch.stack(fixed).mean(0).requires_grad_()
    search = torch.optim.LBFGS([rest], max_iter=500, history_size=30, line_search_fn="strong_wolfe")

    def closure():
        search.zero_grad()
        total = energy(rest).sum()
        total.backward()
        return total

    search.step(closure)
    pulls = [torch.stack([view - z for view in fixed]).flatten() for z in (found.tokens, rest.detach())]
    assert torch.cosine_similarity(*pulls, dim=0) > 0.98
    assert (found.energy.diff(dim=0) <= 1e-6).all()


@pytest.mark.parametrize(("n", "k", "m"), [(2, 1.0, 0.5), (3, 2.0, 1.0), (5, 0.3, 4.0)])
def test_magnets_come_to_rest_near_each_other(n, k, m):
    """M14 with plain squared distances, k |z_i - f_i|^2 + m |z_i - z_j|^2: z_i = mean f + k / (k + n m) (f_i - mean f).

    ``Alignment`` compares directions, so it has no such form.
    """
    fixed = [f.detach() for f in views(n)]
    balls = [f.clone().requires_grad_() for f in fixed]
    rate = 0.4 * fixed[0][0].numel() / (k + n * m)  # energies are means over the values
    for _ in range(300):
        held = sum(k * consensus_loss(z, [f]) for z, f in zip(balls, fixed, strict=True))
        magnets = sum(m * consensus_loss(a, [b]) for a, b in combinations(balls, 2))
        for z, slope in zip(balls, torch.autograd.grad((held + magnets).sum(), balls), strict=True):
            z.data -= rate * slope
    middle = sum(fixed) / n
    for z, f in zip(balls, fixed, strict=True):
        torch.testing.assert_close(z.detach(), middle + k / (k + n * m) * (f - middle), rtol=1e-4, atol=1e-5)
    apart = [float((z[0] - z[1]).detach().norm()) for z in (fixed, balls)]
    assert 0 < apart[1] < apart[0]  # they approach, and do not touch


def test_without_the_clean_sample_the_ball_rests_among_the_views():
    """At inference the consensus loss alone holds it, for any of the views."""
    latents = views()
    for some in (latents, latents[:1], latents[1:]):
        consensus = RelaxedConsensus()(some, None)
        torch.testing.assert_close(consensus.tokens, torch.stack(some).mean(0).detach())
        torch.testing.assert_close(consensus.energy, consensus_loss(consensus.tokens, some)[None])


def test_relaxed_is_detached_and_its_loss_pulls_the_encoders():
    latents = views()
    consensus = RelaxedConsensus()(latents, lambda z: linear_energy(z)[0])
    assert not consensus.tokens.requires_grad
    consensus.consensus_loss.backward()
    torch.testing.assert_close(latents[0].grad, 2 * (latents[0].detach() - consensus.tokens) / 10 / 4)


def test_decoders_read_a_relaxed_latent_with_noise_in_training_only():
    latents, relaxed = views(batch=2000), RelaxedConsensus(steps=1, noise=0.2)
    found = relaxed(latents, lambda z: linear_energy(z)[0])
    assert float((found.latent.tokens - found.tokens).std()) == pytest.approx(0.2, rel=0.05)
    torch.testing.assert_close(found.latent.pooled, found.latent.tokens.mean(1))
    torch.testing.assert_close(found.consensus_loss, consensus_loss(found.tokens, latents).mean())
    found = relaxed.eval()(latents, lambda z: linear_energy(z)[0])
    assert found.latent.tokens.equal(found.tokens)


@pytest.mark.parametrize("options", [{"steps": 0}, {"noise": -0.1}])
def test_relaxed_refuses(options):
    with pytest.raises(ValueError, match=r"latent\.fuse.*positive"):
        RelaxedConsensus(**options)
