"""A file of weights is one like its neighbours."""

from __future__ import annotations

import os

import torch

from ssl_pipeline.inference.weights import read_safetensors, write_safetensors


def test_weights_can_be_read_by_whoever_reads_their_neighbours(tmp_path):
    before = os.umask(0o022)
    try:
        write_safetensors({"w": torch.ones(2)}, tmp_path / "weights.safetensors")
        (tmp_path / "config.yaml").touch()
    finally:
        os.umask(before)
    modes = {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    assert modes == {0o644} and read_safetensors(tmp_path / "weights.safetensors")["w"].tolist() == [1, 1]
