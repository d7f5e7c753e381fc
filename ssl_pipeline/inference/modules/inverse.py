"""From samples to embeddings, and from corrupted samples to clean ones or to others."""

from __future__ import annotations

import torch
from torch import Tensor

from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.inference.learned import fills_only_masked, views_leading_to
from ssl_pipeline.inference.modules.base import Part
from ssl_pipeline.inference.modules.source import UNKNOWN, Source, known
from ssl_pipeline.inference.validate_inputs import check_corruption_params
from ssl_pipeline.structures.batch import Latent, as_float
from ssl_pipeline.structures.nodes import CLEAN, Node


class Embedder(Part):
    """Embeddings (B, D) of samples.

    Args:
        graph: trained.
        view: their corruption.
        teacher: the slow copy of the encoder.

    Raises:
        ValueError: the graph has no teacher of its own.
    """

    outputs = ("embeddings",)

    def __init__(self, graph: Graph, view: str = UNKNOWN, teacher: bool = False) -> None:
        super().__init__(graph, [view], teacher=teacher)
        self.source, self.teacher = Source(graph, view), teacher
        self.inputs = self.source.inputs

    def forward(self, x: Tensor, mask: Tensor | None = None, valid: Tensor | None = None) -> Tensor:
        """Embeddings of samples (B, C, *grid) or (B, *grid); ``mask`` of a masked view, ``valid`` False in padding."""
        return self.encoded(x, mask, valid).pooled

    def encoded(self, x: Tensor, mask: Tensor | None = None, valid: Tensor | None = None) -> Latent:
        """Their latents: tokens, too."""
        return self.latents({self.source.name: self.source(x, mask, valid)})[self.source.name]


class Restorer(Part):
    """The clean form of corrupted samples.

    Where the decoder has learned to fill masked places, only those are filled, and the rest stays as it is.

    Args:
        graph: trained.
        view: the corruption.

    Raises:
        ValueError: no decoder leads from this view to the clean form.
    """

    outputs = ("restored",)

    def __init__(self, graph: Graph, view: str) -> None:
        _leads(graph, view, CLEAN.name)
        super().__init__(graph, [view], [CLEAN.name])
        self.source = Source(graph, view)
        self.inputs = self.source.inputs
        self.fills_only = self.source.masked and fills_only_masked(graph, view) and not self.source.moves

    def forward(self, x: Tensor, mask: Tensor | None = None, valid: Tensor | None = None) -> Tensor:
        """Of corrupted samples, see ``Embedder``."""
        view, mask = self.source(x, mask, valid), self.source.places(x, mask)
        restored = self.decode(self.latents({self.source.name: view})[self.source.name])
        if mask is None or not self.fills_only:
            return restored
        x = as_float(x, self.grid)
        return torch.where(mask if self.grid.discrete else mask.unsqueeze(1), restored, x)


class Translator(Part):
    """A view as another one would be: from the latent of one to the form of the other.

    Args:
        graph: trained.
        view: their corruption.
        to: the corruption that they are to have.

    Raises:
        ValueError: no decoder leads from one to the other.
    """

    outputs = ("translated",)

    def __init__(self, graph: Graph, view: str, to: str) -> None:
        known(graph, to)
        _leads(graph, view, to)
        super().__init__(graph, [view], [to])
        self.source, self.target = Source(graph, view), to
        self.corruption_params = graph.corruptions[to].corruption_params
        self.inputs = (*self.source.inputs, *(("corruption_params",) if self.corruption_params else ()))

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        valid: Tensor | None = None,
        corruption_params: Tensor | None = None,
    ) -> Tensor:
        """Of corrupted samples, see ``Embedder``, and the parameters (B, k) of the corruption to come."""
        check_corruption_params(self.target, self.corruption_params, corruption_params)
        latents = self.latents({self.source.name: self.source(x, mask, valid)})
        return self.decode(latents[self.source.name], self.target, corruption_params)


def _leads(graph: Graph, view: str, target: str) -> None:
    """Refuse what no decoder has learned."""
    if view != UNKNOWN:
        known(graph, view)
    node = CLEAN if target == CLEAN.name else Node.view(target)
    starts = views_leading_to(graph, node)
    if not starts:
        to, more = (target, f" objective.reconstruct.to={target}") if target != CLEAN.name else ("the clean form", "")
        raise ValueError(f"no decoder leads to {to}: add reconstruct to the objective{more and f', with{more}'}")
    if view != UNKNOWN and view not in starts:
        raise ValueError(f"no decoder has learned to lead from {view} to {target}; it has from {', '.join(starts)}")
