"""Case: capital letters where small ones were, and the other way round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._letters import LetterCorruption, chance, is_letter
from ssl_pipeline.corruptions.base import Range
from ssl_pipeline.structures.batch import View

MODES = ("upper", "lower", "swapped")


@register("corruption", "case")
class Case(LetterCorruption):
    """Letters change their case, as a caps-lock key, a form or a system without small letters makes them
    (restoring it: https://aclanthology.org/P03-1020).

    Texts of bytes only. Letters are A to Z and a to z: é keeps its case, and so does all else.

    Args:
        ratio: probability that a letter is affected, a number or an interval drawn from per sample.
        modes: ``upper``, ``lower``, ``swapped`` (each letter has the other case); each sample draws one.
        severity: 1 to 5, likewise, in place of ``ratio``: 0.1, 0.25, 0.5, 0.75 and 1. Both None: [1, 5].

    Raises:
        ValueError: no text of bytes; an option outside its bounds; an unknown mode; both ``ratio`` and ``severity``.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("position", 5), vocab=258, mask_token=257, end_token=256)
    >>> view = clean_view(grid, torch.tensor([[*b"I am", 256]]))
    >>> bytes(Case(ratio=1.0, modes=["swapped"]).bind(grid)(view, torch.Generator()).x[0, :4].tolist())
    b'i AM'
    """

    levels: ClassVar = {"ratio": (0.1, 0.25, 0.5, 0.75, 1.0)}

    def __init__(
        self, *, ratio: Range | None = None, modes: Sequence[str] = MODES, severity: Range | None = None
    ) -> None:
        super().__init__(ratio, severity)
        if not modes or not {*modes} <= {*MODES}:
            raise ValueError(f"modes are among {', '.join(MODES)}, got {list(modes)}: name one or more of them")
        self.modes = tuple(modes)

    def __call__(self, view: View, generator: torch.Generator) -> View:
        x, device = view.x, view.x.device
        ratio = self.drawn(len(x), generator)["ratio"]
        drawn = torch.randint(len(self.modes), (len(x), 1), generator=generator, device=device)
        mode = torch.tensor([MODES.index(name) for name in self.modes], device=device)[drawn]
        small = (x & 32) > 0
        turned = (mode == 2) | torch.where(small, mode == 0, mode == 1)
        turned = turned & is_letter(x) & chance(x, ratio, generator)
        if view.valid is not None:
            turned = turned & view.valid
        return view._replace(x=torch.where(turned, x ^ 32, x), params={**view.params, "ratio": ratio})
