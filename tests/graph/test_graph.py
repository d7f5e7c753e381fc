"""The graph without Lightning, Hydra or a data set: a plain loop trains it."""

from __future__ import annotations

import pytest
import torch
from helpers.build import build
from helpers.cases import DECODERS, GRIDS, sample
from helpers.graphs import CONV, CONV_DECODER, QUERY, RELAXED, SLOTS, VIT, batch, make

from ssl_pipeline.config.compose import compose
from ssl_pipeline.inference.inference import Inference
from ssl_pipeline.inference.learned import views_leading_to
from ssl_pipeline.structures.grid import GridSpec

GRAPHS = {
    "mask+noise": ["corruption=mask+noise"],
    "all five": ["corruption=echo+mask+noise+lowres+reversal"],
    "a chain": ["corruption=lowres-noise+mask"],
    "conv": ["corruption=mask+noise", *CONV, *CONV_DECODER],
    "contrastive": ["corruption=crop+crop", "objective=info_nce"],
    "vicreg": ["corruption=crop+crop", "objective=vicreg"],
    "magnets": ["corruption=mask+noise", "objective=reconstruct+align"],
    "translators": ["corruption=lowres+noise", "objective=reconstruct+translate"],
    "slots": ["corruption=mask+noise", *SLOTS],
    "mean": ["corruption=mask+noise", *SLOTS, "latent.fuse=mean"],
    "relaxed": ["corruption=mask+noise", *RELAXED, "objective=reconstruct+sigreg"],
    "two of four": ["corruption=echo+mask+noise+lowres", "views_per_step=2", "objective=reconstruct+align"],
    "one of three": ["corruption=mask+noise+lowres", "views_per_step=1"],
}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_plain_loop_trains_it(name):
    graph, data = make(*GRAPHS[name]), batch()
    optimiser = torch.optim.AdamW(graph.parameters(), lr=3e-3)
    values = []
    for _ in range(25):
        torch.manual_seed(0)
        losses = graph(graph.corrupt(data, seed=0, step=0))  # the same damage, so that the loss can fall
        optimiser.zero_grad()
        losses["loss"].backward()
        optimiser.step()
        values.append(losses["loss"].item())
    assert values[-1] < 0.9 * values[0]
    edges = {edge.name for group in graph.edges.values() for edge in group}
    way_down = {f"relaxation/{k}" for k in range(13)} if name == "relaxed" else set()
    assert way_down <= set(losses) and set(losses) - way_down - {"loss", "consensus"} <= edges


