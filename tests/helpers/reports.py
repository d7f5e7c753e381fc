"""Words for short runs whose page is made, and what every page is."""

from __future__ import annotations

import re

from helpers.small_models import CONV, VIT

TINY = [
    "batch_size=32",
    "trainer.max_steps=6",
    "diagnostics.every=2",
    "trainer.log_every_n_steps=2",
    "report.samples=40",
]
PROBED = [
    *TINY,
    "probe.protocol.train_limit=100",
    "probe.protocol.few_shot=0",
    "probe=clean",
    "probe.online=1",
]
TINY += ["probe=none"]
KINDS = {
    "images": [*CONV, "corruption=mask+noise"],
    "sounds": [*CONV, "data=tones", "corruption=noise+reversal", "encoder.pool=1"],
    "waves": [*VIT, "data=tones", "data.features=waveform", "encoder.patch=50", "decoder.patch=50", "corruption=noise"],
    "texts": ["experiment=bart", "data.length=32", "data.windows.stride=32", "encoder.width=16", "encoder.depth=1"],
}
KINDS["texts"] += ["encoder.heads=2", "decoder.width=16", "decoder.depth=1", "decoder.heads=2", "batch_size=8"]


def checked(page):
    """The text of a page that needs nothing from elsewhere."""
    text = page.read_text()
    sources = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert sources and all(source.startswith("data:") for source in sources)
    assert "http" not in re.sub(r'xmlns="[^"]*"', "", re.sub(r"base64,[^\"]*", "", text)).replace("https://", "http")
    assert "<script" not in text and "@import" not in text and "url(" not in text
    tags = re.findall(r"<img[^>]*>", text)
    assert tags and all('alt="' in tag for tag in tags)
    return text
