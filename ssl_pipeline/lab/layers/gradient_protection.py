"""Gradients of a set length: the forward pass is the identity, the backward pass keeps directions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ssl_pipeline.utils import distributed


def unit_rms(g: Float[Tensor, "R F"], eps: float) -> Float[Tensor, "R F"]:
    """Rows of root mean square r over max(r, eps): the same directions, of length 1 a number."""
    return g / g.square().mean(1, keepdim=True).sqrt().clamp_min(eps)


def standardised(g: Float[Tensor, "R F"], eps: float) -> Float[Tensor, "R F"]:
    """Columns of mean 0 and standard deviation 1 over the rows of all ranks; this does turn the rows."""
    mean = distributed.mean(g.mean(0))
    centred = g - mean
    return centred / distributed.mean(centred.square().mean(0)).sqrt().clamp_min(eps)


def _places(g: Float[Tensor, "*rows D"]) -> Float[Tensor, "R D"]:
    """One row a place: a token, or a sample that has only one."""
    return g.flatten(0, -2)


def _samples(g: Float[Tensor, "B *rest"]) -> Float[Tensor, "B F"]:
    """One row a sample."""
    return g.flatten(1)


_Rule = tuple[Callable[[Tensor], Tensor], Callable[[Tensor, float], Tensor]]

ROW_RULES: dict[str, _Rule] = {
    "row": (_places, unit_rms),
    "sample": (_samples, unit_rms),
    "batch": (_places, standardised),
}
"""What counts as a row, and what is made of the rows."""


class GradientProtection(nn.Module):
    """Forward bit-identical; each row's gradient g of root mean square r leaves as g' = g s / max(r, eps).

    Close to block-normalised gradients (arXiv 1707.04822), but within the backward pass, so that what lies below gets a
    gradient of the same length however deep it lies.

    What activations do to the gradients of weights is left: of 30 layers of Linear and sigmoid the first one's was
    measured 1.1 to 2.6 times the last one's (0 without), of Linear and ReLU, whose activations shrink, 7 to 50 times
    (1e-10 without). ``batch`` gives biases, and weights behind activations that have stopped to vary, next to nothing:
    what it hands on has mean 0 over the batch.

    It erases how large a gradient was: the scale of the loss, weights of terms and of samples, and that a sample is
    fitted. Only a gradient of 0 stays 0. So a loss scale would not leave the gradient again: train in float32 or
    bfloat16, not in float16 with a scaler.

    Args:
        over: what has the length: ``row`` (the last axis: a token), ``sample`` (all numbers of a sample), or ``batch``
            (each number is standardised over the rows of all ranks, which turns their directions).
        scale: root mean square s.
        eps: lengths below it are not raised to s.
        mean: the loss is a mean over rows: a row's gradient is taken times their number and left divided by it, so that
            weights get the mean of what rows of length s say, on one rank as on many. False: as the formula stands,
            where weights get the sum of all ranks' rows.
        axis: of the vectors' numbers: -1 of tokens, 1 of maps (B, C, *grid).

    Raises:
        ValueError: another ``over``; a number that is not positive.

    >>> x = torch.ones(2, 4, requires_grad=True)
    >>> (GradientProtection(mean=False)(x) * torch.tensor([[1e-3], [5.0]])).sum().backward()
    >>> x.grad.square().mean(1)
    tensor([1., 1.])
    """

    def __init__(
        self, over: str = "row", scale: float = 1.0, eps: float = 1e-5, mean: bool = True, axis: int = -1
    ) -> None:
        super().__init__()
        if over not in ROW_RULES:
            raise ValueError(f"over={over!r} is not known; take one of {', '.join(ROW_RULES)}")
        if min(scale, eps) <= 0:
            raise ValueError(f"gradient protection needs a positive scale and eps, got scale={scale}, eps={eps}")
        self.over, self.scale, self.eps, self.mean, self.axis = over, scale, eps, mean, axis

    def forward(self, x: Float[Tensor, "B *rest"]) -> Float[Tensor, "B *rest"]:
        """What it is given."""
        return _Protected.apply(x, self)  # pyright: ignore[reportReturnType]

    def gradient(self, g: Float[Tensor, "B *rest"]) -> Float[Tensor, "B *rest"]:
        """The gradient that leaves for one that enters, computed in 32 bits."""
        reshape, rule = ROW_RULES[self.over]
        moved = g.movedim(self.axis, -1)
        rows = reshape(moved.float())
        if self.mean:
            made = rule(rows * len(rows), self.eps) * (self.scale / len(rows))
        else:  # the gradients of weights will be divided by the number of ranks
            made = rule(rows, self.eps) * (self.scale * distributed.world_size())
        return made.view(moved.shape).movedim(-1, self.axis).to(g.dtype)

    def extra_repr(self) -> str:
        """Its options."""
        return f"over={self.over!r}, scale={self.scale:g}, eps={self.eps:g}, mean={self.mean}, axis={self.axis}"


class _Protected(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: GradientProtection) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx.layer = layer
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return ctx.layer.gradient(g), None


@torch.no_grad()
def protect_weight_gradients(parameters: Iterable[nn.Parameter], scale: float = 1.0, eps: float = 1e-20) -> None:
    """Set the gradient of each weight to root mean square ``scale``, in place.

    To be called between the backward pass, with its mean over ranks, and the optimiser's step: then it is the same on
    one rank and on many. Clipping to a norm comes after it, and makes all of them smaller alike.

    Args:
        parameters: those without a gradient are left.
        scale: root mean square.
        eps: lengths below it are not raised to ``scale``.

    >>> layer = nn.Linear(3, 2)
    >>> (1e-4 * layer(torch.ones(1, 3))).sum().backward()
    >>> protect_weight_gradients(layer.parameters())
    >>> layer.bias.grad
    tensor([1., 1.])
    """
    for parameter in parameters:
        if parameter.grad is not None:
            rms = parameter.grad.float().square().mean().sqrt()
            parameter.grad.mul_((scale / rms.clamp_min(eps)).to(parameter.grad.dtype))
