"""What corruptions made of others share."""

from __future__ import annotations

from copy import copy
from typing import TypeVar

import torch
from torch import Tensor

from ssl_pipeline.corruptions.base import Corruption
from ssl_pipeline.structures.batch import View

_Own = TypeVar("_Own", bound="Composed")


class Composed(Corruption):
    """Made of named corruptions; how samples pass them is for those who inherit it to say.

    Attributes:
        parts: by name.
    """

    parts: dict[str, Corruption]

    @property
    def masks(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return any(part.masks for part in self.parts.values())

    @property
    def only_masks(self) -> bool:
        return all(part.only_masks for part in self.parts.values())

    def with_mask(self, view: View, mask: Tensor) -> View:
        """Filled as the first part that masks does."""
        for part in self.parts.values():
            if part.masks:
                return part.with_mask(view, mask)
        return super().with_mask(view, mask)

    def for_step(self: _Own, generator: torch.Generator) -> _Own:
        """With the parts of a step."""
        drawn = copy(self)
        drawn.parts = {name: part.for_step(generator) for name, part in self.parts.items()}
        return drawn
