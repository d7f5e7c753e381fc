"""Activations that are computed again."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from helpers.build import build
from helpers.runs import SMALL, TINY

from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import digits
from ssl_pipeline.inference.weights import read_weights
from ssl_pipeline.training import run
from ssl_pipeline.training.activations import blocks_of_encoder, checkpoint_activations
from ssl_pipeline.training.plan import plan_run

VIT = ["encoder=vit", "encoder.width=16", "encoder.depth=2", "encoder.heads=2", "encoder.drop_path=0.3"]


def passed(encoder, views):
    """Bytes that the forward pass keeps, weights aside, and what it leaves behind."""
    seen, own = {}, {parameter.untyped_storage().data_ptr() for parameter in encoder.parameters()}

    def note(tensor):
        if tensor.untyped_storage().data_ptr() not in own:
            seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    torch.manual_seed(0)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        latents = encoder(views).values()
    sum(latent.tokens.square().mean() for latent in latents).backward()
    gradients = {name: p.grad for name, p in encoder.named_parameters() if p.grad is not None}
    return sum(seen.values()), gradients | dict(encoder.named_buffers())


@pytest.mark.parametrize("words", [SMALL, [*VIT, "decoder=cross_attention"]], ids=["conv", "vit"])
def test_gradients_and_running_means_are_equal_and_less_is_kept(words):
    """With dropped paths and batch statistics."""
    graph = build(compose([*words, "corruption=mask+noise"]), digits().grid).train()
    encoder, views = graph.encoder, graph.corrupt(digits().train[range(32)]).views
    twin = deepcopy(encoder)
    checkpoint_activations(encoder)
    assert [*encoder.state_dict()] == [*twin.state_dict()]
    (much, expected), (little, got) = passed(twin, views), passed(encoder, views)
    assert little < 0.7 * much and expected.keys() == got.keys()
    assert all(torch.equal(value, got[name]) for name, value in expected.items())


def test_a_run_that_computes_again_learns_the_same(tmp_path):
    for word in ("false", "true"):
        words = [*TINY, "trainer.max_steps=3", "hardware=cpu", f"hardware.checkpoint_activations={word}"]
        run(compose([*words, "diagnostics.every=2"]), str(tmp_path / word))
    first, second = read_weights(tmp_path / "false"), read_weights(tmp_path / "true")
    assert first.keys() == second.keys() and all(torch.equal(value, second[name]) for name, value in first.items())


def test_what_cannot_compute_again_is_refused():
    with pytest.raises(ValueError, match="compile=true decides itself which activations are computed again"):
        plan_run(compose(["hardware.compile=true", "hardware.checkpoint_activations=true"]))
    graph = build(compose(["encoder=torchvision", "encoder.name=resnet18", "corruption=noise"]), digits().grid)
    with pytest.raises(ValueError, match="has no list of blocks: take encoder=vit"):
        blocks_of_encoder(graph.encoder)
