"""Gradients of a set length at the outputs of blocks, and of weights."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Any, ClassVar

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from ssl_pipeline.config.registry import register
from ssl_pipeline.graph.graph_set import GraphSet
from ssl_pipeline.lab.callbacks.base import PartsCallback, blocks
from ssl_pipeline.lab.layers import GradientProtection, protect_weight_gradients


@register("callback", "gradient_protection")
class ProtectGradients(PartsCallback):
    """``GradientProtection`` behind each block of the chosen parts, and behind each linear layer where there is none.

    Args:
        parts: see ``PartsCallback``.
        over: see ``GradientProtection``.
        scale: root mean square of the gradients that enter a block from behind; None: they are left.
        eps: see ``GradientProtection``.
        mean: see ``GradientProtection``.
        weights: root mean square to which each weight's gradient is set before the optimiser's step; None: they are
            left.

    Raises:
        ValueError: neither ``scale`` nor ``weights``; what ``GradientProtection`` refuses.
    """

    shards: ClassVar[bool] = True

    def __init__(
        self,
        parts: Sequence[str] = ("encoder",),
        over: str = "row",
        scale: float | None = 1.0,
        eps: float = 1e-5,
        mean: bool = True,
        weights: float | None = None,
    ) -> None:
        super().__init__(parts)
        if scale is None and weights is None:
            raise ValueError("gradient_protection has nothing to do: set its scale, its weights or both")
        if weights is not None and weights <= 0:
            raise ValueError(f"gradient_protection.weights={weights}: expected a positive number, or null")
        self.over, self.scale, self.eps, self.mean, self.weights = over, scale, eps, mean, weights
        if scale is not None:
            self._layer(-1)

    @property
    def loss_scale(self) -> bool:
        """A set length is the same whatever the loss was multiplied by."""
        return self.scale is None

    def on_build(self, graphs: GraphSet) -> None:
        """Listen behind the blocks."""
        if self.scale is None:
            return
        found = [place for module in self.modules(graphs) for place in blocks(module) or _linear(module)]
        if not found:
            raise self.missing("block that is called as a whole")
        for place in dict.fromkeys(found):
            axes = {len(part.kernel_size) + 2 for part in place.modules() if isinstance(part, _ConvNd)}
            place.register_forward_hook(_behind(self._layer(1), self._layer(-1), axes))

    def before_optimizer_step(self, graphs: GraphSet) -> None:
        """Set the weights' gradients."""
        if self.weights is not None:
            found = (parameter for part in self.modules(graphs) for parameter in part.parameters())
            protect_weight_gradients(dict.fromkeys(found), self.weights)  # each once, in one order on all ranks

    def _layer(self, axis: int) -> GradientProtection:
        assert self.scale is not None
        return GradientProtection(self.over, self.scale, self.eps, self.mean, axis)


def _behind(maps: GradientProtection, tokens: GradientProtection, axes: Container[int]) -> Callable[..., Any]:
    """A block with convolutions inside may still give tokens: what it gives has the axes of a map, or it has not."""

    def hook(block: nn.Module, inputs: tuple, output: Any) -> Any:
        first, *rest = (output,) if isinstance(output, Tensor) else output
        made = (maps if first.ndim in axes else tokens)(first)
        return made if isinstance(output, Tensor) else (made, *rest)

    return hook


def _linear(module: nn.Module) -> list[nn.Module]:
    return [part for part in module.modules() if isinstance(part, nn.Linear)]
