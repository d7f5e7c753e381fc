"""Views agree on one latent, which may descend to it."""

from __future__ import annotations

import pytest
import torch
from helpers.graphs import RELAXED, SLOTS, batch, make

from ssl_pipeline.inference.inference import Inference


def test_relaxation_brings_the_energy_down():
    graph = make("corruption=mask+noise", *RELAXED, "allow_collapse=true").eval()
    corrupted = graph.corrupt(batch())
    loss = graph.state(corrupted).consensus.energy
    assert (loss.diff(dim=0) <= 1e-5).all()
    assert loss[-1].mean() < loss[0].mean()
    said = graph(corrupted)
    for k, mean in enumerate(loss.mean(1)):
        torch.testing.assert_close(said[f"relaxation/{k}"], mean)
        assert not said[f"relaxation/{k}"].requires_grad
    assert f"relaxation/{len(loss)}" not in said
    torch.testing.assert_close(said["loss"], loss[-1].mean())  # the way down is no part of the loss


@pytest.mark.parametrize("fuse", ["mean", "relaxed"])
@torch.inference_mode()
def test_a_consensus_of_some_views_needs_no_clean_sample(fuse):
    graph = make("corruption=mask+noise+lowres", *SLOTS, f"latent.fuse={fuse}", "allow_collapse=true").eval()
    corrupted = graph.corrupt(batch())
    latents, inference = graph.encode(graph.normalized(corrupted.views)), Inference(graph)
    for names in (["mask", "noise", "lowres"], ["mask", "lowres"], ["noise"]):
        found = inference.consensus({name: corrupted.views[name] for name in names})
        torch.testing.assert_close(found.tokens, torch.stack([latents[name].tokens for name in names]).mean(0))
        torch.testing.assert_close(found.pooled, found.tokens.mean(1))
        assert inference.decode(found).shape == (12, 1, 8, 8)
    torch.testing.assert_close(inference.decode(found), inference.restore("noise", corrupted.views["noise"]))


def test_a_consensus_wants_views_and_a_latent_that_makes_one():
    graph = make("corruption=mask+noise", *SLOTS, "latent.fuse=mean")
    with pytest.raises(ValueError, match="one view at least, got none"):
        Inference(graph).consensus({})
    graph = make("corruption=mask+noise", *SLOTS)
    with pytest.raises(ValueError, match=r"set latent=slots latent\.fuse=mean"):
        Inference(graph).consensus(graph.corrupt(batch()).views)


def test_a_springy_ball_has_no_way_down_without_a_decoder_to_the_clean_sample():
    graph = make("corruption=mask+noise", *RELAXED, "objective=vicreg")
    losses = graph(graph.corrupt(batch()))
    assert "consensus" in losses and not any(name.startswith("relaxation/") for name in losses)
