"""Samples to try a model with, and which weights it needs then."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from ssl_pipeline.inference.modules import Back, Front, NextSymbol, Part, Relation, Source
from ssl_pipeline.structures.batch import clean_view
from ssl_pipeline.structures.grid import GridSpec


def examples(part: Part, batch: int, grid: GridSpec | None = None, seed: int = 0) -> dict[str, Tensor]:
    """Random inputs of a model, by name.

    Args:
        part: the model.
        batch: number of samples.
        grid: of the samples, where they are of another length than those of the graph.
        seed: of the random numbers.
    """
    corruption_params = {"corruption_params": torch.ones(batch, len(getattr(part, "corruption_params", ())))}
    if isinstance(part, Relation):
        starts = {name: _sample(source, source.grid, batch, seed) for name, source in part.sources.items()}
        known = {part.key(name, key): value for name, some in starts.items() for key, value in some.items()}
    else:
        source: Source | None = getattr(part, "source", None)
        grid = grid or (part.trained.grid if source is None else source.grid)
        known = _sample(source, grid, batch, seed)
        known |= {"symbols": known["x"]}
        known |= _passing(part, batch, grid, seed) if isinstance(part, (Back, NextSymbol)) else {}
    known |= corruption_params
    return {name: known[name].to(part.device) for name in part.inputs}


def _sample(source: Source | None, grid: GridSpec, batch: int, seed: int) -> dict[str, Tensor]:
    """A random batch, and what may be known of it."""
    generator, shape = torch.Generator().manual_seed(seed), (batch, *grid.shape)
    if grid.vocab is not None:
        x = torch.randint(grid.vocab, shape, generator=generator)
    else:
        low, high = grid.range
        x = torch.rand((batch, grid.width, *grid.shape), generator=generator) * (high - low) + low
    lengths = torch.randint(1, shape[-1] + 1, (batch, *(1,) * grid.ndim), generator=generator)
    return {
        "x": x,
        "place": torch.randint(shape[1], (batch,), generator=generator),
        "mask": _holes(source, x, seed),
        "valid": (torch.arange(shape[-1]) < lengths).expand(shape),
    }


def _holes(source: Source | None, x: Tensor, seed: int) -> Tensor:
    """Holes as the corruption itself cuts them."""
    if source is None or source.corruption is None or not source.holes:
        return torch.zeros(len(x), dtype=torch.bool)
    mask = source.corruption(clean_view(source.corruption.grid, x), torch.Generator().manual_seed(seed)).mask
    assert mask is not None
    return mask


def _passing(part: Back | NextSymbol, batch: int, grid: GridSpec, seed: int) -> dict[str, Tensor]:
    """What the front half gives."""
    front = Front(part.trained, "latent" if isinstance(part, NextSymbol) else part.at, part.view)
    with torch.no_grad():
        return front.wires(**examples(front, batch, grid, seed))


def used(part: Part, inputs: Mapping[str, Tensor]) -> set[str]:
    """Names, in the graph's state dict, of the weights and statistics that a call touches."""
    with _Seen() as seen, torch.no_grad():
        part(**inputs)
    return {name for name, tensor in tensors_of(part.trained).items() if id(tensor) in seen.ids}


def strip(graph: nn.Module, names: Collection[str]) -> None:
    """Take from a graph all weights and statistics but these; what its state dict does not hold stays."""
    for path, module in graph.named_modules():
        for table in (module._parameters, module._buffers):
            for key in table:
                name = f"{path}.{key}" if path else key
                if name not in names and key not in module._non_persistent_buffers_set:
                    table[key] = None


def tensors_of(graph: nn.Module) -> dict[str, Tensor]:
    """The weights and statistics that the state dict holds, themselves."""
    names = graph.state_dict().keys()
    parameters, buffers = graph.named_parameters(remove_duplicate=False), graph.named_buffers(remove_duplicate=False)
    return {name: tensor for name, tensor in (*parameters, *buffers) if name in names}


class _Seen(TorchFunctionMode):
    """Remembers every tensor that a function is given."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[int] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.ids |= {id(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        return func(*args, **(kwargs or {}))
