"""What an edge leads to from the parts of a sample that it starts from."""

from __future__ import annotations

import re

from torch import Tensor

from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.inference.modules.base import Part
from ssl_pipeline.inference.modules.source import Source
from ssl_pipeline.inference.validate_inputs import check_corruption_params
from ssl_pipeline.objectives import CrossModal
from ssl_pipeline.utils.errors import nearest

PARTS = ("x", "mask", "valid")


class Relation(Part):
    """The target of an edge, from all of its starts.

    Args:
        graph: trained.
        edge: name of the edge.

    Attributes:
        target: name of what it leads to.
        sources: its starts, views or columns of the data, by name. Of a single one it takes what every other part does
            (``x``, ``mask``, ``valid``), of several the same with their names before it (``text_x``).
        corruption_params: names of the parameters of the target's corruption.

    Raises:
        ValueError: there is no such edge.
    """

    outputs = ("related",)

    def __init__(self, graph: Graph, edge: str) -> None:
        edges = {name: term for name, term in graph.objective.named() if isinstance(term, CrossModal)}
        if edge not in edges:
            raise ValueError(f"there is no edge {edge!r}; {nearest(edge, edges)}")
        term = edges[edge]
        super().__init__(graph, term.starts, [term.target])
        self.sources, self.target, self.join = {n: Source(graph, n) for n in term.starts}, term.target, term.join
        corruption = graph.corruptions.get(self.target)
        self.corruption_params = () if corruption is None else corruption.corruption_params
        known = [self.key(name, part) for name, source in self.sources.items() for part in source.inputs]
        self.inputs = (*known, *(("corruption_params",) if self.corruption_params else ()))

    def key(self, start: str, part: str) -> str:
        """Name of an input: what is known of a start."""
        return part if len(self.sources) == 1 else re.sub(r"\W", "_", f"{start}_{part}")

    def forward(
        self,
        x: Tensor | None = None,
        mask: Tensor | None = None,
        valid: Tensor | None = None,
        corruption_params: Tensor | None = None,
        **known: Tensor,
    ) -> Tensor:
        """Of samples (B, C, *grid) or (B, *grid) of each start; see ``Embedder``, ``Translator``."""
        check_corruption_params(self.target, self.corruption_params, corruption_params)
        known |= {part: some for part, some in zip(PARTS, (x, mask, valid), strict=True) if some is not None}
        views = {}
        for name, source in self.sources.items():
            keys = {part: self.key(name, part) for part in PARTS}
            if keys["x"] not in known:
                raise ValueError(
                    f"expected {keys['x']}, samples of {name}, got {', '.join(known) or 'nothing'}: pass it"
                )
            views[name] = source(**{part: known.pop(key) for part, key in keys.items() if key in known})
        if known:
            raise ValueError(f"there is no input {min(known)!r}; {nearest(min(known), self.inputs)}")
        latents = self.latents(views)
        return self.decode(self.join([latents[name] for name in views]), self.target, corruption_params)
