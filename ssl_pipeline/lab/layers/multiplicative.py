"""Layers that multiply what they are given with itself."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ssl_pipeline.config.registry import register


class OuterProduct(nn.Module):
    """A linear map of all products x_i x_j: every form of degree 2 (second-order pooling, Carreira et al., ECCV 2012).

    Attributes:
        out_features: width of what comes out.

    Args:
        width: width D of the input; the products are D D, or D (D + 1) / 2.
        out: width of the output.
        unique: each pair once; False: x_j x_i next to x_i x_j, with a weight of its own.
        bias: add a constant.

    Raises:
        ValueError: a width below 1.

    >>> [sum(p.numel() for p in OuterProduct(2, 1, unique=unique).parameters()) for unique in (False, True)]
    [5, 4]
    """

    first: Tensor
    second: Tensor

    def __init__(self, width: int, out: int = 128, unique: bool = True, bias: bool = True) -> None:
        super().__init__()
        _positive(width=width, out=out)
        pairs = torch.triu_indices(width, width) if unique else torch.ones(width, width).nonzero().T
        self.register_buffer("first", pairs[0], persistent=False)
        self.register_buffer("second", pairs[1], persistent=False)
        self.linear = nn.Linear(pairs.shape[1], out, bias)
        self.out_features = out

    def forward(self, x: Float[Tensor, "*rows D"]) -> Float[Tensor, "*rows E"]:
        """Forms of the last axis."""
        return self.linear(x[..., self.first] * x[..., self.second])


@register("layer", "low_rank_bilinear")
class LowRankBilinear(nn.Module):
    """P (U x * V x) + b: products of ``rank`` pairs of linear forms (arXiv 1610.04325), for widths with too many pairs.

    As an MLP of a trunk (``encoder.mlp``) its rank is the hidden width.

    Attributes:
        out_features: width of what comes out.

    Args:
        width: width D of the input.
        rank: number of products.
        out: width of the output; None for D.
        bias: add a constant to the forms and to the output, so that it holds linear maps too; False: only products.

    Raises:
        ValueError: a width below 1.

    >>> LowRankBilinear(16, rank=8, out=4)(torch.randn(2, 5, 16)).shape
    torch.Size([2, 5, 4])
    """

    def __init__(self, width: int, rank: int = 128, out: int | None = None, bias: bool = True) -> None:
        super().__init__()
        self.out_features = width if out is None else out
        _positive(width=width, rank=rank, out=self.out_features)
        self.forms = nn.Linear(width, 2 * rank, bias)
        self.out = nn.Linear(rank, self.out_features, bias)

    def forward(self, x: Float[Tensor, "*rows D"]) -> Float[Tensor, "*rows E"]:
        """Products of forms of the last axis."""
        first, second = self.forms(x).chunk(2, dim=-1)
        return self.out(first * second)


def _positive(**widths: int) -> None:
    if min(widths.values()) < 1:
        raise ValueError(f"expected widths of at least 1, got {', '.join(f'{k}={v}' for k, v in widths.items())}")
