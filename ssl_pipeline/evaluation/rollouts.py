"""How far a world model can be followed: predictions over many steps, compared with what happened."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor

from ssl_pipeline.data import Dataset, Stream
from ssl_pipeline.graph.columns import ColumnNode
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.inference.inference import Inference
from ssl_pipeline.inference.modules import UNKNOWN
from ssl_pipeline.objectives import WorldModel
from ssl_pipeline.structures.batch import Latent, as_float, clean_view

_STEPS = (1, 5, 10, 20, 50)
"""Of which summaries tell."""


class Rollout(NamedTuple):
    """Mean squared errors (H,) after 1, 2, ... steps, in the data's units; of symbols the share that is wrong."""

    error: Float[Tensor, "H"]  # of what is decoded from the latent that is reached
    copied: Float[Tensor, "H"]  # of the first observation, as it was
    shuffled: Float[Tensor, "H"]  # with the actions of another sample
    seen: Float[Tensor, "H"]  # of what is decoded from the latent of the observation itself: none does better


def transition_of(graph: Graph) -> WorldModel:
    """The world model of a graph.

    Raises:
        ValueError: it has none.
    """
    if not (found := _transitions(graph)):
        raise ValueError("this graph has no world model: train with objective=...+transition")
    return found[0]


def _transitions(graph: Graph) -> list[WorldModel]:
    return [term for _, term in graph.objective.named() if isinstance(term, WorldModel)]


def standard_actions(graph: Graph, actions: Shaped[Tensor, "B H ..."]) -> Shaped[Tensor, "B H ..."]:
    """Actions as the world model takes them."""
    name = transition_of(graph).action
    column: ColumnNode = graph.columns[name]  # pyright: ignore[reportAssignmentType]
    flat = as_float(actions.flatten(0, 1), column.grid)
    return graph.normalizer(name)(flat).unflatten(0, actions.shape[:2])


def window_starts(sources: Int64[Tensor, "N"], horizon: int) -> Int64[Tensor, "W"]:
    """Rows after which as many more of the same source follow, themselves included, as the horizon is long.

    >>> window_starts(torch.tensor([0, 0, 0, 1, 1]), horizon=2)
    tensor([0, 1, 3])
    """
    if len(sources) < horizon:
        return torch.zeros(0, dtype=torch.int64)
    last = len(sources) - horizon + 1
    return (sources[:last] == sources[horizon - 1 :]).nonzero().flatten()


@torch.inference_mode()
def rollouts(
    graph: Graph, dataset: Dataset, horizon: int = 20, samples: int = 500, batch_size: int = 2500
) -> Rollout | None:
    """Predictions of unseen episodes, whose rows follow each other in time.

    Args:
        graph: in evaluation mode, with a world model and a decoder to what is seen.
        dataset: samples not trained on, with the columns of the world model.
        horizon: steps to predict.
        samples: starts, spread over all that there are.
        batch_size: observations that are predicted at a time.

    Returns:
        The errors; None where no episode is so long.

    Raises:
        ValueError: the graph has no world model, or no decoder.
    """
    term, device = transition_of(graph), next(graph.parameters()).device
    starts = window_starts(dataset.sources, horizon)
    if not len(starts):
        return None
    starts = starts[torch.linspace(0, len(starts) - 1, min(samples, len(starts))).long()]

    def read(starts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What is seen first (B, ...), what is done (B, H, ...) and what is seen then (B * H, ...)."""
        batch = dataset[(starts.unsqueeze(1) + torch.arange(horizon)).flatten()].on(device)
        done, seen = (batch.columns[name].x[:, 0] for name in (term.action, term.next))
        first, done = (rows.unflatten(0, (len(starts), horizon)) for rows in (as_float(batch.x, graph.grid), done))
        return first[:, 0], done, as_float(seen, graph.grid)

    _, before, _ = read(starts[-1:])
    errors = []
    for some in starts.split(max(1, batch_size // horizon)):
        x, actions, truth = read(some)
        others = torch.cat([before, actions[:-1]])  # the actions of the start before each
        before = actions[-1:]
        errors.append(_errors(graph, x, actions, others, truth))
    return Rollout(*torch.cat(errors, dim=1).mean(1).cpu())


def _errors(
    graph: Graph,
    x: Shaped[Tensor, "S ..."],
    actions: Shaped[Tensor, "S H ..."],
    others: Shaped[Tensor, "S H ..."],
    truth: Shaped[Tensor, "T ..."],
) -> Float[Tensor, "4 S H"]:
    """The errors of a rollout from each start, in the order of ``Rollout``; ``others``: actions taken instead."""
    term, horizon = transition_of(graph), actions.shape[1]
    inference = Inference(graph)
    start = inference.encoded(UNKNOWN, clean_view(graph.grid, x))

    def error(said: Tensor) -> Tensor:
        wrong = (said != truth).float() if graph.grid.discrete else (said - truth).square()
        return wrong.flatten(1).mean(1).unflatten(0, (len(x), horizon))

    def after(actions: Tensor) -> Tensor:
        path = term.rollout(start, standard_actions(graph, actions))
        return torch.stack([decode_latent(graph, latent) for latent in path], dim=1).flatten(0, 1)

    seen = decode_latent(graph, inference.encoded(UNKNOWN, clean_view(graph.grid, truth)))
    return torch.stack([error(said) for said in (after(actions), x.repeat_interleave(horizon, 0), after(others), seen)])


def decode_latent(graph: Graph, latent: Latent) -> Tensor:
    """What is seen where the world is in a latent, in the data's units."""
    return Inference(graph).decode(latent, transition_of(graph).next)


def rollout_scores(graph: Graph, dataset: Dataset | Stream) -> dict[str, float]:
    """Errors after 1, 5, 10, ... steps by name, as summaries hold them.

    Empty where there is no world model, or one whose observations are not decoded.
    """
    models = _transitions(graph)
    if not models or models[0].next not in graph.decoders_by_target or isinstance(dataset, Stream):
        return {}
    found = next((found for horizon in _STEPS[::-1] if (found := rollouts(graph, dataset, horizon))), None)
    if found is None:
        return {}
    steps = [step for step in _STEPS if step <= len(found.error)]
    names = {"rollout": found.error, "rollout_copied": found.copied, "rollout_shuffled": found.shuffled}
    return {f"{name}/{step}": values[step - 1].item() for name, values in names.items() for step in steps}
