"""Turn: pictures lie on their side or on their head, or are seen in a mirror."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Shaped
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._pictures import is_picture, kinds_of, one_of, some_of
from ssl_pipeline.corruptions._validation import interval
from ssl_pipeline.corruptions.base import Corruption, draw
from ssl_pipeline.structures.batch import View
from ssl_pipeline.structures.grid import GridSpec

_DEGREES = (0, 90, 180, 270)


@register("corruption", "turn")
class Turn(Corruption):
    """Turns the last two axes, then perhaps mirrors the last one, https://arxiv.org/abs/1803.07728.

    ``coords`` stays, or the encoder could see it; ``source_coords`` moves with ``x``.

    Args:
        degrees: 0, 90, 180, 270 (against the clock), of which each sample draws one. None: all but 0, and where
            the two axes differ, 180.
        mirror: probability that a sample is mirrored.

    Raises:
        ValueError: a grid whose last two axes are not y and x; other degrees; 90 or 270 where the two axes differ.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("y", 2), ("x", 2), channels=1)
    >>> clean = clean_view(grid, torch.tensor([[0.1, 0.2], [0.3, 0.4]]).view(1, 1, 2, 2))
    >>> Turn(degrees=[90]).bind(grid)(clean, torch.Generator()).x[0, 0]
    tensor([[0.2000, 0.4000],
            [0.1000, 0.3000]])
    """

    def __init__(self, *, degrees: Sequence[int] | None = None, mirror: float = 0.0) -> None:
        known = {str(degree): degree for degree in _DEGREES}
        self.degrees = None if degrees is None else kinds_of("degrees", [str(d) for d in degrees], known)
        self.mirror = interval("mirror", mirror, 0.0, 1.0)[0]

    @classmethod
    def suits(cls, grid: GridSpec) -> bool:
        return is_picture(grid)

    def setup(self) -> None:
        """The turns that the grid allows."""
        if self.grid.names[-2:] != ("y", "x"):
            raise ValueError(f"turn needs y and x as the last two axes, got {', '.join(self.grid.names)}: use reversal")
        (_, height, fine), (_, width, coarse) = self.grid.axes[-2:]
        square = (height, fine) == (width, coarse)
        self.turns = self.degrees or (("90", "180", "270") if square else ("180",))
        if not square and not set(self.turns) <= {"0", "180"}:
            raise ValueError(f"a turn by 90 or 270 degrees needs y and x alike, got {height} x {width}: choose [180]")

    @property
    def corruption_params(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return (*some_of("turn", self.turns), *(["mirror"] if 0 < self.mirror < 1 else []))

    def __call__(self, view: View, generator: torch.Generator) -> View:
        batch = len(view.x)
        drawn = one_of("turn", self.turns, batch, generator)
        mirrored = draw((0.0, 1.0), batch, generator) < self.mirror
        height, width = view.x.shape[-2:]
        plain = torch.arange(height * width, device=view.x.device).view(height, width)
        turned = torch.stack([plain.rot90(int(degree) // 90) for degree in self.turns])
        order = turned[drawn["turn"]]
        order = torch.where(mirrored.view(-1, 1, 1), order.flip(-1), order).flatten(1)
        coords = view.source_coords.expand(batch, *view.source_coords.shape[1:])
        cell = view.cell if view.cell is None or self._keeps(view.cell) else None
        drawn["mirror"] = mirrored.float()
        return view._replace(
            x=_read(view.x, order),
            source_coords=_read(coords.movedim(-1, 1), order).movedim(1, -1),
            mask=None if view.mask is None else _read(view.mask, order),
            valid=None if view.valid is None else _read(view.valid, order),
            cell=cell,
            visible=None if cell is None else view.visible,
            params={**view.params, **{name: drawn[name] for name in self.corruption_params}},
        )

    def _keeps(self, cell: tuple[int, ...]) -> bool:
        return cell[-2] == cell[-1] or set(self.turns) <= {"0", "180"}


def _read(x: Shaped[Tensor, "B ... H W"], order: Shaped[Tensor, "B HW"]) -> Shaped[Tensor, "B ... H W"]:
    """Places of the last two axes in an order of each sample's own."""
    flat = x.flatten(-2)
    index = order.view(len(x), *[1] * (flat.ndim - 2), -1).expand(flat.shape)
    return flat.gather(-1, index).view(x.shape)
