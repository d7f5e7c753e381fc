"""Activations that are computed again in the backward pass instead of being kept (arXiv 1604.06174)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.checkpoint import checkpoint

from ssl_pipeline.models.encoders import Encoder

_LISTS = ("model.blocks",)
"""Where models from outside have their blocks."""


def checkpoint_activations(encoder: Encoder) -> None:
    """Have each block of an encoder keep its input alone in training, and compute the rest again; gradients are equal.

    The modules and the names of their weights stay. Copies of the encoder that were made before are left as they are.

    Raises:
        ValueError: the encoder has no list of blocks.
    """
    for block in blocks_of_encoder(encoder):
        if not isinstance(block.forward, _Recomputed):  # else a trunk that several encoders share
            block.forward = _Recomputed(block, block.forward)


def blocks_of_encoder(encoder: Encoder) -> list[nn.Module]:
    """The blocks that a view passes one after another.

    Raises:
        ValueError: there is no list of them.
    """
    for name in (encoder.block_list, *_LISTS):
        parent: Any = encoder
        for part in name.split("."):
            parent = getattr(parent, part, None)
        if isinstance(parent, nn.ModuleList | nn.Sequential):
            return [*parent]
    raise ValueError(
        f"hardware.checkpoint_activations=true: {encoder.what} has no list of blocks: take encoder=vit, conv or a "
        f"vision transformer of timm's, or set it to false"
    )


class _Recomputed:
    """The forward pass of a block, which keeps its input alone."""

    def __init__(self, block: nn.Module, forward: Callable[..., Any]) -> None:
        self.block, self.forward = block, forward

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not (self.block.training and torch.is_grad_enabled()):
            return self.forward(*args, **kwargs)
        return checkpoint(self.forward, *args, use_reentrant=False, context_fn=self._contexts, **kwargs)

    def _contexts(self) -> tuple[AbstractContextManager, AbstractContextManager]:
        return nullcontext(), _untracked(self.block)


@contextmanager
def _untracked(block: nn.Module) -> Iterator[None]:
    """Batch statistics are used and not remembered: the first pass has done so."""
    norms = [part for part in block.modules() if isinstance(part, _NormBase) and part.track_running_stats]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            if norm.num_batches_tracked is not None:
                norm.num_batches_tracked.sub_(1)
