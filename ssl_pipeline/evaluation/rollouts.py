"""How far a world model can be followed: predictions over many steps, beside what happened."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from ssl_pipeline.beside import Beside
from ssl_pipeline.datasets import Dataset
from ssl_pipeline.decoders import Decoder
from ssl_pipeline.graph import Graph
from ssl_pipeline.objective import Transition
from ssl_pipeline.records import Column, Latent, View, as_float, clean_view


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
    column: Beside = graph.columns[transition_of(graph).action]  # pyright: ignore[reportAssignmentType]
    flat = as_float(actions.flatten(0, 1), column.grid)
    assert column.standardise is not None
    return column.standardise(flat).unflatten(0, actions.shape[:2])


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
    start = latent_of(graph, clean_view(graph.grid, x))

    def error(said: Tensor) -> Tensor:
        return (said - truth).square().flatten(2).mean((0, 2)).cpu()

    def after(told: Tensor) -> Tensor:
        return torch.stack([decoded(graph, z) for z in term.rollout(start, told)], dim=1)

    seen = decoded(graph, latent_of(graph, clean_view(graph.grid, truth.flatten(0, 1)))).unflatten(0, (count, horizon))
    return Rollout(
        error(after(actions)), error(x.unsqueeze(1).expand_as(truth)), error(after(actions.roll(1, 0))), error(seen)
    )


def latent_of(graph: Graph, view: View) -> Latent:
    """The latent of clean observations in the data's units."""
    return graph.encoded("unknown", view)


def decoded(graph: Graph, latent: Latent) -> Tensor:
    """What is seen where the world is in a latent, in the data's units."""
    decoder: Decoder = graph.decoder()
    return graph.standardise.inverse(decoder.patches.join(decoder(latent).float()))


def scores(found: Rollout | None) -> dict[str, float]:
    """Errors after 1, 5, 10, ... steps by name, as summaries hold them."""
    if found is None:
        return {}
    steps = [step for step in (1, 5, 10, 20, 50) if step <= len(found.error)]
    names = {"rollout": found.error, "rollout_copied": found.copied, "rollout_shuffled": found.shuffled}
    return {f"{name}/{step}": values[step - 1].item() for name, values in names.items() for step in steps}
