"""Echo: the view that is not corrupted at all."""

from __future__ import annotations

import torch

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions.base import Corruption
from ssl_pipeline.structures.batch import View


@register("corruption", "echo")
class Echo(Corruption):
    """Identity: with a reconstruction loss, a plain autoencoder.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> from ssl_pipeline.structures.grid import GridSpec
    >>> grid = GridSpec.of(("y", 2), ("x", 2), channels=1)
    >>> view = clean_view(grid, torch.rand(3, 1, 2, 2))
    >>> Echo().bind(grid)(view, torch.Generator()) is view
    True
    """

    def __call__(self, view: View, generator: torch.Generator) -> View:
        return view
