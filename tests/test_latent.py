"""The fixed-format latent and the consensus of views."""

from __future__ import annotations

import pytest
import torch

from ssl_pipeline.latent import Fuse, Relaxed, Slots
from ssl_pipeline.records import Latent


def test_slots_have_one_format_for_any_number_of_tokens():
    slots = Slots(width=16, embedding_width=16, slots=3, slot_width=8)
    for n in (5, 9):
        latent = slots(Latent(torch.randn(2, n, 16), torch.randn(2, 16)))
        assert latent.tokens.shape == (2, 3, 8)
        assert latent.pooled.shape == (2, 8)


def test_slots_do_not_read_what_is_not_valid():
    slots = Slots(width=16, embedding_width=16).eval()
    tokens, valid = torch.randn(2, 6, 16), torch.tensor([[True] * 4 + [False] * 2] * 2)
    short = slots(Latent(tokens[:, :4], tokens.mean(1)))
    long = slots(Latent(tokens, tokens.mean(1), valid=valid))
    torch.testing.assert_close(short.tokens, long.tokens)


@pytest.mark.parametrize("options", [{"slots": 0}, {"fuse": "median"}])
def test_slots_refuse(options):
    with pytest.raises(ValueError, match="latent"):
        Slots(width=16, embedding_width=16, **options)


def views(n=3, batch=4, slots=2, width=5):
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(batch, slots, width, generator=generator).requires_grad_() for _ in range(n)]


def test_mean_is_the_mean_and_passes_gradients():
    latents = views()
    consensus = Fuse()(latents, None)
    torch.testing.assert_close(consensus.tokens, sum(latents) / 3)
    consensus.tokens.sum().backward()
    assert all(v.grad is not None for v in latents)


def linear_energy(z):
    generator = torch.Generator().manual_seed(2)
    g, x = torch.randn(z[0].numel(), 7, generator=generator), torch.randn(len(z), 7, generator=generator)
    return (z.flatten(1) @ g - x).square().sum(1), g, x


def test_energy_never_rises_in_relaxation():
    consensus = Relaxed(steps=12, rate=5.0)(views(), lambda z: linear_energy(z)[0])
    assert consensus.energy.shape == (13, 4)
    assert (consensus.energy.diff(dim=0) <= 1e-6).all()
    assert (consensus.energy[-1] < consensus.energy[0]).all()


def test_relaxed_meets_the_closed_form_of_linear_maps():
    latents = views()
    consensus = Relaxed(steps=3000, rate=0.002, stiffness=7.0, data_weight=0.5)(latents, lambda z: linear_energy(z)[0])
    _, g, x = linear_energy(latents[0])
    f = torch.stack([v.detach().flatten(1) for v in latents])
    # (sum k + kappa G G^T) z = sum k f + kappa G x, with k = 7 / 10 since springs are means over the 10 values
    a = 0.7 * 3 * torch.eye(len(g)) + 0.5 * g @ g.T
    expected = torch.linalg.solve(a, (0.7 * f.sum(0) + 0.5 * x @ g.T).T).T
    torch.testing.assert_close(consensus.tokens.flatten(1), expected, rtol=1e-3, atol=1e-3)


def test_relaxed_is_detached_and_its_springs_pull_the_encoders():
    latents = views()
    consensus = Relaxed()(latents, lambda z: linear_energy(z)[0])
    assert not consensus.tokens.requires_grad
    consensus.springs.backward()
    torch.testing.assert_close(latents[0].grad, 2 * (latents[0].detach() - consensus.tokens) / 10 / 4)


def test_relaxed_refuses_no_steps():
    with pytest.raises(ValueError, match="positive"):
        Relaxed(steps=0)
