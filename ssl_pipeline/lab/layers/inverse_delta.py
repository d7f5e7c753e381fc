"""A linear layer that hands wanted changes back through its inverse instead of its transpose."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn


@torch.no_grad()
def damped_inverse(weight: Float[Tensor, "O I"], damping: float) -> Float[Tensor, "O I"]:
    """(W W^T + lambda 1)^-1 W: of the changes of x that change y = W x by a given dy the shortest, damped.

    Args:
        weight: W, of any rank.
        damping: lambda as a share of the mean squared singular value of W. With 0 a weight that is not of full rank has
            no inverse, and torch says so (``torch.linalg.LinAlgError``).

    >>> damped_inverse(torch.tensor([[0.5, 0.2]]), 0.0)
    tensor([[1.7241, 0.6897]])
    """
    with torch.autocast(weight.device.type, enabled=False):
        w = weight.detach().float()
        wide = len(w) <= w.shape[1]
        gram = w @ w.T if wide else w.T @ w  # the smaller of the two; both give the same
        gram.diagonal().add_(damping * gram.trace() / len(gram))
        factor = torch.linalg.cholesky(gram)
        return torch.cholesky_solve(w, factor) if wide else torch.cholesky_solve(w.T, factor).T


class InverseDeltaLinear(nn.Linear):
    """``nn.Linear`` whose input gets dx = dy (W W^T + lambda 1)^-1 W instead of dy W.

    The weight's gradient is the standard one, for the dy that arrives. For an orthogonal W dx is that of ``nn.Linear``
    over 1 + damping. It is the gradient of no loss: a damped least-squares step of the input, as in target propagation
    (difference target propagation, arXiv 1412.7525; its Gauss-Newton form, arXiv 2006.14331).

    The inverse is kept until a gradient has passed or the weight's version has changed. The version alone would not do:
    fused optimisers of torch do not raise it.

    Args:
        in_features: see ``nn.Linear``.
        out_features: see ``nn.Linear``.
        bias: see ``nn.Linear``.
        damping: lambda as a share of the mean squared singular value of W; see ``damped_inverse``.
        device: see ``nn.Linear``.

    Raises:
        ValueError: negative damping.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        damping: float = 0.1,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__(in_features, out_features, bias, device)
        if damping < 0:
            raise ValueError(f"damping={damping}: expected a share of the mean squared singular value, at least 0")
        self.damping = damping
        self._kept: tuple[Any, Tensor] | None = None

    @classmethod
    def of(cls, layer: nn.Linear, damping: float) -> InverseDeltaLinear:
        """One with the parameters of a layer, and what listens at it."""
        made = cls(layer.in_features, layer.out_features, layer.bias is not None, damping, device="meta")
        made.weight, made.bias = layer.weight, layer.bias
        made._forward_hooks.update(layer._forward_hooks)
        return made.train(layer.training)

    def forward(self, x: Float[Tensor, "*rows I"]) -> Float[Tensor, "*rows O"]:
        """As ``nn.Linear``."""
        if not (torch.is_grad_enabled() and x.requires_grad):
            return super().forward(x)
        return _Delta.apply(super().forward(x.detach()), x, self)  # pyright: ignore[reportReturnType]

    def inverse(self) -> Float[Tensor, "O I"]:
        """The damped inverse of the weight as it is."""
        now = (self.weight._version, self.weight.data_ptr(), self.weight.dtype)
        if self._kept is None or self._kept[0] != now:
            self._kept = now, damped_inverse(self.weight, self.damping)
        return self._kept[1]

    def forget(self) -> None:
        """Keep no inverse."""
        self._kept = None

    def extra_repr(self) -> str:
        """Its options."""
        return f"{super().extra_repr()}, damping={self.damping:g}"


class _Delta(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, y: Tensor, x: Tensor, layer: InverseDeltaLinear) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.layer, ctx.dtype = layer, x.dtype
        ctx.save_for_backward(layer.inverse())
        return y.view_as(y)

    @staticmethod
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        (inverse,) = ctx.saved_tensors
        ctx.layer.forget()
        return dy, (dy @ inverse.to(dy.dtype)).to(ctx.dtype), None
