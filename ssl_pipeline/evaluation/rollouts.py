"""How far a world model can be followed: predictions over many steps, beside what happened."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from ssl_pipeline.beside import Beside
from ssl_pipeline.datasets import Dataset, Stream
from ssl_pipeline.graph import Graph
from ssl_pipeline.objective import Transition
from ssl_pipeline.records import Column, Latent, as_float, clean_view

STEPS = (1, 5, 10, 20, 50)
"""Of which summaries tell."""


class Rollout(NamedTuple):
    """Mean squared errors (H,) after 1, 2, ... steps, in the data's units."""

    error: Float[Tensor, "H"]  # of what is decoded from the latent that is reached
    copied: Float[Tensor, "H"]  # of the first observation, as it was
    shuffled: Float[Tensor, "H"]  # with the actions of another sample
    seen: Float[Tensor, "H"]  # of what is decoded from the latent of the observation itself: none does better


def transition_of(graph: Graph) -> Transition:
    """The world model of a graph.

    Raises:
        ValueError: it has none.
    """
    found = [term for term in graph.objective.terms.values() if isinstance(term, Transition)]
    if not found:
        raise ValueError("this graph has no world model: train with objective=...+transition")
    return found[0]


def standard_actions(graph: Graph, actions: Shaped[Tensor, "B H ..."]) -> Shaped[Tensor, "B H ..."]:
    """Actions as the world model takes them."""
    name = transition_of(graph).action
    column: Beside = graph.columns[name]  # pyright: ignore[reportAssignmentType]
    flat = as_float(actions.flatten(0, 1), column.grid)
    return graph.standardiser(name)(flat).unflatten(0, actions.shape[:2])


def windows(sources: Int64[Tensor, "N"], horizon: int) -> Int64[Tensor, "W"]:
    """Rows after which as many more of the same source follow, themselves included, as the horizon is long.

    >>> windows(torch.tensor([0, 0, 0, 1, 1]), horizon=2)
    tensor([0, 1, 3])
    """
    if len(sources) < horizon:
        return torch.zeros(0, dtype=torch.int64)
    last = len(sources) - horizon + 1
    return (sources[:last] == sources[horizon - 1 :]).nonzero().flatten()


@torch.inference_mode()
def rollouts(graph: Graph, dataset: Dataset, horizon: int = 20, samples: int = 500) -> Rollout | None:
    """Predictions of unseen episodes, whose rows follow each other in time.

    Args:
        graph: in evaluation mode, with a world model and a decoder to what is seen.
        dataset: samples not trained on, with the columns of the world model.
        horizon: steps to predict.
        samples: starts, spread over all that there are.

    Returns:
        The errors; None where no episode is so long.

    Raises:
        ValueError: the graph has no world model, or no decoder.
    """
    term, device = transition_of(graph), next(graph.parameters()).device
    starts = windows(dataset.sources, horizon)
    if not len(starts):
        return None
    starts = starts[torch.linspace(0, len(starts) - 1, min(samples, len(starts))).long()]
    batch = dataset[(starts.unsqueeze(1) + torch.arange(horizon)).flatten()].on(device)
    count = len(starts)

    def first(column: Column) -> Tensor:
        return column.x[:, 0].unflatten(0, (count, horizon))

    actions = standard_actions(graph, first(batch.columns[term.action]))
    truth = as_float(first(batch.columns[term.next]).flatten(0, 1), graph.grid).unflatten(0, (count, horizon))
    x = as_float(batch.x, graph.grid).unflatten(0, (count, horizon))[:, 0]
    start = graph.encoded("unknown", clean_view(graph.grid, x))

    def error(said: Tensor) -> Tensor:
        return (said - truth).square().flatten(2).mean((0, 2)).cpu()

    def after(told: Tensor) -> Tensor:
        return torch.stack([decoded(graph, z) for z in term.rollout(start, told)], dim=1)

    known = graph.encoded("unknown", clean_view(graph.grid, truth.flatten(0, 1)))
    return Rollout(
        error=error(after(actions)),
        copied=error(x.unsqueeze(1).expand_as(truth)),
        shuffled=error(after(actions.roll(1, 0))),
        seen=error(decoded(graph, known).unflatten(0, (count, horizon))),
    )


def decoded(graph: Graph, latent: Latent) -> Tensor:
    """What is seen where the world is in a latent, in the data's units."""
    return graph.decode(latent, transition_of(graph).next)


def rollout_scores(graph: Graph, dataset: Dataset | Stream) -> dict[str, float]:
    """Errors after 1, 5, 10, ... steps by name, as summaries hold them; empty where there is no world model."""
    if not any(isinstance(term, Transition) for term in graph.objective.terms.values()) or isinstance(dataset, Stream):
        return {}
    found = next((found for horizon in STEPS[::-1] if (found := rollouts(graph, dataset, horizon))), None)
    if found is None:
        return {}
    steps = [step for step in STEPS if step <= len(found.error)]
    names = {"rollout": found.error, "rollout_copied": found.copied, "rollout_shuffled": found.shuffled}
    return {f"{name}/{step}": values[step - 1].item() for name, values in names.items() for step in steps}
