"""Untrained models as ``ssl_pipeline.load`` gives them."""

from __future__ import annotations

import torch
from helpers.build import build

from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import Pixels
from ssl_pipeline.inference.model import Model
from ssl_pipeline.structures.data_spec import DataSpec
from ssl_pipeline.structures.grid import GridSpec

IMAGE = GridSpec.of(("y", 8), ("x", 8), channels=1)
COLOUR = GridSpec.of(("y", 8), ("x", 8), channels=3)
VIT = ["encoder=vit", "decoder=cross_attention", "encoder.width=24", "encoder.depth=2", "encoder.heads=2"]
VIT += ["decoder.width=16", "decoder.depth=2", "decoder.heads=2"]
UNET = ["encoder=unet", "encoder.widths=[8,16,8]", "encoder.blocks=1", "decoder=unet", "decoder.blocks=1"]
CONV = ["encoder.widths=[8,16]", "decoder.widths=[8,8]"]
PIXELS = Pixels(size=8, channels=1)
SOUND = "encoder.widths=[8,16]", "decoder.widths=[8,8]", "corruption=noise"
TRANSLATOR = [
    *CONV,
    "corruption=noise+lowres",
    "objective=reconstruct+reconstruct",
    "objective.reconstruct_2.to=lowres",
]
TEXT = [*VIT, "data=pydoc", "objective=cross_entropy"]
GRAPHS = {
    "conv": [*CONV, "corruption=mask+noise+lowres-noise+reversal"],
    "unet": [*UNET, "corruption=mask+noise+reversal"],
    "vit": [*VIT, "corruption=mask+noise"],
    "keep": [*VIT, "corruption=mask+noise", "encoder.masked=token"],
    "slots": [*VIT, "corruption=mask+noise", "latent=slots", "latent.heads=2"],
}


def model(*words, grid=IMAGE, codec=None) -> Model:
    torch.manual_seed(0)
    config = compose([*words, "views_per_step=all"])
    stats = () if grid.discrete else ([0.4] * grid.width, [0.3] * grid.width)
    graph = build(config, grid, *stats)
    for parameter in graph.parameters():  # so that no layer starts as nothing
        parameter.data += 0.05 * torch.randn_like(parameter)
    return Model(graph, {**config, "spec": DataSpec(grid).to_plain()}, codec)


def of_sound(codec) -> Model:
    return model(*SOUND, grid=codec.grid, codec=codec)


def holes(batch=5):
    """Not made of whole patches."""
    mask = torch.zeros(batch, 8, 8, dtype=torch.bool)
    mask[:, 2:5, 3] = True
    return mask


def known(view):
    return {"mask": holes()} if view.startswith("mask") else {}


X = torch.rand(5, 1, 8, 8, generator=torch.Generator().manual_seed(1))
