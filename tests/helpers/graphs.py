"""Graphs on small images, made without a run."""

from __future__ import annotations

import torch
from helpers.build import build
from helpers.cases import sample

from ssl_pipeline.config.compose import compose
from ssl_pipeline.structures.batch import Batch
from ssl_pipeline.structures.grid import GridSpec

IMAGE = GridSpec.of(("y", 8), ("x", 8), channels=1)
VIT = ["encoder=vit", "encoder.width=24", "encoder.depth=2", "encoder.heads=2"]
QUERY = ["decoder=cross_attention", "decoder.width=24", "decoder.heads=2"]
CONV = ["encoder=conv", "encoder.widths=[8,8]"]
CONV_DECODER = ["decoder=conv", "decoder.widths=[8,8]"]
SLOTS = ["latent=slots", "latent.slots=3", "latent.heads=2"]
RELAXED = [*SLOTS, "latent.fuse=relaxed"]


def make(*overrides, grid=IMAGE):
    torch.manual_seed(0)
    encoder = [] if "encoder=conv" in overrides else VIT
    decoder = [] if "decoder=conv" in overrides else QUERY
    return build(compose([*encoder, *decoder, *overrides]), grid)


def batch(grid=IMAGE, n=12, seed=0):
    return Batch(x=sample(grid, n, seed).x, source=torch.arange(n))
