"""A view lies further from its clean form the greater the severity."""

from __future__ import annotations

from difflib import SequenceMatcher

import pytest
import torch
from helpers.cases import CORRUPTIONS
from helpers.views import seeded

from ssl_pipeline.data.codecs.log_mel import Spectrum, log_mel_spectrogram
from ssl_pipeline.data.codecs.text import Bytes
from ssl_pipeline.structures.batch import View, clean_view
from ssl_pipeline.structures.grid import GridSpec

RATE = 8000
SPECTRUM = Spectrum(rate=RATE, mels=20, hop=80, window=200)
GRIDS = {
    "wave": GridSpec.of(("time", 4000, 1 / RATE), channels=1, range=(-1.0, 1.0), signal=True),
    "logmel": GridSpec.of(("mel", 20), ("time", 50, 0.01), channels=1, range=SPECTRUM.range, log=True),
    "bytes": Bytes(96).grid,
}
LINES = ("Modern files morn in a barn: 5 Bills, Zoé", "naïve café owners learn how to fly over Göteborg in 2018")


def clean_of(name: str) -> View:
    if name == "bytes":
        x, valid = Bytes(96).encode(LINES * 16)
        return clean_view(GRIDS[name], x, valid)
    time = torch.arange(4000) / RATE
    tones = torch.logspace(0.3, 3.5, 16) * (1 + torch.rand(32, 16, generator=seeded(1)))  # 2 to 6000 Hz
    tones = torch.where(tones < RATE / 2, tones, 500.0).unsqueeze(2)
    wave = (torch.sin(2 * torch.pi * tones * time) / tones.sqrt()).sum(1) / 4
    if name == "wave":
        return clean_view(GRIDS[name], wave.unsqueeze(1))
    return clean_view(GRIDS[name], log_mel_spectrogram(wave, SPECTRUM).unsqueeze(1))


def distance(clean: View, view: View) -> float:
    """Mean square, or of texts the share of symbols that an edit would have to change."""
    if clean.x.is_floating_point():
        return float((view.x - clean.x).square().mean())
    rows = zip(clean.x, clean.valid, view.x, view.valid, strict=True)
    ratios = [SequenceMatcher(None, a[p].tolist(), b[q].tolist(), autojunk=False).ratio() for a, p, b, q in rows]
    return 1 - sum(ratios) / len(ratios)


def families() -> list:
    seen = {case.name: case.build for case in CORRUPTIONS if "families" not in case.options and case.name != "any"}
    found = []
    for name, build in seen.items():
        for grid in GRIDS:
            try:
                part = build(severity=3).bind(GRIDS[grid])
            except (TypeError, ValueError):  # no severity, or not on this grid
                continue
            if part.levels:
                found.append(pytest.param(build, grid, id=f"{name}-{grid}"))
    return found


@pytest.mark.parametrize(("build", "grid"), families())
def test_distance_to_the_clean_form_grows(build, grid):
    clean = clean_of(grid)
    one, three, five = (distance(clean, build(severity=s).bind(GRIDS[grid])(clean, seeded())) for s in (1, 3, 5))
    assert 0 < 1.1 * one < three < five / 1.1


def test_there_are_families_of_sound_and_of_text():
    ids = {param.id for param in families()}
    assert len(ids) >= 22 and {"reverb-logmel", "mix-wave", "typos-bytes", "infill-bytes", "noise-bytes"} <= ids
