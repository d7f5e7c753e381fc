"""A corruption, a loss, a callback and a diagnostic for ssl_pipeline, in a package of one's own."""

import torch

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions import Corruption
from ssl_pipeline.diagnostics import register_diagnostic
from ssl_pipeline.graph.graph_set import GraphSet
from ssl_pipeline.losses import ReconstructionLoss
from ssl_pipeline.structures.batch import View
from ssl_pipeline.training import GraphCallback


@register("corruption", "dim")
class Dim(Corruption):
    """Multiplies each sample by a number from ``low`` to 1."""

    def __init__(self, *, low: float = 0.3) -> None:
        self.low = low

    def __call__(self, view: View, generator: torch.Generator) -> View:
        shape = (len(view.x), *[1] * (view.x.ndim - 1))
        factor = self.low + (1 - self.low) * torch.rand(shape, generator=generator, device=view.x.device)
        return view._replace(x=view.x * factor)


@register("loss", "log_cosh")
class LogCosh(ReconstructionLoss):
    """log cosh of the error: squared where it is small, absolute where it is large."""

    def per_place(self, prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (prediction.float() - target).cosh().log().mean(-1)


@register("callback", "gradient_noise")
class GradientNoise(GraphCallback):
    """Adds Gaussian noise to every gradient (arXiv 1511.06807)."""

    def __init__(self, std: float = 1e-3) -> None:
        self.std = std

    def before_optimizer_step(self, graphs: GraphSet) -> None:
        for parameter in graphs.parameters():
            if parameter.grad is not None:
                parameter.grad.add_(torch.randn_like(parameter.grad), alpha=self.std)


@register_diagnostic("brightness")
def brightness(graph, views) -> dict[str, float]:
    """Mean of each view, of standardised data."""
    return {name: float(view.x.float().mean()) for name, view in views.items()}
