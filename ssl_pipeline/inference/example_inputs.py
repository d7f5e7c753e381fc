"""Samples to try a model with."""

from __future__ import annotations

import torch
from torch import Tensor

from ssl_pipeline.inference.modules import Back, NextSymbol, Part, Relation, Source
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
        grid = grid or (part.grid if source is None else source.grid)
        known = _sample(source, grid, batch, seed)
        known |= {"symbols": known["x"]}
        known |= _passing(part, batch, seed) if isinstance(part, (Back, NextSymbol)) else {}
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
        "mask": _mask(source, x, seed),
        "valid": (torch.arange(shape[-1]) < lengths).expand(shape),
    }


def _mask(source: Source | None, x: Tensor, seed: int) -> Tensor:
    """A mask as the corruption itself draws it."""
    if source is None or source.corruption is None or not source.masked:
        return torch.zeros(len(x), dtype=torch.bool)
    mask = source.corruption(clean_view(source.corruption.grid, x), torch.Generator().manual_seed(seed)).mask
    assert mask is not None
    return mask


def _passing(part: Back | NextSymbol, batch: int, seed: int) -> dict[str, Tensor]:
    """Random numbers like those that pass a cut, of which the first few tokens are valid."""
    generator, found = torch.Generator().manual_seed(seed), {}
    for name, some in part.passing.items():
        shape = (batch, *some.shape[1:])
        if some.dtype == torch.bool:
            lengths = torch.randint(1, shape[1] + 1, (batch, 1), generator=generator)
            found[name] = torch.arange(shape[1]).expand(shape) < lengths
        else:
            found[name] = torch.randn(shape, generator=generator)
    return found
