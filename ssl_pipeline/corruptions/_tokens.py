"""Texts: where their content lies between padding and end symbol, its words, and symbols that move together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from ssl_pipeline.corruptions._resample import place
from ssl_pipeline.structures.batch import View
from ssl_pipeline.structures.grid import GridSpec

Unit = Literal["token", "word"]
BYTES = 256
SEPARATORS = (9, 10, 13, 32)  # tab, line feed, carriage return, space


def check_text(name: str, grid: GridSpec) -> None:
    """Refuse what is no text.

    Raises:
        ValueError: a grid that is not discrete or has several axes.
    """
    if not grid.discrete or grid.ndim != 1:
        kind = "symbols" if grid.discrete else "values"
        raise ValueError(f"{name} takes discrete grids of one axis (texts), got {kind} along {', '.join(grid.names)}")


def check_unit(unit: str) -> None:
    """Refuse an unknown unit.

    Raises:
        ValueError: neither token nor word.
    """
    if unit not in ("token", "word"):
        raise ValueError(f"unit must be token or word, got {unit!r}: choose one of them")


def check_separators(separators: Sequence[int]) -> tuple[int, ...]:
    """The separators as a tuple.

    Raises:
        ValueError: there is none.
    """
    if not separators:
        raise ValueError("separators needs at least one symbol, got none: name one or leave the default")
    return tuple(separators)


def padding_symbol(grid: GridSpec) -> int:
    """What stands in padding: the end token, else the mask token, else 0."""
    return grid.end_token if grid.end_token is not None else grid.mask_token or 0


def replace_tokens(
    x: Int64[Tensor, "B *grid"], chosen: Bool[Tensor, "B *grid"], grid: GridSpec, generator: torch.Generator
) -> Int64[Tensor, "B *grid"]:
    """Uniformly random tokens at the chosen places, never the mask or the end token (they would tell where)."""
    assert grid.vocab is not None
    special = sorted(token for token in (grid.mask_token, grid.end_token) if token is not None)
    wrong = torch.randint(grid.vocab - len(special), x.shape, generator=generator, device=x.device)
    for token in special:
        wrong = wrong + (wrong >= token)
    return torch.where(chosen, wrong, x)


def front(keep: Bool[Tensor, "B N"]) -> Int64[Tensor, "B N"]:
    """Indices of the cells to keep, then of the others, both in their order.

    >>> front(torch.tensor([[False, True, False, True]]))
    tensor([[1, 3, 0, 2]])
    """
    return (~keep).int().argsort(dim=1, stable=True)


class Content(NamedTuple):
    """What a batch of texts says, wherever its padding lies. The end symbol is not part of it but follows it."""

    cells: Tensor  # (B, N) int64: indices of the valid cells in their order, then of the padding
    x: Tensor  # (B, N) int64: the symbols in that order
    length: Tensor  # (B, 1) int64: number of symbols without the end symbol
    closed: Tensor  # (B, 1) bool: whether the end symbol follows

    @property
    def index(self) -> Int64[Tensor, "N"]:
        return torch.arange(self.x.shape[1], device=self.x.device)

    @property
    def inside(self) -> Bool[Tensor, "B N"]:
        return self.index < self.length


def content(view: View, grid: GridSpec) -> Content:
    """Find the content of texts.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> grid = GridSpec.of(("position", 4), vocab=258, mask_token=257, end_token=256)
    >>> valid = torch.tensor([[True, True, True, False]])
    >>> content(clean_view(grid, torch.tensor([[72, 105, 256, 256]]), valid), grid).length
    tensor([[2]])
    """
    x, end = view.x, grid.end_token
    if view.valid is None:
        cells = torch.arange(x.shape[1], device=x.device).expand(x.shape)
        count = torch.full((x.shape[0], 1), x.shape[1], device=x.device)
    else:
        cells, count, x = front(view.valid), view.valid.sum(1, keepdim=True), x.gather(1, front(view.valid))
    closed = torch.zeros_like(count, dtype=torch.bool)
    if end is not None:
        closed = (x.gather(1, (count - 1).clamp(min=0)) == end) & (count > 0)
    return Content(cells, x, count - closed.long(), closed)


def moved(
    view: View,
    x: Int64[Tensor, "B N"],
    cells: Int64[Tensor, "B N"],
    valid: Bool[Tensor, "B N"] | None,
    where: Float[Tensor, "B N"] | None = None,
) -> View:
    """The view of symbols ``x`` that stood in ``cells`` of ``view`` before, or between them at ``where``."""
    return view._replace(
        x=x,
        source_coords=place(view.source_coords, [cells.float() if where is None else where]),
        mask=None if view.mask is None else view.mask.gather(1, cells),
        cell=None,
        visible=None,
        valid=valid,
    )


def separates(x: Int64[Tensor, "B N"], separators: Sequence[int]) -> Bool[Tensor, "B N"]:
    """Whether a symbol stands between words."""
    return torch.stack([x == symbol for symbol in separators]).any(0)


def run_starts(kind: Bool[Tensor, "B N"]) -> Bool[Tensor, "B N"]:
    """Whether a cell is the first of a run of its kind.

    >>> run_starts(torch.tensor([[True, True, False, False, True]]))
    tensor([[ True, False,  True, False,  True]])
    """
    first = torch.ones_like(kind[:, :1])
    return torch.cat([first, kind[:, 1:] != kind[:, :-1]], dim=1)
