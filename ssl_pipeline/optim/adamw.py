"""The default optimiser, for Python: the same as ``optimizer=adamw``."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from ssl_pipeline.optim.recipe import Recipe
from ssl_pipeline.utils.signatures import checked_class


@checked_class
class AdamW(Recipe):
    """AdamW (arXiv 1711.05101) with a warm-up and half a cosine.

    Args:
        lr: highest learning rate for a global batch of ``base_batch``.
        weight_decay: for matrices; vectors, biases and tables have none.
        betas: decay of the means of gradients and of their squares.
        schedule: further options of ``Recipe``: ``warmup``, ``final``, ``scale`` ...

    >>> AdamW(lr=3e-4).name
    'AdamW'
    """

    def __init__(
        self,
        lr: float = 1e-3,
        weight_decay: float = 0.05,
        betas: tuple[float, float] = (0.9, 0.95),
        **schedule: Any,
    ) -> None:
        make = partial(torch.optim.AdamW, betas=betas, fused=True)
        super().__init__(make, lr=lr, weight_decay=weight_decay, **schedule)
