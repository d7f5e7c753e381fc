"""What the levels of a U-shaped network are made of, for grids of one, two or three axes."""

from __future__ import annotations

from einops import rearrange
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from ssl_pipeline.models.layers.conv import conv_nd


class PlainBlock(nn.Module):
    """Residual block of two 3-wide convolutions without norms or biases, as in DRUNet (arXiv 2008.13751).

    Without biases it is homogeneous: of an input half as strong it makes half of what it made, so that a network of
    them carries over to strengths of noise that it has not seen (arXiv 1906.05478).

    Args:
        ndim: grid axes.
        channels: in and out.
    """

    def __init__(self, ndim: int, channels: int) -> None:
        super().__init__()
        conv = conv_nd(ndim)
        self.conv1 = conv(channels, channels, 3, padding=1, bias=False)
        self.conv2 = conv(channels, channels, 3, padding=1, bias=False)

    def forward(self, x: Float[Tensor, "B C *grid"]) -> Float[Tensor, "B C *grid"]:
        """A map of the same size."""
        return x + self.conv2(F.relu(self.conv1(x), inplace=self.training))


def folded(x: Shaped[Tensor, "B C *grid"], side: int) -> Shaped[Tensor, "B _ *fewer"]:
    """Cells put into channels, ``side`` along each axis (pixel unshuffle, arXiv 1609.05158).

    >>> import torch
    >>> folded(torch.zeros(2, 3, 8, 4), 2).shape
    torch.Size([2, 12, 4, 2])
    """
    return x if side == 1 else rearrange(x, _pattern(x.ndim - 2), **_sides(x.ndim - 2, side))


def unfolded(x: Float[Tensor, "B C *grid"], side: int) -> Float[Tensor, "B _ *more"]:
    """Inverse of ``folded``.

    >>> import torch
    >>> x = torch.rand(2, 3, 8, 4)
    >>> torch.equal(unfolded(folded(x, 2), 2), x)
    True
    """
    if side == 1:
        return x
    whole, parts = _pattern(x.ndim - 2).split(" -> ")
    return rearrange(x, f"{parts} -> {whole}", **_sides(x.ndim - 2, side))


def _pattern(ndim: int) -> str:
    axes = range(ndim)
    whole = " ".join(f"(n{axis} p{axis})" for axis in axes)
    inside, outside = (" ".join(f"{sign}{axis}" for axis in axes) for sign in "pn")
    return f"b c {whole} -> b (c {inside}) {outside}"


def _sides(ndim: int, side: int) -> dict[str, int]:
    return {f"p{axis}": side for axis in range(ndim)}
