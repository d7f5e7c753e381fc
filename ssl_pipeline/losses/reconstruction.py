"""Energies between decoded and true patches."""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.losses.base import ReconstructionLoss


def normalized_patch_error(
    prediction: Float[Tensor, "B Q P"], target: Float[Tensor, "B Q P"], eps: float
) -> Float[Tensor, "B Q"]:
    """Squared error in units of each target patch's own variance, so that flat patches weigh as much as busy ones.

    The prediction stays in the data's units and can be shown; MAE (arXiv 2111.06377) predicts the normalised patch.
    """
    variance = target.detach().float().var(-1, unbiased=False)
    return (prediction - target).square().mean(-1) / (variance + eps)


@register("loss", "mse")
class MSE(ReconstructionLoss):
    """Mean squared error."""

    def per_place(self, prediction: Float[Tensor, "B Q P"], target: Float[Tensor, "B Q P"]) -> Float[Tensor, "B Q"]:
        """Squared error of each patch."""
        return (prediction.float() - target).square().mean(-1)


@register("loss", "l1")
class L1(ReconstructionLoss):
    """Mean absolute error."""

    def per_place(self, prediction: Float[Tensor, "B Q P"], target: Float[Tensor, "B Q P"]) -> Float[Tensor, "B Q"]:
        """Absolute error of each patch."""
        return (prediction.float() - target).abs().mean(-1)


@register("loss", "smooth_l1")
class SmoothL1(ReconstructionLoss):
    """Squared error where it is small, absolute error where it is large (Fast R-CNN, arXiv 1504.08083).

    Args:
        beta: error up to which it is squared, in units of the standardised data; the slope beyond it is 1.

    Raises:
        ValueError: ``beta`` not positive.
    """

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__()
        if beta <= 0:
            raise ValueError(f"beta={beta}: expected a positive number; for 0 take objective=l1")
        self.beta = beta

    def per_place(self, prediction: Float[Tensor, "B Q P"], target: Float[Tensor, "B Q P"]) -> Float[Tensor, "B Q"]:
        """Mean over the numbers of each patch."""
        return F.smooth_l1_loss(prediction.float(), target.float(), beta=self.beta, reduction="none").mean(-1)


@register("loss", "charbonnier")
class Charbonnier(ReconstructionLoss):
    """sqrt(error^2 + eps^2): an absolute error that is smooth at zero (https://doi.org/10.1109/ICIP.1994.413553).

    Args:
        eps: error around which it bends, in units of the standardised data; it is also the loss where nothing is wrong.

    Raises:
        ValueError: ``eps`` not positive.
    """

    def __init__(self, eps: float = 1e-3) -> None:
        super().__init__()
        if eps <= 0:
            raise ValueError(f"eps={eps}: expected a positive number; for 0 take objective=l1")
        self.eps = eps

    def per_place(self, prediction: Float[Tensor, "B Q P"], target: Float[Tensor, "B Q P"]) -> Float[Tensor, "B Q"]:
        """Mean over the numbers of each patch."""
        return ((prediction.float() - target).square() + self.eps**2).sqrt().mean(-1)


@register("loss", "log_mse")
class LogMSE(ReconstructionLoss):
    """Logarithm of each sample's mean squared error: PSNR in other units (NAFNet, arXiv 2204.04676).

    A sample that is nearly right weighs as much as one of which little can be known, so that one model learns mild
    corruptions beside severe ones, and leaves alone what is clean.

    Args:
        eps: added to the error, in units of the standardised data's variance; below it little is gained.

    Raises:
        ValueError: ``eps`` not positive.
    """

    def __init__(self, eps: float = 1e-4) -> None:
        super().__init__()
        if eps <= 0:
            raise ValueError(f"eps={eps}: expected a positive number, a perfect sample has no logarithm of its error")
        self.eps = eps

    def per_place(self, prediction: Float[Tensor, "B Q P"], target: Float[Tensor, "B Q P"]) -> Float[Tensor, "B Q"]:
        """Squared error of each patch, of which no logarithm is taken yet."""
        return (prediction.float() - target).square().mean(-1)

    def per_sample(self, prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """See ``ReconstructionLoss``."""
        return (super().per_sample(prediction, target, weight) + self.eps).log()

    def forward(self, prediction: Tensor, target: Tensor, weight: Tensor | None = None) -> Tensor:
        """Scalar: the mean over samples."""
        return self.per_sample(prediction, target, weight).mean()


@register("loss", "normalized_patches")
class NormalizedPatches(ReconstructionLoss):
    """Squared error relative to the variance of each target patch.

    Args:
        eps: added to the variance, in units of the standardised data's variance; bounds the weight of flat patches.

    Raises:
        ValueError: ``eps`` not positive.
    """

    def __init__(self, eps: float = 0.05) -> None:
        super().__init__()
        if eps <= 0:
            raise ValueError(f"eps={eps}: expected a positive number, flat patches have no variance of their own")
        self.eps = eps

    def per_place(self, prediction: Float[Tensor, "B Q P"], target: Float[Tensor, "B Q P"]) -> Float[Tensor, "B Q"]:
        """Relative squared error of each patch."""
        return normalized_patch_error(prediction.float(), target, self.eps)


@register("loss", "cross_entropy")
class CrossEntropy(ReconstructionLoss):
    """Cross-entropy of symbols, in nats."""

    discrete = True

    def per_place(self, prediction: Float[Tensor, "B Q V"], target: Int64[Tensor, "B Q 1"]) -> Float[Tensor, "B Q"]:
        """Cross-entropy of each symbol."""
        return F.cross_entropy(prediction.float().transpose(1, 2), target.squeeze(-1), reduction="none")
