"""Terms whose energies lie between embeddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations

import torch
from torch import Tensor, nn

from ssl_pipeline.losses import PairLoss
from ssl_pipeline.objectives.base import Sizes, State, Term
from ssl_pipeline.structures.nodes import Edge, latent_node, view_of
from ssl_pipeline.structures.view_assignment import ViewAssignment


class JointEmbedding(Term):
    """Embeddings of the views of a sample, or of the samples of a source, meet pair by pair.

    Args:
        loss: between two batches of embeddings.
        projector: called with the embedding's width, makes the head before the energy; None for none.
        positives: what belongs together: views of the same ``sample``, or everything of the same ``source`` (image,
            recording, author, document), for which one view is enough. Batches then hold several samples of a source
            where ``members_per_source`` says so.
        weight: factor of the term.
        views: views that meet; None for all.
        anchors: views of which each pair has one; None for all pairs.
        sizes: of the graph.

    Raises:
        ValueError: fewer than two views; a hub that is none of them, or among sources; another ``positives``, or an
            energy that knows no sources.
    """

    heads = ("projector",)

    def __init__(
        self,
        *,
        loss: PairLoss,
        projector: Callable[[int], nn.Module] | None = None,
        positives: str = "sample",
        weight: float = 1.0,
        views: Sequence[str] | None = None,
        anchors: Sequence[str] | None = None,
        sizes: Sizes,
    ) -> None:
        super().__init__(weight, views)
        if positives not in ("sample", "source"):
            raise ValueError(f"positives={positives!r} is not known; take sample or source")
        if positives == "source" and not loss.knows_sources:
            raise ValueError(
                f"{type(loss).__name__} compares views of one sample only: take positives=sample, "
                f"or an energy that knows sources (info_nce, align)"
            )
        if loss.directed:
            raise ValueError(
                f"{type(loss).__name__} leads from a view to a target that has no gradient, and here both have one: "
                f"take _target_: ssl_pipeline.objectives.TeacherPrediction"
            )
        if positives == "source" and anchors is not None:
            raise ValueError(
                "anchors choose among pairs of views, and positives=source compares all views at once: set anchors=null"
            )
        self.loss, self.by_source = loss, positives == "source"
        self.anchors = None if anchors is None else tuple(anchors)
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
            anchors = self._anchors(name, covered)
            pairs = {(a, b): f"{name}/{a}~{b}" for a, b in combinations(covered, 2) if {a, b} & anchors}
        if not pairs:
            raise ValueError(
                f"objective {name} compares views and found {', '.join(covered) or 'none'}: "
                f"give it two, for example corruption=crop+crop"
            )
        prevents = bool(self.loss.prevents_collapse)
        return [Edge(label, latent_node(a), latent_node(b), True, prevents) for (a, b), label in pairs.items()]

    def forward(self, state: State, edges: Sequence[Edge]) -> dict[str, Tensor]:
        """Project every view once; compare pairs on the samples they share, sources on all samples of all views."""
        pairs = [(edge.name, view_of(edge.source), view_of(edge.target)) for edge in edges]
        names = dict.fromkeys(view for _, *pair in pairs for view in pair)
        heads = {view: self.projector(state.latent(view).pooled) for view in names}
        if self.by_source:
            source = torch.cat([state.assignment.of(state.source, view) for view in heads])
            return {edges[0].name: self.loss.by_source(torch.cat([*heads.values()]), source)}
        return {
            name: self._pair(state.assignment, heads, a, b)
            for name, a, b in pairs
            if state.assignment.share_samples(a, b)
        }

    @property
    def rates_samples(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Where the energy does, but for sources."""
        return self.loss.rates_samples and not self.by_source

    def per_sample(self, state: State, edges: Sequence[Edge]) -> Tensor:
        """See ``Term``."""
        pairs = [(view_of(edge.source), view_of(edge.target)) for edge in edges]
        names = dict.fromkeys(view for pair in pairs for view in pair)
        heads = {view: self.projector(state.latent(view).pooled) for view in names}
        return torch.stack([self.loss.per_sample(heads[a], heads[b]) for a, b in pairs]).mean(0)

    def _pair(self, assignment: ViewAssignment, heads: Mapping[str, Tensor], a: str, b: str) -> Tensor:
        both = assignment.shared(heads[a], a, b), assignment.shared(heads[b], b, a)
        if not self.loss.contrasts or assignment.rows is None:
            return self.loss(*both)
        return self.loss(*both, torch.cat([assignment.apart(z, view, (a, b)) for view, z in heads.items()]))

    def _anchors(self, name: str, covered: Sequence[str]) -> set[str]:
        anchors = set(covered if self.anchors is None else self.anchors)
        if lost := anchors - set(covered):
            raise ValueError(
                f"objective.{name}.anchors names {', '.join(sorted(lost))}, and the views that meet are "
                f"{', '.join(covered)}: take some of them, or null"
            )
        return anchors
