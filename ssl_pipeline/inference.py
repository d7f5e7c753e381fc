"""A trained graph at work: raw samples in, embeddings out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor

from ssl_pipeline.build import build, grid_from_plain
from ssl_pipeline.datasets import BPE, Bytes, Codec, LogMel, Waveform
from ssl_pipeline.graph import Graph
from ssl_pipeline.grid import GridSpec
from ssl_pipeline.instantiate import check, resolve
from ssl_pipeline.weights import read_weights

CODECS = tuple(f"ssl_pipeline.datasets.{kind.__name__}" for kind in (BPE, Bytes, LogMel, Waveform))
"""What a run's folder may name as its codec: these and nothing within them, for they can write files."""


class Model:
    """A trained graph in evaluation mode, with the run's own normalisation inside.

    Args:
        graph: the trained graph.
        config: the run's configuration.
        codec: of the run's data, where it has one.
    """

    def __init__(self, graph: Graph, config: dict[str, Any], codec: Codec | None = None) -> None:
        self.graph = graph.eval()
        self.config = config
        self.codec = codec

    @property
    def grid(self) -> GridSpec:
        """Grid of the samples it takes."""
        return self.graph.grid

    def to(self, device: str | torch.device) -> Model:
        """The same model on another device."""
        self.graph.to(device)
        return self

    @torch.inference_mode()
    def embed(
        self,
        x: Tensor | np.ndarray | Sequence[Any],
        valid: Tensor | None = None,
        batch_size: int = 500,
        teacher: bool = False,
    ) -> Tensor:
        """Embeddings (B, D) of raw samples.

        Args:
            x: (B, C, *grid) uint8 or floats in the grid's range, or (B, *grid) int64 on a discrete grid, as array or
                tensor; or a list of what the run's data is made of: texts, waveforms, paths of sound files.
            valid: (B, *grid) bool, False = padding; None: there is none, or, with a list, it is found.
            batch_size: samples in a pass.
            teacher: embed with the slow copy of the encoder, of a run with ``teacher=ema``.

        Raises:
            ValueError: the samples do not lie on the model's grid, a list is given and the run's data has no codec, or
                there is no teacher.
        """
        if isinstance(x, (list, tuple)):
            if self.codec is None:
                raise ValueError("expected samples as one array or tensor, got a list: stack them")
            x, valid = self.codec.encode(x)
        grid, x = self.grid, torch.as_tensor(x)
        wanted = grid.shape if grid.discrete else (grid.channels, *grid.shape)
        if tuple(x.shape[1:]) != wanted:
            raise ValueError(
                f"expected samples of shape {('B', *wanted)}, got {tuple(x.shape)}: resize or reshape them"
            )
        if not grid.discrete and x.is_floating_point() and x.numel() and float(x.max()) > 2 * max(map(abs, grid.range)):
            raise ValueError(
                f"expected floats in {grid.range}, got up to {float(x.max()):g}: pass uint8, or divide by 255"
            )
        device = next(self.graph.parameters()).device
        masks = [None] * -(-len(x) // batch_size) if valid is None else valid.to(device).split(batch_size)
        parts = zip(x.split(batch_size), masks, strict=True)
        return torch.cat([self.graph.embed(part.to(device), mask, teacher=teacher) for part, mask in parts])


def load(path: str | Path, part: str | None = None, *, trust: tuple[str, ...] = ()) -> Model:
    """The model of a run's folder. Reads plain values and tensors; never runs code from a file.

    Args:
        path: the run's folder.
        part: name of the data set whose stem and heads are wanted, of a run on several.
        trust: packages besides this one whose classes its configuration may name.

    Raises:
        FileNotFoundError: no run's folder.
        ValueError: a damaged file, a class that is not trusted, or no such part.
    """
    folder = Path(path)
    config_file = folder / "config.yaml"
    if not config_file.is_file():
        raise FileNotFoundError(f"{folder} is no run's folder: it has no config.yaml")
    config = yaml.safe_load(config_file.read_text())
    sets = config.get("sets", {})
    if part not in (sets or {None}):
        raise ValueError(f"part={part!r}: this run was trained on {', '.join(sets) or 'one data set; leave it out'}")
    about = config if part is None else sets[part]
    grid = grid_from_plain(about["grid"])
    settled = config | {"allow_collapse": True}  # what is trained is not judged by what training would now refuse
    graph = build(settled, grid, trust=trust, fitting=part is not None)
    weights, prefix = read_weights(folder), "" if part is None else f"graphs.{part}."
    graph.load_state_dict({k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)})
    return Model(graph, config, _codec(folder, part or "", trust))


def _codec(folder: Path, part: str, trust: tuple[str, ...]) -> Codec | None:
    file = folder / "codecs.json"
    found = json.loads(file.read_text()) if file.is_file() else {}
    if part not in found:
        return None
    options = dict(found[part])  # plain values: what stands in them is never made into things
    name = options.pop("_target_", None)
    if name not in CODECS and not str(name).startswith(tuple(f"{prefix}." for prefix in trust)):
        raise ValueError(f"{file} names {name} as its codec, expected one of {', '.join(CODECS)}: restore the file")
    target = resolve(name, trust=trust)
    check(name, target, list(options), is_partial=False)
    return target(**options)
