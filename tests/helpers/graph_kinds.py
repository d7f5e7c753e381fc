"""A small graph of every kind."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from helpers.build import build
from helpers.cases import GRIDS

from ssl_pipeline.config.compose import compose
from ssl_pipeline.graph.builder import GraphFactory
from ssl_pipeline.structures.data_spec import DataSpec

CONV = ["encoder=conv", "encoder.widths=[8,16]", "encoder.blocks=2", "decoder=conv", "decoder.widths=[8,8]"]
UNET = ["encoder=unet", "encoder.widths=[8,16,8]", "encoder.blocks=1", "decoder=unet", "decoder.blocks=1"]
VIT = ["encoder=vit", "encoder.width=24", "encoder.depth=3", "encoder.heads=2"]
QUERY = ["decoder=cross_attention", "decoder.width=24", "decoder.depth=1", "decoder.heads=2"]
TEXT = [*VIT, "encoder.ngrams=3", "encoder.buckets=64", *QUERY, "objective=cross_entropy"]
SLOTS = ["latent=slots", "latent.slots=4", "latent.heads=2"]
TIMM = ["encoder=timm", *QUERY, "encoder.name=vit_tiny_patch16_224"]
TIMM += [
    f"+encoder.options.{o}" for o in ("img_size=[8,12]", "patch_size=[2,3]", "embed_dim=24", "depth=2", "num_heads=2")
]
GRAPHS = {
    "conv": ([*CONV, "corruption=mask+noise"], "image"),
    "unet": ([*UNET, "corruption=mask+noise+crop"], "image"),
    "vit": ([*VIT, *QUERY, "corruption=mask+noise+lowres+echo"], "image"),
    "text": ([*TEXT, *SLOTS, "corruption=mask+shuffle"], "text"),
    "contrast": ([*VIT, *QUERY, "corruption=crop+crop", "objective=info_nce"], "image"),
    "teacher": ([*VIT, *QUERY, "corruption=crop+crop", "objective=byol", "teacher=ema"], "image"),
    "timm vit": (TIMM, "image"),
    "timm resnet": (["encoder=timm", "encoder.name=resnet10t", *QUERY], "image"),
    "mixed": ([*VIT, *QUERY, "objective=reconstruct+cross_entropy"], ("image", "text")),
}


@cache
def composed(*overrides: str) -> dict:
    return compose(list(overrides))


def graph_of(name: str) -> Any:
    overrides, grid = GRAPHS[name]
    torch.manual_seed(0)
    if isinstance(grid, tuple):
        return GraphFactory(composed(*overrides)).build_set({g: DataSpec(GRIDS[g]) for g in grid})
    return build(composed(*overrides), GRIDS[grid])
