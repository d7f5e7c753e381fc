"""Chain: one view made by several corruptions in a row."""

from __future__ import annotations

import torch

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions.base import Corruption
from ssl_pipeline.corruptions.composed import Composed
from ssl_pipeline.structures.batch import View


@register("corruption", "chain", parts={"*": "corruption"})
class Chain(Composed):
    """Composition in the order written; each part takes the grid that the one before it leaves.

    ``View.unmasked`` and ``target`` are kept by further masks only: whatever else comes after a mask drops them.

    Args:
        **parts: named corruptions. Their entries of ``corruption_params`` and ``View.params`` carry the name, as
            ``noise.sigma``.

    Raises:
        ValueError: no part.

    >>> from ssl_pipeline.corruptions import LowRes, Noise
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> chain = Chain(lowres=LowRes(factor=2), noise=Noise()).bind(GridSpec.of(("time", 8), channels=1))
    >>> chain.corruption_params
    ('lowres.factor', 'noise.sigma')
    """

    def __init__(self, **parts: Corruption) -> None:
        if not parts:
            raise ValueError("a chain needs at least one corruption, got none: name its parts or use echo")
        self.parts = dict(parts)

    def setup(self) -> None:
        """Bind each part to the grid that the one before it leaves."""
        bound: dict[str, Corruption] = {}
        for name, part in self.parts.items():
            bound[name] = part.bind(self.output_grid)
            self.output_grid = bound[name].output_grid
        self.parts = bound

    @property
    def corruption_params(self) -> tuple[str, ...]:
        return tuple(f"{name}.{key}" for name, part in self.parts.items() for key in part.corruption_params)

    @property
    def keeps_unmasked(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        parts = [*self.parts.values()]
        while parts and not parts[0].masks:
            parts.pop(0)
        return not parts or (parts[0].keeps_unmasked and all(part.only_masks for part in parts[1:]))

    def __call__(self, view: View, generator: torch.Generator) -> View:
        params = dict(view.params)
        for name, part in self.parts.items():
            # What lies under a mask, and where, is known as long as nothing but further masks changes the view.
            view = view if part.masks else view._replace(unmasked=None, target=None, target_cells=None)
            view = part(view._replace(params={}), generator)
            params.update({f"{name}.{key}": value for key, value in view.params.items()})
        return view._replace(params=params)
