"""Where latents of a view and of a column of the data were drawn together: does one find the other?"""

from __future__ import annotations

import torch
from torch import Tensor

from ssl_pipeline.data import Dataset, Stream
from ssl_pipeline.evaluation.cross_modal import states
from ssl_pipeline.evaluation.retrieval import found_among
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.objectives import JointEmbedding


@torch.inference_mode()
def cross_modal_retrieval(
    graph: Graph, dataset: Dataset | Stream, samples: int = 1000, batch_size: int = 250
) -> dict[str, float]:
    """Held-out samples whose own text (or other column) is the nearest one by cosine, among all that differ.

    Args:
        graph: in evaluation mode; without a loss between a view and a column the result is empty.
        dataset: samples not trained on.
        samples: how many of them.
        batch_size: samples in a call.

    Returns:
        ``found/TERM/A~B`` and ``found_chance/TERM/A~B``, in percent.
    """
    terms = {name: t for name, t in graph.objective.terms.items() if isinstance(t, JointEmbedding) and not t.by_source}
    pairs = {
        edge.name: (term, *sorted((end.name for end in edge.ends), key=lambda view: view in graph.columns))
        for term in terms.values()
        for edge in term.edges
        if len({end.name for end in edge.ends} & {*graph.columns}) == 1
    }
    rows: dict[str, list[tuple[Tensor, Tensor, Tensor]]] = {name: [] for name in pairs}
    for state in states(graph, dataset, samples, batch_size) if pairs else ():
        for name, (term, view, column) in pairs.items():
            own, theirs = (term.project(part, state.latent(part).pooled).float() for part in (view, column))
            rows[name].append((own, theirs, state.view(column).x.flatten(1)))
    found = {}
    for name, parts in rows.items():
        own, theirs, values = (torch.cat(part) for part in zip(*parts, strict=True))
        right, chance = found_among(own, theirs, values.unique(dim=0, return_inverse=True)[1])
        found |= {f"found/{name}": right, f"found_chance/{name}": chance}
    return found
