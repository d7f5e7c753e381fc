"""What the parts of a sample tell of each other, on samples that training has not seen."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from ssl_pipeline.data import Dataset, Stream, sequential_batches
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.models.decoders import Decoder
from ssl_pipeline.objectives import CrossModal, State
from ssl_pipeline.objectives.base import on_rows
from ssl_pipeline.structures.batch import Latent


@torch.inference_mode()
def relations(graph: Graph, dataset: Dataset | Stream, samples: int = 1000, batch_size: int = 250) -> dict[str, float]:
    """How well each edge leads to its target, and how much worse where one of its starts is another sample's.

    Args:
        graph: in evaluation mode; without an edge the result is empty.
        dataset: samples not trained on.
        samples: how many of them.
        batch_size: samples in a call, among which starts are exchanged.

    Returns:
        ``edge/NAME`` and ``edge_without/NAME<START`` (the edge's loss), and where the target is made of symbols
        ``edge_exact/NAME`` (percent of the samples all of whose symbols are right).
    """
    terms = {name: term for name, term in graph.objective.terms.items() if isinstance(term, CrossModal)}
    totals: dict[str, list[float]] = defaultdict(list)
    for state in states(graph, dataset, samples, batch_size) if terms else ():
        if len(state.clean.x) < 2:
            continue
        for name, term in terms.items():
            totals[f"edge/{name}"].append(term(state)[name].item())
            for start in term.starts:
                other = replace(state, latents={**state.latents, start: exchanged(state, start)})
                totals[f"edge_without/{name}<{start}"].append(term(other)[name].item())
            if term.loss.discrete:
                totals[f"edge_exact/{name}"].append(100 * exact(term, state).float().mean().item())
    return {key: sum(values) / len(values) for key, values in totals.items()}


def states(graph: Graph, dataset: Dataset | Stream, samples: int, batch_size: int) -> Iterator[State]:
    """What losses are computed from, of samples that pass all views."""
    device = next(graph.parameters()).device
    for step, batch in enumerate(sequential_batches(dataset, batch_size, samples)):
        yield graph.state(graph.corrupt(batch.on(device), step=step, whole=True))


def exchanged(state: State, name: str) -> Latent:
    """Latents of which each is that of the next sample."""
    by = len(state.latents[name].tokens) // len(state.clean.x)
    return on_rows(state.latents[name], lambda x: x.roll(by, 0))


def exact(term: CrossModal, state: State) -> Tensor:
    """Whether all symbols of the target that are no padding come out right, (B,)."""
    decoder: Decoder = state.decoders[term.target]  # pyright: ignore[reportAssignmentType]
    truth, valid = term.truth(state)
    symbols = decoder.generate(term.start(state), state.corruption_params(term.target)).argmax(-1)
    wrong = symbols.unflatten(1, decoder.patches.grid.shape) != truth
    return ~(wrong if valid is None else wrong & valid).flatten(1).any(1)
