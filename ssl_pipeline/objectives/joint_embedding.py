"""Terms whose energies lie between embeddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import torch
from torch import Tensor, nn

from ssl_pipeline.losses import PairEnergy
from ssl_pipeline.objectives.base import Sizes, State, Term
from ssl_pipeline.structures.nodes import Edge, latent_node, view_of
from ssl_pipeline.structures.view_assignment import Deal


class Agree(Term):
    """Embeddings of the views of a sample, or of the samples of a source, meet pair by pair.

    Args:
        energy: between two batches of embeddings.
        projector: called with the embedding's width, makes the head before the energy; None for none.
        positives: what belongs together: views of the same ``sample``, or everything of the same ``source`` (image,
            recording, author, document), for which one view is enough. Batches then hold several samples of a source
            where ``members_per_source`` says so.
        weight: factor of the term.
        views: views that meet; None for all.
        hubs: views of which each pair has one; None for all pairs.
        sizes: of the graph.

    Raises:
        ValueError: fewer than two views; a hub that is none of them, or among sources; another ``positives``, or an
            energy that knows no sources.
    """

    heads = ("projector",)

    def __init__(
        self,
        *,
        energy: PairEnergy,
        projector: Callable[[int], nn.Module] | None = None,
        positives: str = "sample",
        weight: float = 1.0,
        views: Sequence[str] | None = None,
        hubs: Sequence[str] | None = None,
        sizes: Sizes,
    ) -> None:
        super().__init__(weight, views)
        if positives not in ("sample", "source"):
            raise ValueError(f"positives={positives!r} is not known; take sample or source")
        if positives == "source" and not energy.knows_sources:
            raise ValueError(
                f"{type(energy).__name__} compares views of one sample only: take positives=sample, "
                f"or an energy that knows sources (info_nce, align)"
            )
        if energy.directed:
            raise ValueError(
                f"{type(energy).__name__} leads from a view to a target that has no gradient, and here both have one: "
                f"take _target_: ssl_pipeline.objectives.Predict"
            )
        if positives == "source" and hubs is not None:
            raise ValueError(
                "hubs choose among pairs of views, and positives=source compares all views at once: set hubs=null"
            )
        self.energy, self.by_source = energy, positives == "source"
        self.hubs = None if hubs is None else tuple(hubs)
        self.projector = nn.Identity() if projector is None else projector(sizes.embedding)

    def pairs_views(self, edges: Sequence[Edge], views: Sequence[str]) -> bool:
        """Sources meet in one view too."""
        return not self.by_source and super().pairs_views(edges, views)

    def edges(self, name: str, views: Sequence[str], consensus: bool) -> list[Edge]:
        """One edge a pair of views; of sources one energy that reaches every view, for all meet in it at once."""
        covered = self.covered(views)
        if self.by_source:
            pairs = {(covered[0], view): f"{name}/source" for view in covered}
        else:
            hubs = self._hubs(name, covered)
            pairs = {(a, b): f"{name}/{a}~{b}" for a, b in combinations(covered, 2) if {a, b} & hubs}
        if not pairs:
            raise ValueError(
                f"objective {name} compares views and found {', '.join(covered) or 'none'}: "
                f"give it two, for example corruption=crop+crop"
            )
        prevents = bool(self.energy.prevents_collapse)
        return [Edge(label, latent_node(a), latent_node(b), True, prevents) for (a, b), label in pairs.items()]

    def forward(self, state: State, edges: Sequence[Edge]) -> dict[str, Tensor]:
        """Project every view once; compare pairs on the samples they share, sources on all samples of all views."""
        pairs = [(edge.name, view_of(edge.source), view_of(edge.target)) for edge in edges]
        names = dict.fromkeys(view for _, *pair in pairs for view in pair)
        heads = {view: self.projector(state.latent(view).pooled) for view in names}
        if self.by_source:
            source = torch.cat([state.deal.of(state.source, view) for view in heads])
            return {edges[0].name: self.energy.by_source(torch.cat([*heads.values()]), source)}
        return {name: self._pair(state.deal, heads, a, b) for name, a, b in pairs if state.deal.meet(a, b)}

    @property
    def rates_samples(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Where the energy does, but for sources."""
        return self.energy.rates_samples and not self.by_source

    def per_sample(self, state: State, edges: Sequence[Edge]) -> Tensor:
        """See ``Term``."""
        pairs = [(view_of(edge.source), view_of(edge.target)) for edge in edges]
        names = dict.fromkeys(view for pair in pairs for view in pair)
        heads = {view: self.projector(state.latent(view).pooled) for view in names}
        return torch.stack([self.energy.per_sample(heads[a], heads[b]) for a, b in pairs]).mean(0)

    def _pair(self, deal: Deal, heads: Mapping[str, Tensor], a: str, b: str) -> Tensor:
        both = deal.shared(heads[a], a, b), deal.shared(heads[b], b, a)
        if not self.energy.contrasts or deal.rows is None:
            return self.energy(*both)
        return self.energy(*both, torch.cat([deal.apart(z, view, (a, b)) for view, z in heads.items()]))

    def _hubs(self, name: str, covered: Sequence[str]) -> set[str]:
        hubs = set(covered if self.hubs is None else self.hubs)
        if lost := hubs - set(covered):
            raise ValueError(
                f"objective.{name}.hubs names {', '.join(sorted(lost))}, and the views that meet are "
                f"{', '.join(covered)}: take some of them, or null"
            )
        return hubs
