"""A gate for logic: a product over the inputs that it has chosen."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class ProductGate(nn.Module):
    """prod_i (1 - m_i + m_i x_i) with memberships m = sigmoid(w), from 0 (left out) to 1 (chosen).

    The conjunction of neural logic networks (arXiv 1904.01554). With false and true as 0 and 1 it is an AND of the
    chosen inputs, with -1 and +1 their parity.

    Attributes:
        out_features: number of gates.

    Args:
        width: number of inputs.
        out: number of gates.
        std: standard deviation of the first w.

    Raises:
        ValueError: no input or no gate.

    >>> gate = ProductGate(3, 1)
    >>> _ = gate.weight.data.copy_(torch.tensor([[20.0, 20.0, -20.0]]))
    >>> gate(torch.tensor([[-1.0, 1.0, -1.0], [-1.0, -1.0, 1.0]])).detach().round()
    tensor([[-1.],
            [ 1.]])
    """

    def __init__(self, width: int, out: int = 16, std: float = 0.5) -> None:
        super().__init__()
        if min(width, out) < 1:
            raise ValueError(f"expected at least one input and one gate, got width={width}, out={out}")
        self.out_features = out
        self.weight = nn.Parameter(torch.randn(out, width) * std)

    def forward(self, x: Float[Tensor, "*rows D"]) -> Float[Tensor, "*rows E"]:
        """Gates from -1 to 1 of inputs from -1 to 1."""
        m = self.weight.sigmoid()
        return (1 - m + m * x.unsqueeze(-2)).prod(-1)
