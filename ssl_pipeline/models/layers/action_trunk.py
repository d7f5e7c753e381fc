"""From a latent and an action to the latent that follows."""

from __future__ import annotations

from math import prod

from jaxtyping import Float, Shaped
from torch import Tensor, nn

from ssl_pipeline.config.registry import register
from ssl_pipeline.models.layers.trunk import Trunk
from ssl_pipeline.structures.binding import Bindable
from ssl_pipeline.structures.grid import GridSpec


@register("transition", "action_trunk")
class ActionTrunk(Bindable, nn.Module):
    """Every token gets the action; a transformer says by how much each changes, at first by nothing.

    Args:
        depth: number of blocks.
        heads: attention heads; must divide ``width``.
        mlp_ratio: hidden width of the MLPs in multiples of ``width``.

    >>> import torch
    >>> model = ActionTrunk(depth=1, heads=2).bind(8, GridSpec.of(("component", 2), channels=1))
    >>> z = torch.randn(3, 5, 8)
    >>> torch.equal(model(z, torch.randn(3, 1, 2)), z)
    True
    """

    def __init__(self, depth: int = 2, heads: int = 4, mlp_ratio: float | int = 2.0) -> None:
        super().__init__()
        self.depth, self.heads, self.mlp_ratio = depth, heads, mlp_ratio

    def setup(self, width: int, grid: GridSpec) -> None:
        """Make the weights.

        Args:
            width: width D of the tokens.
            grid: of the action; a discrete one gives each symbol of each cell a vector of its own.
        """
        cells = prod(grid.shape)
        self.symbols = None if grid.vocab is None else nn.Embedding(grid.vocab, width)
        self.action = nn.Linear(cells * (grid.width if grid.vocab is None else width), width)
        self.trunk = Trunk(width, self.depth, self.heads, self.mlp_ratio)
        self.change = nn.Linear(width, width)
        nn.init.zeros_(self.change.weight)
        nn.init.zeros_(self.change.bias)

    def forward(self, tokens: Float[Tensor, "B N D"], action: Shaped[Tensor, "B ..."]) -> Float[Tensor, "B N D"]:
        """Tokens after the action."""
        known = action.flatten(1) if self.symbols is None else self.symbols(action.flatten(1)).flatten(1)
        return tokens + self.change(self.trunk(tokens + self.action(known).unsqueeze(1)))
