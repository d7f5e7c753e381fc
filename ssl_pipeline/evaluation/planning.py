"""Acting by a world model: sequences of actions are tried out in the latent, and the best one is begun."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.evaluation.rollouts import decode_latent, standard_actions, transition_of
from ssl_pipeline.graph.columns import ColumnNode
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.inference.inference import Inference
from ssl_pipeline.inference.modules import UNKNOWN
from ssl_pipeline.objectives.world_model import placed
from ssl_pipeline.structures.batch import Latent, View, as_float, clean_view

Cost = Callable[[Float[Tensor, "B S H A"]], Float[Tensor, "B S"]]
"""What sequences of actions, S for each of B situations, cost."""


def cem(
    cost: Cost,
    mean: Float[Tensor, "B H A"],
    low: Float[Tensor, "A"],
    high: Float[Tensor, "A"],
    random: torch.Generator,
    samples: int = 128,
    elites: int = 16,
    rounds: int = 4,
) -> Float[Tensor, "B H A"]:
    """The cross-entropy method (Rubinstein, 1999): draw sequences, keep the best, draw round these again.

    Args:
        cost: of sequences.
        mean: round which the first ones are drawn.
        low: smallest value of each number of an action.
        high: largest one.
        random: draws.
        samples: sequences in each round, for each situation.
        elites: how many of them are kept.
        rounds: number of them.

    Returns:
        The best sequence that was drawn, of each situation.

    >>> target = torch.tensor([[[0.3], [-0.7]]])
    >>> bounds = torch.tensor([-1.0]), torch.tensor([1.0])
    >>> def far(a):
    ...     return (a - target.unsqueeze(1)).square().sum((2, 3))
    >>> found = cem(far, torch.zeros(1, 2, 1), *bounds, torch.Generator().manual_seed(0))
    >>> bool((found - target).abs().max() < 0.1)
    True
    """
    spread, best, least = (high - low).expand_as(mean) / 2, mean, torch.full((len(mean),), float("inf"))
    for _ in range(rounds):
        noise = torch.randn(len(mean), samples, *mean.shape[1:], generator=random)
        tried = (mean.unsqueeze(1) + spread.unsqueeze(1) * noise).clamp(low, high)
        costs = cost(tried).cpu()
        kept = costs.topk(elites, dim=1, largest=False)
        chosen = tried.gather(1, kept.indices[..., None, None].expand(-1, -1, *mean.shape[1:]))
        mean, spread = chosen.mean(1), chosen.std(1)
        better = kept.values[:, 0] < least
        best = torch.where(better[:, None, None], chosen[:, 0], best)
        least = torch.where(better, kept.values[:, 0], least)
    return best


class Planner:
    """Reaches for a goal that is shown, without a reward that was learned or given (DINO-WM, arXiv 2411.04983).

    The best actions lead over latents from which, or which themselves, are nearest to the goal or to its latent.

    Args:
        graph: in evaluation mode, with a world model.
        goal: (1, ...) observation to be reached.
        horizon: steps that are thought ahead.
        by: "seen" compares what is decoded from the latents with the goal, in units of the standardised data, and
            "latent" the tokens with those of the goal.
        seed: of what is tried.
        options: of ``cem``.

    Raises:
        ValueError: another ``by``; no world model; actions that are choices and no numbers.
    """

    def __init__(
        self, graph: Graph, goal: Tensor, horizon: int = 15, by: str = "seen", seed: int = 0, **options: int
    ) -> None:
        if by not in ("seen", "latent"):
            raise ValueError(f"expected by to be seen or latent, got {by!r}")
        self.graph, self.term, self.horizon, self.options = graph, transition_of(graph), horizon, options
        column: ColumnNode = graph.columns[self.term.action]  # pyright: ignore[reportAssignmentType]
        if column.grid.discrete:
            raise ValueError(f"a plan is made of numbers, and actions of {column.grid.vocab} choices are none")
        self.action = column.grid
        self.random = torch.Generator().manual_seed(seed)
        self.device = next(graph.parameters()).device
        view = self._view(goal)
        with torch.inference_mode():
            self.goal = Inference(graph).encoded(UNKNOWN, view).tokens if by == "latent" else graph.normalize(view.x)
        self.by_latent = by == "latent"
        self.plan: Tensor | None = None

    @torch.inference_mode()
    def act(self, observation: Tensor) -> Tensor:
        """The next action (B, ...) of B agents that see this; what they planned before is where they begin."""
        start, shape = (
            Inference(self.graph).encoded(UNKNOWN, self._view(observation)),
            (self.action.width, *self.action.shape),
        )
        low, high = (torch.full((prod(shape),), float(bound)) for bound in self.action.range)
        before = torch.zeros(len(observation), self.horizon, prod(shape)) if self.plan is None else self.plan
        mean = torch.cat([before[:, 1:], torch.zeros_like(before[:, :1])], dim=1)

        def cost(tried: Tensor) -> Tensor:
            many = placed(start.tokens.repeat_interleave(tried.shape[1], 0), start)
            actions = standard_actions(self.graph, tried.flatten(0, 1).unflatten(2, shape).to(self.device))
            along = [self._far(z) for z in self.term.rollout(many, actions)]
            return torch.stack(along).mean(0).unflatten(0, tried.shape[:2])

        self.plan = cem(cost, mean, low, high, self.random, **self.options)
        return self.plan[:, 0].unflatten(1, shape)

    def _view(self, observation: Tensor) -> View:
        grid = self.graph.grid
        return clean_view(grid, as_float(observation.to(self.device), grid))

    def _far(self, latent: Latent) -> Tensor:
        there = latent.tokens if self.by_latent else self.graph.normalize(decode_latent(self.graph, latent))
        return (there - self.goal).square().flatten(1).mean(1)
