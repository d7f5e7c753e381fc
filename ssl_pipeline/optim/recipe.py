"""The optimiser's recipe: parameter groups, batch-size rule and schedule."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import cos, pi, sqrt
from typing import Any

from torch import nn
from torch.optim import Optimizer

from ssl_pipeline.models.encoders import Encoder
from ssl_pipeline.models.layers.conv import Pointwise

RULES: dict[str, Callable[[float], float]] = {"none": lambda ratio: 1.0, "sqrt": sqrt, "linear": float}
MAPS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, Pointwise)


@dataclass(frozen=True)
class Recipe:
    """What an optimiser is made of.

    Args:
        make: called with parameter groups and ``lr``, makes the optimiser.
        lr: highest learning rate for a global batch of ``base_batch``.
        weight_decay: for matrices; vectors, biases and tables have none.
        scale: how the rate grows with the global batch: ``none``, ``sqrt`` or ``linear``.
        base_batch: global batch for which ``lr`` is meant.
        warmup: share of the training in which the rate rises linearly.
        final: share of the highest rate at which the cosine ends.
        layer_decay: share of the rate of an encoder's layer that the layer below it has; None for one rate.
        maps_only: the optimiser's rule is for linear maps and convolutions; tables and tokens are marked for the
            other rule that it keeps for vectors (timm's Muon: AdamW).

    Raises:
        ValueError: a number outside its range, an unknown rule.
    """

    make: Callable[..., Optimizer]
    lr: float = 1e-3
    weight_decay: float = 0.05
    scale: str = "none"
    base_batch: int = 256
    warmup: float = 0.05
    final: float = 0.0
    layer_decay: float | None = None
    maps_only: bool = False

    def __post_init__(self) -> None:
        if self.scale not in RULES:
            raise ValueError(f"optimizer.scale={self.scale!r} is not known; take one of {', '.join(RULES)}")
        if self.lr <= 0 or self.weight_decay < 0 or self.base_batch < 1:
            raise ValueError(
                f"expected a positive optimizer.lr and base_batch and no negative weight_decay, "
                f"got lr={self.lr}, base_batch={self.base_batch}, weight_decay={self.weight_decay}"
            )
        if not (0 <= self.warmup < 1 and 0 <= self.final <= 1):
            raise ValueError(f"optimizer.warmup={self.warmup} and final={self.final}: expected shares from 0 to 1")
        if self.layer_decay is not None and not 0 < self.layer_decay <= 1:
            raise ValueError(
                f"optimizer.layer_decay={self.layer_decay}: expected a factor above 0 and up to 1, or null for one rate"
            )

    def check(self, encoder: Encoder) -> None:
        """Refuse an encoder before it has weights.

        Raises:
            ValueError: ``layer_decay`` for one that does not tell its layers.
        """
        if self.layer_decay is not None and type(encoder).layers is Encoder.layers:
            raise encoder.no_layers()

    @property
    def name(self) -> str:
        """Name of the optimiser's class."""
        return getattr(self.make, "func", self.make).__name__

    def peak(self, batch_size: int) -> float:
        """Highest learning rate for a global batch."""
        return self.lr * RULES[self.scale](batch_size / self.base_batch)

    def rate(self, progress: float, stride: float = 0.0) -> float:
        """Share of the highest rate at a progress from 0 to 1: linear warm-up, then half a cosine (arXiv 1608.03983).

        Args:
            progress: before the step.
            stride: what the step adds to it. The warm-up rises to its end, so that the first step has a rate.

        >>> from torch.optim import AdamW
        >>> recipe = Recipe(make=AdamW, warmup=0.1)
        >>> [round(recipe.rate(p), 2) for p in (0.05, 0.1, 0.55, 1.0)]
        [0.5, 1.0, 0.5, 0.0]
        >>> round(recipe.rate(0.0, stride=0.01), 2)
        0.1
        """
        if progress < self.warmup:
            return min(1.0, (progress + stride) / self.warmup)
        done = min(1.0, (progress - self.warmup) / (1 - self.warmup))
        return self.final + (1 - self.final) * (1 + cos(pi * done)) / 2

    def optimizer(self, model: nn.Module, batch_size: int) -> Optimizer:
        """The optimiser of what a model trains, with matrices, vectors and layers in groups of their own.

        Raises:
            ValueError: ``layer_decay`` for an encoder that does not tell its layers; what the optimiser refuses.
        """
        peak = self.peak(batch_size)
        groups = parameter_groups(model, self.weight_decay, self.layer_decay, self.maps_only)
        try:
            return self.make([group | {"lr": peak * group["lr_scale"]} for group in groups], lr=peak)
        except (TypeError, ValueError, AssertionError) as error:
            raise ValueError(f"optimizer.make: {self.name} refuses its options: {error}") from error


def parameter_groups(
    model: nn.Module, weight_decay: float, layer_decay: float | None = None, maps_only: bool = False
) -> list[dict[str, Any]]:
    """Each trainable parameter once: those without weight decay first, in each kind the largest rate first.

    Vectors and biases have none, nor what a module's ``no_weight_decay()`` names, alone or by patterns such as
    ``pos_embed.*``: timm's networks name their tokens and positions, ours their tables and queries.

    >>> [group["weight_decay"] for group in parameter_groups(nn.Linear(2, 3), weight_decay=0.05)]
    [0.0, 0.05]
    """
    scales = {} if layer_decay is None else layer_scales(model, layer_decay)
    spared = {parameter for module in model.modules() for parameter in _spared(module)}
    maps = {module.weight for module in model.modules() if isinstance(module, MAPS)}
    groups = defaultdict(list)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            vector = parameter.ndim <= 1 or name.endswith(".bias")
            decay = 0.0 if vector or parameter in spared else weight_decay
            groups[decay, -scales.get(parameter, 1.0), maps_only and parameter not in maps].append(parameter)
    return [
        {"params": groups[key], "weight_decay": key[0], "lr_scale": -key[1], "use_fallback": key[2]}
        for key in sorted(groups)
    ]


def _spared(module: nn.Module) -> list[nn.Parameter]:
    """Parameters of a module that it wants without weight decay."""
    names: Collection[str] = module.no_weight_decay() if hasattr(module, "no_weight_decay") else ()  # pyright: ignore
    return [p for name, p in module.named_parameters() if any(fnmatchcase(name, pattern) for pattern in names)]


def layer_scales(model: nn.Module, decay: float) -> dict[nn.Parameter, float]:
    """Share of the rate for the layers of a model's encoders, as BEiT fine-tunes them (arXiv 2106.08254).

    Block i of n, counted from 0, has ``decay ** (n - i)`` and the stem below it ``decay ** (n + 1)``.

    Raises:
        ValueError: an encoder that does not tell its layers.
    """
    scales = {}
    for encoder in (module for module in model.modules() if isinstance(module, Encoder)):
        for height, layer in enumerate(reversed(encoder.layers()), 1):
            scales |= dict.fromkeys(layer, decay**height)
    return scales
