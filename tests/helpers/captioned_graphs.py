"""Graphs of images with captions."""

from __future__ import annotations

from helpers.on_data import graph_on

from ssl_pipeline.config.build import build_part
from ssl_pipeline.config.compose import compose

SMALL = ["encoder.width=24", "encoder.depth=1", "encoder.heads=2", "decoder.width=24", "decoder.depth=1"]
TEXTS = ["data=captioned", "data.length=8", "encoder=vit", "decoder=cross_attention", *SMALL]
SHORT = ["batch_size=16", "trainer.max_steps=2", "probe=none"]


def made(*overrides):
    config = compose([*TEXTS, *overrides])
    data = build_part("data", config["data"])
    return graph_on(config, data), data
