"""Words for short runs that choose their data."""

from __future__ import annotations

SMALL = ["encoder.widths=[8,16]", "decoder.widths=[8,8]", "batch_size=64", "probe=none", "report.page=false"]
JUNK = ["data=junk", "data.samples=200", "corruption=mask", "sampler=learnability", "diagnostics.every=0"]
STILL = ["optimizer.warmup=0", "optimizer.final=1", "hardware.precision=32-true"]
