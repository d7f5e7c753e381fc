"""Graphs that cannot work are refused with a way out."""

from __future__ import annotations

import pytest
from helpers.graphs import RELAXED, SLOTS, batch, make

from ssl_pipeline.structures.grid import GridSpec


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


@pytest.mark.parametrize("name", ["mask", "noise-mask", "mask-noise"])
def test_holes_that_do_not_fit_the_patches_are_refused_when_it_is_made(name):
    cells = [f"corruption.{name}.mask.cell=3" if "-" in name else "corruption.mask.cell=3"]
    with pytest.raises(ValueError, match=r"the mask's cell \[3, 3\] is not a multiple of the encoder's patch \[2, 2\]"):
        make(f"corruption={name}", *cells, "encoder.patch=2", grid=GridSpec.of(("y", 12), ("x", 12), channels=1))
