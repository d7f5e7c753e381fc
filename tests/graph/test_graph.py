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
from ssl_pipeline.structures.batch import Batch, View
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


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["corruption=mask+noise", "objective=align"], "only attract each other.*info_nce"),
        (["corruption=mask", "objective=info_nce"], "compares views and found mask.*crop\\+crop"),
        (["corruption=mask+noise", "objective=reconstruct+align", "views_per_step=1"], r"objective\.align.*=2 or more"),
        (["corruption=mask+noise", "views_per_step=3"], r"views_per_step: expected all.*got 3"),
        (["corruption=mask", "decoder=conv"], "skips the masked tokens of mask.*decoder=cross_attention"),
        (["corruption=noise", "decoder=conv", *SLOTS], "latent that covers it: take decoder=cross_attention"),
        (["corruption=mask+noise", *SLOTS, "latent.fuse=mean", "views_per_step=1"], "views_per_step=all"),
        (["corruption=mask+noise", *SLOTS, "latent.fuse=mean", "objective.reconstruct.views=[mask]"], "views=null"),
        (
            ["corruption=mask+noise", *RELAXED],
            r"relaxed: .* consensus loss teaches latent/mask, latent/noise.*reconstruct\+sigreg.*allow_collapse",
        ),
        (["corruption=mask", "corruption.mask.ratio=-1"], "ratio must be at least 0"),
        (["corruption=mask+noise", "objective.reconstruct.views=[mask]"], "no loss reaches the latent of view noise"),
        (
            ["corruption=mask+noise", "objective.reconstruct.to=nois"],
            "'view/nois', which does not exist; nearest: .*noise",
        ),
        (["corruption=mask+noise", "objective.reconstruct.views=[maks]"], "'latent/maks', which does not exist"),
        (["corruption=mask", "objective.reconstruct.weight=-1"], "weight=-1: expected a positive number"),
    ],
)
def test_what_cannot_work_is_refused_with_a_way_out(overrides, sentence):
    with pytest.raises(ValueError, match=sentence):
        make(*overrides)


def test_collapse_may_be_studied():
    graph = make("corruption=mask+noise", "objective=align", "allow_collapse=true")
    losses = graph(graph.corrupt(batch()))
    assert {*losses} == {"loss", "align/mask~noise"} and losses["loss"].isfinite()


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


def test_a_share_of_the_samples_is_decoded():
    overrides = ["corruption=echo+lowres", *CONV, *CONV_DECODER]
    whole, half = make(*overrides).eval(), make(*overrides, "objective.reconstruct.share=0.5").eval()
    data = batch(n=8)
    first = Batch(x=data.x[:4], source=data.source[:4])
    torch.testing.assert_close(half(half.corrupt(data)), whole(whole.corrupt(first)))
    assert not torch.allclose(half(half.corrupt(data))["loss"], whole(whole.corrupt(data))["loss"])
    seen = []
    half.decoders["clean"].register_forward_hook(lambda _, given, __: seen.append(len(given[0].tokens)))
    half(half.corrupt(data))
    assert seen == [4, 4]
    with pytest.raises(ValueError, match=r"share=0\.0: expected"):
        make("objective.reconstruct.share=0.0")


def test_of_a_share_holes_places_and_padding_are_those_of_its_samples():
    grid = GRIDS["text"]
    data = batch(grid, 8)
    valid = torch.arange(16) < torch.randint(4, 17, (8, 1), generator=torch.Generator().manual_seed(0))
    padded = Batch(x=data.x, source=data.source, valid=valid)
    overrides = ["corruption=mask+reversal", "objective=cross_entropy"]
    whole = make(*overrides, grid=grid).eval()
    some = make(*overrides, "objective.cross_entropy.share=0.25", grid=grid).eval()
    views = some.corrupt(padded)
    kept = views._replace(
        clean=View(*(_rows(v, 2) for v in views.clean)),
        views={name: View(*(_rows(v, 2) for v in view)) for name, view in views.views.items()},
    )
    torch.testing.assert_close(some(views), whole(kept))


def _rows(value, n):
    if isinstance(value, dict):
        return {key: _rows(v, n) for key, v in value.items()}
    return value[:n] if isinstance(value, torch.Tensor) and len(value) == 8 else value


@pytest.mark.parametrize("name", ["mask", "noise-mask", "mask-noise"])
def test_holes_that_do_not_fit_the_patches_are_refused_when_it_is_made(name):
    cells = [f"corruption.{name}.mask.cell=3" if "-" in name else "corruption.mask.cell=3"]
    with pytest.raises(ValueError, match=r"the mask's cell \[3, 3\] is not a multiple of the encoder's patch \[2, 2\]"):
        make(f"corruption={name}", *cells, "encoder.patch=2", grid=GridSpec.of(("y", 12), ("x", 12), channels=1))
