"""AnyOf: each sample draws one of several corruptions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._validation import interval
from ssl_pipeline.corruptions.base import Corruption
from ssl_pipeline.corruptions.composed import Composed
from ssl_pipeline.structures.batch import View
from ssl_pipeline.structures.random import on_processor
from ssl_pipeline.utils.errors import nearest

_SUITABLE = "suitable"


@register("corruption", "any", parts={"of": None, "weights": None, "p": None, "*": "corruption"})
class AnyOf(Composed):
    """Each sample passes one of several corruptions, or with probability 1 - ``p`` none.

    A batch is shared out by weight, whole samples rounded up or down at random, so that each corruption runs once, on
    its own samples. ``params`` says of each sample which one it passed: 1 at its name, 0 at the others, whose own
    entries are 0, too. Where a part names targets among what it masks, all that is masked is one.

    Args:
        of: names of the parts to draw from; ``suitable``: those that suit the grid, see ``Corruption.suits``; None:
            all of them.
        weights: how often each is drawn, relative to 1, by name; 0 leaves it out.
        p: probability that a sample passes one at all.
        **parts: named corruptions, which keep the grid. Their entries of ``corruption_params`` and ``View.params``
            carry the name, as ``noise.sigma``.

    Raises:
        ValueError: no part; a name that none has; a weight or probability that is none; a part that changes the grid.

    >>> from ssl_pipeline.corruptions import Noise, Reversal
    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("x", 2), channels=1)
    >>> some = AnyOf(noise=Noise(sigma=0.5), reversal=Reversal(), weights={"noise": 3}).bind(grid)
    >>> some(clean_view(grid, torch.zeros(4, 1, 2)), torch.Generator()).params["noise"].sum()
    tensor(3.)
    """

    def __init__(
        self,
        *,
        of: Sequence[str] | str | None = None,
        weights: Mapping[str, float] | None = None,
        p: float = 1.0,
        **parts: Corruption,
    ) -> None:
        interval("p", p, 0.0, 1.0)
        if isinstance(of, str) and of != _SUITABLE:
            of = [of]
        for name in () if of is None or isinstance(of, str) else of:
            if name not in parts:
                raise ValueError(f"any has no part {name!r}; {nearest(name, parts)}")
        weights = dict(weights or {})
        if min(weights.values(), default=1.0) < 0:
            raise ValueError(f"weights are 0 or more, got {weights}")
        named = dict(parts) if of is None or isinstance(of, str) else {name: parts[name] for name in of}
        for name in weights:
            if name not in named:
                raise ValueError(f"any draws no {name!r}, so it takes no weight; {nearest(name, named)}")
        self.of, self.p = of, p
        self.parts = {name: part for name, part in named.items() if weights.get(name, 1.0) > 0}
        if not self.parts:
            raise ValueError("any needs at least one corruption to draw, got none: name them in any.of")
        self.weights = [weights.get(name, 1.0) for name in self.parts]

    def setup(self) -> None:
        """Bind the parts, of which each must leave the grid as it is."""
        known = dict(zip(self.parts, self.weights, strict=True))
        parts = self.parts
        if self.of == _SUITABLE:
            parts = {name: part for name, part in parts.items() if part.suits(self.grid)}
            if not parts:
                raise ValueError("any has no part that suits this grid: name some in any.of")
        self.parts = {name: part.bind(self.grid) for name, part in parts.items()}
        self.weights = [known[name] for name in self.parts]
        for name, part in self.parts.items():
            if part.output_grid != self.grid:
                raise ValueError(f"any draws what keeps the grid, and {name} changes it: leave it out of any.of")

    @property
    def corruption_params(self) -> tuple[str, ...]:
        inner = (f"{name}.{key}" for name, part in self.parts.items() for key in part.corruption_params)
        return (*self.parts, *inner)

    @property
    def keeps_unmasked(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return all(part.keeps_unmasked for part in self.parts.values())

    def __call__(self, view: View, generator: torch.Generator) -> View:
        batch, device = len(view.x), view.x.device
        (luck,) = torch.rand(1, generator=on_processor(generator)).tolist()  # numbers of rows follow from it
        order = torch.randperm(batch, generator=generator, device=device)
        weight = torch.tensor([*self.weights, 0.0], dtype=torch.float64)
        share = self.p * weight / weight.sum()
        share[-1] = 1 - self.p
        ends = (share.cumsum(0) * batch + luck).floor().long().clamp(max=batch)
        ends[-1] = batch
        rows = order.split(ends.diff(prepend=torch.zeros(1, dtype=torch.long)).tolist())
        start = view._replace(params={})
        pieces = [
            self._piece(part, start.rows(mine), generator)
            for part, mine in zip(self.parts.values(), rows, strict=False)
        ]
        pieces.append(start.rows(rows[-1]))
        return _joined(view, pieces, order.argsort())._replace(params=dict(view.params) | self._params(pieces, rows))

    @staticmethod
    def _piece(part: Corruption, view: View, generator: torch.Generator) -> View:
        if not len(view.x):
            return view
        # As in a chain: values under a mask are known as long as nothing but further masks changes the view.
        return part(view if part.masks else view._replace(unmasked=None, target=None, target_cells=None), generator)

    def _params(self, pieces: Sequence[View], rows: Sequence[Tensor]) -> dict[str, Tensor]:
        zeros = pieces[0].x.new_zeros(sum(map(len, rows)), dtype=torch.float32)
        params = {}
        for (name, part), piece, mine in zip(self.parts.items(), pieces, rows, strict=False):
            params[name] = zeros.index_fill(0, mine, 1.0)
            for key in part.corruption_params:
                value = piece.params[key].float() if len(mine) else zeros[:0]
                params[f"{name}.{key}"] = zeros.index_copy(0, mine, value)
        return params


def _joined(view: View, pieces: Sequence[View], back: Tensor) -> View:
    """One view of pieces, in the order of ``view``."""

    def field(of: Callable[[View], Tensor | None], default: Callable[[View], Tensor]) -> Tensor | None:
        if all(of(piece) is None for piece in pieces):
            return None
        parts = [(of(piece), piece) for piece in pieces]
        return torch.cat([default(piece) if part is None else part for part, piece in parts]).index_select(0, back)

    def places(of: Callable[[View], Tensor]) -> Tensor:
        if all(of(piece) is of(view) for piece in pieces):
            return of(view)
        return torch.cat([of(piece).expand(len(piece.x), *of(piece).shape[1:]) for piece in pieces])[back]

    masked = [piece for piece in pieces if piece.mask is not None and len(piece.x)]
    known = bool(masked) and all(piece.unmasked is not None for piece in masked)
    cells = {piece.cell for piece in masked}
    return View(
        x=torch.cat([piece.x for piece in pieces]).index_select(0, back),
        coords=places(lambda piece: piece.coords),
        source_coords=places(lambda piece: piece.source_coords),
        mask=field(lambda piece: piece.mask, lambda piece: piece.x.new_zeros(_grid_shape(piece), dtype=torch.bool)),
        cell=cells.pop() if len(cells) == 1 else None,
        unmasked=field(lambda piece: piece.unmasked if known else None, lambda piece: piece.x),
        valid=field(lambda piece: piece.valid, lambda piece: piece.x.new_ones(_grid_shape(piece), dtype=torch.bool)),
    )


def _grid_shape(view: View) -> tuple[int, ...]:
    return (len(view.x), *view.coords.shape[1:-1])
