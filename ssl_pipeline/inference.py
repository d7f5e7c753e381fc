"""A trained graph at work: raw samples in, embeddings out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from ssl_pipeline.build import build, grid_from_plain
from ssl_pipeline.graph import Graph
from ssl_pipeline.grid import GridSpec
from ssl_pipeline.weights import read_weights


class Model:
    """A trained graph in evaluation mode, with the run's own normalisation inside.

    Args:
        graph: the trained graph.
        config: the run's configuration.
    """

    def __init__(self, graph: Graph, config: dict[str, Any]) -> None:
        self.graph = graph.eval()
        self.config = config

    @property
    def grid(self) -> GridSpec:
        """Grid of the samples it takes."""
        return self.graph.grid

    def to(self, device: str | torch.device) -> Model:
        """The same model on another device."""
        self.graph.to(device)
        return self

    @torch.inference_mode()
    def embed(self, x: Tensor | np.ndarray, batch_size: int = 500) -> Tensor:
        """Embeddings (B, D) of raw samples.

        Args:
            x: (B, C, *grid) uint8 or floats in the grid's range; (B, *grid) int64 on a discrete grid; array or tensor.
            batch_size: samples in a pass.

        Raises:
            ValueError: the samples do not lie on the model's grid.
        """
        grid, x = self.grid, torch.as_tensor(x)
        wanted = grid.shape if grid.discrete else (grid.channels, *grid.shape)
        if tuple(x.shape[1:]) != wanted:
            raise ValueError(
                f"expected samples of shape {('B', *wanted)}, got {tuple(x.shape)}: resize or reshape them"
            )
        if not grid.discrete and x.is_floating_point() and x.numel() and float(x.max()) > 2 * max(grid.range):
            raise ValueError(
                f"expected floats in {grid.range}, got up to {float(x.max()):g}: pass uint8, or divide by 255"
            )
        device = next(self.graph.parameters()).device
        return torch.cat([self.graph.embed(part.to(device)) for part in x.split(batch_size)])


def load(path: str | Path, *, trust: tuple[str, ...] = ()) -> Model:
    """The model of a run's folder. Reads plain values and tensors; never runs code from a file.

    Args:
        path: the run's folder.
        trust: packages besides this one whose classes its configuration may name.

    Raises:
        FileNotFoundError: no run's folder.
        ValueError: a damaged file, or a class that is not trusted.
    """
    folder = Path(path)
    config_file = folder / "config.yaml"
    if not config_file.is_file():
        raise FileNotFoundError(f"{folder} is no run's folder: it has no config.yaml")
    config = yaml.safe_load(config_file.read_text())
    graph = build(config, grid_from_plain(config["grid"]), trust=trust)
    graph.load_state_dict(read_weights(folder))
    return Model(graph, config)
