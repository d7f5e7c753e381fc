"""Salt and pepper: single places hold the least or the greatest value."""

from __future__ import annotations

from typing import ClassVar

import torch

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._validation import interval
from ssl_pipeline.corruptions.base import Corruption, Range, draw, severity_or
from ssl_pipeline.structures.batch import View
from ssl_pipeline.structures.grid import GridSpec


@register("corruption", "salt_pepper")
class SaltPepper(Corruption):
    """Impulse noise: a place takes the greatest (salt) or the least value (pepper) of the grid in all its channels.

    Padding stays as it is. The changed places are no mask: nothing says where they are.

    Args:
        ratio: probability that a place is changed, a number or an interval drawn from per sample; where neither it nor
            ``severity`` is given, [0, 0.2].
        salt: probability that a changed place becomes salt, likewise; the others become pepper.
        severity: 1 to 5, likewise, in place of ``ratio``: that of impulse noise in https://arxiv.org/abs/1903.12261.

    Raises:
        ValueError: a discrete grid; an option outside its bounds; both ``ratio`` and ``severity``.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("x", 4), channels=1)
    >>> SaltPepper(ratio=1.0, salt=1.0).bind(grid)(clean_view(grid, torch.zeros(1, 1, 4)), torch.Generator()).x
    tensor([[[1., 1., 1., 1.]]])
    """

    corruption_params = ("ratio",)
    levels: ClassVar = {"ratio": (0.03, 0.06, 0.09, 0.17, 0.27)}

    def __init__(self, *, ratio: Range | None = None, salt: Range = 0.5, severity: Range | None = None) -> None:
        self.severity = severity_or(severity, None, ratio=ratio)
        self.ratio = interval("ratio", (0.0, 0.2) if ratio is None else ratio, 0.0, 1.0)
        self.salt = interval("salt", salt, 0.0, 1.0)

    @classmethod
    def suits(cls, grid: GridSpec) -> bool:
        return not grid.discrete and not grid.log and len(grid.shape) > 1

    def setup(self) -> None:
        """A continuous grid is needed."""
        if self.grid.discrete:
            raise ValueError(
                "salt_pepper sets places to the least or greatest value, got a discrete grid, whose symbols have no "
                "order: use noise"
            )

    def __call__(self, view: View, generator: torch.Generator) -> View:
        x, (low, high), batch = view.x, self.grid.range, view.x.shape[0]
        each = (-1, *[1] * (x.ndim - 2))
        ratio, salt = self.drawn(batch, generator)["ratio"], draw(self.salt, batch, generator)
        luck = torch.rand((batch, *x.shape[2:]), generator=generator, device=x.device)
        white = torch.rand(luck.shape, generator=generator, device=x.device) < salt.view(each)
        changed = luck < ratio.view(each)
        if view.valid is not None:
            changed = changed & view.valid
        x = x.masked_fill((changed & white).unsqueeze(1), high).masked_fill((changed & ~white).unsqueeze(1), low)
        return view._replace(x=x, params={**view.params, "ratio": ratio})
