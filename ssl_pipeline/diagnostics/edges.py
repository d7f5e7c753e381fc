"""How the losses of a graph pull at the encoder that they share."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ssl_pipeline.diagnostics.layers import layers_of
from ssl_pipeline.graph.graph import Graph, Views
from ssl_pipeline.structures.nodes import CONSENSUS

_MOST = 8
"""Edges whose gradients are taken one by one; of more, those of a term together."""

_COMPARED = 65_536
"""Numbers of each weight that are compared, at most."""


class LossGradients(NamedTuple):
    """Gradients of the losses with respect to the encoder."""

    names: tuple[str, ...]
    norms: Tensor  # (E,), of the weighted losses
    cosines: Tensor  # (E, E); nan for a loss without a gradient


def loss_gradients(graph: Graph, views: Views) -> LossGradients | None:
    """Norms and cosines of the gradients of each loss; a negative cosine is a conflict (arXiv 2001.06782).

    A number to look at and no alarm: where a training comes to rest, its gradients cancel each other in any case.

    Args:
        graph: in the mode in which it is to be looked at; its gradients are left as they are.
        views: of a few samples.

    Returns:
        None where the encoder has no weight that learns.
    """
    with torch.enable_grad():
        losses = _grouped(graph, graph(views))
    weights: list[Tensor] = [layer.weight for layer in layers_of(graph.encoder).values()]  # pyright: ignore
    weights = [weight for weight in weights if weight.requires_grad]
    if not weights:
        return None
    rows = []
    for loss in losses.values():
        found = (None,) * len(weights)
        if loss.requires_grad:
            found = torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
        parts = [torch.zeros_like(w) if g is None else g for g, w in zip(found, weights, strict=True)]
        rows.append(torch.cat([part.flatten()[:_COMPARED].float() for part in parts]))
    gradients = torch.stack(rows)
    norms = gradients.norm(dim=1)
    with torch.autocast(gradients.device.type, enabled=False):
        cosines = (gradients @ gradients.T) / (norms[:, None] * norms[None])
    return LossGradients(tuple(losses), norms.cpu(), cosines.cpu())


def _grouped(graph: Graph, found: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weighted losses by edge, or by term where there are many; a relaxed consensus teaches by its own loss."""
    parts: dict[str, dict[str, Tensor]] = (
        {"consensus": {"consensus": found["consensus"]}} if "consensus" in found else {}
    )
    taught = [CONSENSUS] if parts else []
    for term, edges in graph.edges.items():
        some = {edge.name: found[edge.name] for edge in edges if edge.name in found and edge.source not in taught}
        weight: float = graph.objective.terms[term].weight  # pyright: ignore
        parts[term] = {name: weight * loss / len(some) for name, loss in some.items()}
    if sum(map(len, parts.values())) <= _MOST:
        return {name: loss for some in parts.values() for name, loss in some.items()}
    return {term: torch.stack([*some.values()]).sum() for term, some in parts.items() if some}
