"""Convolutional blocks for grids of one, two or three axes."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


def conv_nd(ndim: int) -> Callable[..., nn.Module]:
    """The convolution over ``ndim`` axes."""
    return (nn.Conv1d, nn.Conv2d, WholeConv3d)[ndim - 1]


class WholeConv3d(nn.Conv3d):
    """A convolution over three axes that a processor computes in 32 bits, whatever the precision around it.

    In bfloat16 the gradient of its weight was wrong there, up to NaN (torch 2.14; 64 channels to 64 on 2x8x8 cells).
    """

    def forward(self, input: Tensor) -> Tensor:
        """(B, C, T, H, W) to (B, C', T', H', W')."""
        if input.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return super().forward(input)
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.float())


def norm_nd(norm: str, ndim: int, channels: int) -> nn.Module:
    """``batch`` or ``group`` normalisation.

    Raises:
        ValueError: another name.
    """
    kinds = {
        "batch": (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)[ndim - 1],
        "group": lambda c: nn.GroupNorm(max(1, c // 16), c),
    }
    if norm not in kinds:
        raise ValueError(f"norm={norm!r} is not known; take one of {', '.join(kinds)}")
    return kinds[norm](channels)


def residual_sum(x: Tensor, y: Tensor, inplace: bool) -> Tensor:
    """Their sum, in the place of the first one where that is given up."""
    return x.add_(y) if inplace else x + y


class Pointwise(nn.Module):
    """A 1-wide convolution without bias, as the linear map that it is, with the weight that the convolution has.

    Backward the strided convolution took up to four times as long on a processor, and in channels_last of less than 16
    channels it overran its memory (torch 2.14).

    Args:
        ndim: grid axes.
        before: channels in.
        after: channels out.
        stride: of all axes.

    >>> Pointwise(2, 3, 8, stride=2)(torch.zeros(4, 7, 7, 3)).shape
    torch.Size([4, 4, 4, 8])
    """

    def __init__(self, ndim: int, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(after, before, *ndim * [1]))
        nn.init.kaiming_uniform_(self.weight, a=sqrt(5))  # as torch's convolutions
        self.cells = (slice(None), *ndim * [slice(None, None, stride)])

    def forward(self, x: Float[Tensor, "B *grid C"]) -> Float[Tensor, "B *fewer D"]:
        """Channels last in, and out."""
        return F.linear(x[self.cells], self.weight.flatten(1))


class ResidualBlock(nn.Module):
    """Pre-activation residual block of two 3-wide convolutions (arXiv 1603.05027).

    Args:
        ndim: grid axes.
        before: channels in.
        after: channels out.
        norm: ``batch`` or ``group``.
        stride: step of the first convolution.
    """

    def __init__(self, ndim: int, before: int, after: int, norm: str, stride: int = 1) -> None:
        super().__init__()
        conv = conv_nd(ndim)
        self.norm1, self.norm2 = norm_nd(norm, ndim, before), norm_nd(norm, ndim, after)
        self.conv1 = conv(before, after, 3, stride, padding=1, bias=False)
        self.conv2 = conv(after, after, 3, padding=1, bias=False)
        self.skip = nn.Identity() if stride == 1 and before == after else Pointwise(ndim, before, after, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, *grid) to (B, C', *grid')."""
        # In training what norms and convolutions give is given up: nothing else looks at it, no gradient needs it.
        y = F.relu(self.norm1(x), inplace=self.training)
        skip = x if isinstance(self.skip, nn.Identity) else self.skip(y.movedim(1, -1)).movedim(-1, 1)
        made = self.conv2(F.relu(self.norm2(self.conv1(y)), inplace=self.training))
        return residual_sum(made, skip, self.training)
