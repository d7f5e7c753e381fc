"""Words and options for the smallest models of each kind."""

from __future__ import annotations

VIT = ["encoder=vit", "encoder.width=16", "encoder.depth=1", "encoder.heads=2"]
VIT += ["decoder=cross_attention", "decoder.width=16", "decoder.heads=2"]
CONV = ["encoder.widths=[8,16]", "decoder.widths=[8,8]"]
TRANSFORMER = {"width": 24, "heads": 2}
