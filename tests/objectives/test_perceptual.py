"""Decoded samples are compared as the encoder sees them."""

from __future__ import annotations

import pytest
import torch

from ssl_pipeline import DataSpec, Graph, Noise, Reconstruction
from ssl_pipeline.models.decoders import UNetDecoder
from ssl_pipeline.models.encoders import UNetEncoder
from ssl_pipeline.objectives import Perceptual
from ssl_pipeline.structures.batch import Batch, clean_view
from ssl_pipeline.structures.grid import GridSpec

GRID = GridSpec.of(("y", 16), ("x", 16), channels=1)


@pytest.fixture
def graph():
    torch.manual_seed(0)
    graph = Graph(
        {"noise": Noise(sigma=0.2)},
        encoder=UNetEncoder(widths=[8, 16], blocks=1),
        decoder=UNetDecoder(blocks=1),
        objective={"reconstruct": Reconstruction(where="everywhere"), "perceptual": Perceptual(share=1.0)},
        storage="exact",
    )
    return graph.bind(DataSpec(GRID))


@pytest.fixture
def batch():
    return Batch(torch.rand(6, 1, 16, 16, generator=torch.Generator().manual_seed(0)), torch.arange(6))


def test_what_looks_clean_costs_nothing(graph, batch):
    corrupted = graph.corrupt(batch)
    noisy = graph(corrupted)["perceptual/noise"]
    clean = corrupted._replace(views={"noise": corrupted.views["noise"]._replace(x=corrupted.clean.x)})
    assert graph.eval()(clean)["perceptual/noise"] < 0.02 * noisy.detach()


def test_the_weights_that_look_stand_still(graph, batch):
    """The loss moves the decoder; the encoder only by what it gave the decoder, and its statistics not at all."""
    mean = graph.encoder.standard.running_mean.clone()
    state = graph.state(graph.corrupt(batch))
    assert not torch.equal(graph.encoder.standard.running_mean, mean)
    mean = graph.encoder.standard.running_mean.clone()
    x = torch.rand(2, 1, 16, 16, requires_grad=True)
    seen = state.look({"made": clean_view(GRID, x)})["made"]
    (slope,) = torch.autograd.grad(seen.tokens.sum(), x, retain_graph=True)
    assert slope.abs().sum() > 0 and torch.equal(graph.encoder.standard.running_mean, mean)
    weights = torch.autograd.grad(seen.tokens.sum(), [*graph.encoder.parameters()], allow_unused=True)
    assert all(slope is None for slope in weights)


def test_a_graph_learns_by_it(graph, batch):
    rule = torch.optim.Adam(graph.parameters(), lr=1e-3)
    losses = []
    for step in range(30):
        loss = graph(graph.corrupt(batch, step=step))["perceptual/noise"]
        rule.zero_grad()
        loss.backward()
        rule.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) < 0.9 * sum(losses[:5])


def test_symbols_and_other_shares_are_refused():
    with pytest.raises(ValueError, match=r"share=0: expected the share of samples"):
        Perceptual(share=0)
    symbols = GridSpec.of(("position", 8), vocab=5)
    graph = Graph({"noise": Noise()}, encoder="vit", objective={"reconstruct": Reconstruction(), "seen": Perceptual()})
    with pytest.raises(ValueError, match=r"objective.seen looks at decoded numbers, and samples are symbols"):
        graph.bind(DataSpec(symbols))