@pytest.mark.parametrize("name", [n for n in GRAPHS if n != "contrastive"])
def test_every_parameter_gets_a_gradient(name):
    graph = make(*GRAPHS[name], *([] if name == "conv" else ["encoder.view_drop=0.5"]))
    graph(graph.corrupt(batch()))["loss"].backward()
    assert [n for n, p in graph.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("grid", ["wave", "video", "text", "codes"])
def test_the_engine_knows_grids_not_modalities(grid):
    loss = "cross_entropy" if GRIDS[grid].discrete else "reconstruct"
    graph = make("corruption=mask+noise+reversal", f"objective={loss}", grid=GRIDS[grid])
    data = batch(GRIDS[grid])
    corrupted = graph.corrupt(data)
    graph(corrupted)["loss"].backward()
    restored = Inference(graph).restore("mask", corrupted.views["mask"])
    assert restored.shape == data.x.shape and restored.dtype == data.x.dtype


def test_damage_is_a_function_of_seed_step_and_rank():
    graph, data = make("corruption=mask+noise"), batch()
    first = graph.corrupt(data, seed=1, step=5, rank=0)
    torch.randn(3)
    again = graph.corrupt(data, seed=1, step=5, rank=0)
    for name in first.views:
        assert torch.equal(first.views[name].x, again.views[name].x)
    for other in ({"seed": 2}, {"step": 6}, {"rank": 1}):
        key = {"seed": 1, "step": 5, "rank": 0} | other
        assert not torch.equal(first.views["noise"].x, graph.corrupt(data, **key).views["noise"].x)


def test_views_draw_numbers_of_their_own():
    corrupted = make("corruption=crop+crop", "objective=info_nce").corrupt(batch())
    assert not torch.equal(corrupted.views["crop_1"].x, corrupted.views["crop_2"].x)


def test_labels_and_sources_do_not_touch_the_loss():
    graph, data = make("corruption=mask+noise").eval(), batch()
    other = data._replace(source=data.source.flip(0), label=torch.zeros(12, dtype=torch.long))
    assert torch.equal(graph(graph.corrupt(data))["loss"], graph(graph.corrupt(other))["loss"])


def test_bytes_and_floats_embed_alike():
    graph = make("corruption=mask+noise").eval()
    pixels = torch.randint(0, 256, (3, 1, 8, 8), dtype=torch.uint8)
    torch.testing.assert_close(Inference(graph).embed(pixels), Inference(graph).embed(pixels / 255))


def test_only_holes_count_where_there_are_some():
    graph, data = make("corruption=mask"), batch()
    corrupted = graph.corrupt(data)
    loss = graph(corrupted)["loss"]
    visible = ~corrupted.views["mask"].mask.unsqueeze(1)
    other = corrupted._replace(clean=corrupted.clean._replace(x=torch.where(visible, 0.5, corrupted.clean.x)))
    torch.testing.assert_close(graph(other)["loss"], loss)
    everywhere = make("corruption=mask", "objective.reconstruct.where=everywhere")
    assert not torch.allclose(everywhere(other)["loss"], everywhere(corrupted)["loss"])


def test_grid_survives_being_written_down():
    for grid in GRIDS.values():
        assert GridSpec.from_plain(grid.to_plain()) == grid


def test_every_decoder_is_tried():
    assert {case.name for case in DECODERS} == {"cross_attention", "conv", "unet", "autoregressive"}


AUTOREGRESSIVE = ["decoder=autoregressive", "decoder.width=24", "decoder.heads=2", "objective=cross_entropy"]
OTHER_GRIDS = {
    "text from slots": ("text", ["corruption=echo+noise", *SLOTS, *AUTOREGRESSIVE]),
    "text from tokens": ("text", ["corruption=mask+reversal", *AUTOREGRESSIVE]),
    "text relaxed": ("text", ["corruption=echo+noise", *RELAXED, "allow_collapse=true", *AUTOREGRESSIVE]),
    "spectra": (
        "wave",
        ["corruption=noise+lowres", "objective=reconstruct+stft", "objective.stft.loss.sizes=[8,16]"],
    ),
    "spectra relaxed": (
        "wave",
        ["corruption=noise+mask", *RELAXED, "allow_collapse=true", "objective=stft", "objective.stft.loss.sizes=[8]"],
    ),
}


@pytest.mark.parametrize("name", OTHER_GRIDS)
def test_text_and_sound(name):
    grid, overrides = GRIDS[OTHER_GRIDS[name][0]], OTHER_GRIDS[name][1]
    torch.manual_seed(0)
    decoder = [] if "decoder=autoregressive" in overrides else QUERY
    graph, data = build(compose([*VIT, *decoder, *overrides]), grid), batch(grid)
    optimiser = torch.optim.AdamW(graph.parameters(), lr=3e-3)
    values = []
    for _ in range(30):
        torch.manual_seed(0)
        losses = graph(graph.corrupt(data))
        optimiser.zero_grad()
        losses["loss"].backward()
        optimiser.step()
        values.append(losses["loss"].item())
    assert values[-1] < 0.9 * values[0]
    assert [n for n, p in graph.named_parameters() if p.grad is None] == []
    corrupted = graph.eval().corrupt(data)
    for view, form in corrupted.views.items():
        assert Inference(graph).restore(view, form).shape == data.x.shape


def test_padding_changes_no_embedding():
    grid = GRIDS["text"]
    graph = make("corruption=mask+noise", "objective=cross_entropy", grid=grid).eval()
    x = sample(grid, 4).x
    valid = torch.arange(16) < torch.tensor([[16], [10], [5], [1]])
    other = torch.where(valid, x, (x + 1) % 40)
    torch.testing.assert_close(Inference(graph).embed(x, valid), Inference(graph).embed(other, valid))
    assert not torch.allclose(Inference(graph).embed(x), Inference(graph).embed(other))


def test_a_decoder_restores_small_views_too():
    """Multi-crop: a window in fewer cells still shows the same extent."""
    graph = make("corruption=echo+crop", "corruption.crop.size=0.5", *CONV, *CONV_DECODER)
    corrupted = graph.corrupt(batch())
    assert corrupted.views["crop"].x.shape[2:] == (4, 4)
    assert set(graph(corrupted)) == {"loss", "reconstruct/echo", "reconstruct/crop"}
    assert Inference(graph).restore("crop", corrupted.views["crop"]).shape == corrupted.clean.x.shape


def test_only_views_that_a_decoder_was_taught_are_restored():
    graph = make("corruption=echo+noise", "objective.reconstruct.views=[noise]", "objective=reconstruct+align")
    assert views_leading_to(graph) == ["noise"]
