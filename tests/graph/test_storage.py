"""Views hold what files of the data's kind can hold."""

from __future__ import annotations

import pytest
import torch
from helpers.build import build

from ssl_pipeline import DataSpec, Graph, GridSpec, Mask, Noise, Reconstruction, ViT
from ssl_pipeline.config.build import build_part
from ssl_pipeline.config.compose import compose
from ssl_pipeline.corruptions import Chain, Echo
from ssl_pipeline.data import LogMel, Pixels, Waveform
from ssl_pipeline.structures.batch import Batch, as_float, stored

GRID = GridSpec.of(("y", 8), ("x", 8), channels=1, storage=255)


def views(storage: str = "file", grid: GridSpec = GRID):
    corruptions = {"echo": Echo(), "noise": Noise(sigma=0.5), "both": Chain(noise=Noise(sigma=0.5), mask=Mask())}
    graph = Graph(corruptions, encoder=ViT(width=24, depth=1), objective=Reconstruction(), storage=storage)
    batch = Batch(torch.randint(0, 256, (16, 1, 8, 8), dtype=torch.uint8), torch.arange(16))
    return graph.bind(DataSpec(grid)).corrupt(batch)


def test_a_view_is_clipped_and_rounded():
    found = views()
    for x in (found.views["noise"].x, found.views["both"].x, found.views["both"].unmasked):
        steps = x * 255
        assert x.min() == 0 and x.max() == 1 and (steps - steps.round()).abs().max() < 1e-4
    assert found.views["echo"].x is not None and torch.equal(found.views["echo"].x, found.clean.x)


def test_as_computed_where_one_asks_for_it_or_files_hold_anything():
    for found in (views("exact"), views(grid=GridSpec.of(("y", 8), ("x", 8), channels=1))):
        assert found.views["noise"].x.min() < -0.5 and found.views["noise"].x.max() > 1.5
    with pytest.raises(ValueError, match="storage='files' is not known; nearest: file"):
        build(compose(["storage=files"]), GRID)


def test_what_files_hold_stays_as_it_is():
    bytes_ = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    assert torch.equal(stored(as_float(bytes_, GRID), GRID), as_float(bytes_, GRID))
    grid = Waveform(rate=8000, seconds=0.01).grid
    pcm = torch.arange(-32768, 32768).view(1, 1, -1) / 32768
    assert torch.equal(stored(pcm, grid), pcm)


def test_the_grids_of_data_say_what_their_files_hold():
    assert Pixels(size=8, channels=3).grid.storage == 255
    assert Pixels(size=8, channels=1, range=(0, 4096)).grid.storage == 65_535
    assert Waveform(rate=8000, seconds=1).grid.storage == 65_536
    assert LogMel(rate=8000, seconds=1, mels=16).grid.storage is None
    assert build_part("data", "digits").grid.storage == 255
    with pytest.raises(ValueError, match="storage counts the steps"):
        GridSpec.of(("x", 4), channels=1, storage=0)
