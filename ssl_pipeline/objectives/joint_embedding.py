"""Terms whose losses lie between embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from itertools import combinations

import torch
from torch import Tensor, nn

from ssl_pipeline.config.registry import register
from ssl_pipeline.losses import PairLoss
from ssl_pipeline.objectives.base import GraphInfo, State, Term
from ssl_pipeline.objectives.heads import Head, head
from ssl_pipeline.structures.batch import family
from ssl_pipeline.structures.nodes import Edge, Node
from ssl_pipeline.structures.view_assignment import ViewAssignment


@register("objective", "joint_embedding", parts={"loss": "loss", "projector": "head"})
class JointEmbedding(Term):
    """Embeddings of the views of a sample, or of the samples of a source, meet pair by pair.

    A loss of all views at once (``sigreg``) has one edge between all.

    Args:
        loss: between two batches of embeddings.
        projector: the head before the loss; None for none.
        own_projectors: each view has a projector of its own, as an image and its text have in CLIP; False: all have
            one. Numbered views of one corruption share theirs.
        positives: what belongs together: views of the same ``sample``, or everything of the same ``source`` (image,
            recording, author, document), for which one view is enough. Batches then hold several samples of a source
            where ``members_per_source`` says so.
        weight: factor of the term.
        views: views that meet; None for all.
        anchors: views of which each pair has one, or whose mean a loss of all views draws to; None for all.

    Raises:
        ValueError: fewer than two views; an anchor that is none of them, or among sources; another ``positives``, or a
            loss that knows no sources.
    """

    heads = ("projector",)

    def __init__(
        self,
        *,
        loss: PairLoss,
        projector: Head | None = None,
        own_projectors: bool = False,
        positives: str = "sample",
        weight: float = 1.0,
        views: Sequence[str] | None = None,
        anchors: Sequence[str] | None = None,
    ) -> None:
        super().__init__(weight, views)
        if positives not in ("sample", "source"):
            raise ValueError(f"positives={positives!r} is not known; take sample or source")
        if positives == "source" and not loss.knows_sources:
            raise ValueError(
                f"{type(loss).__name__} compares views of one sample only: take positives=sample, "
                f"or a loss that knows sources (info_nce, align)"
            )
        if loss.directed:
            raise ValueError(
                f"{type(loss).__name__} leads from a view to a target that has no gradient, and here both have one: "
                f"take a term that predicts a teacher, such as objective=byol"
            )
        if positives == "source" and anchors is not None:
            raise ValueError(
                "anchors choose among pairs of views, and positives=source compares all views at once: set anchors=null"
            )
        self.loss, self.by_source = loss, positives == "source"
        self.anchors = None if anchors is None else tuple(anchors)
        self.head, self.own_projectors = projector, own_projectors

    def make_heads(self, info: GraphInfo) -> None:
        """One projector, or one a view."""
        if not self.own_projectors:
            self.projector = head(self.head, info.embedding)
            return
        names = sorted({family(view) for view in self.covered(info.views)})
        self.projector = nn.ModuleDict({name: head(deepcopy(self.head), info.embedding) for name in names})

    def project(self, view: str, embedding: Tensor) -> Tensor:
        """Embeddings (B, D) of a view through its projector."""
        own = self.projector[family(view)] if isinstance(self.projector, nn.ModuleDict) else self.projector
        return own(embedding)

    def pairs_views(self, views: Sequence[str]) -> bool:
        """Sources share samples in one view, too."""
        if self.loss.takes_all:
            return len({*self.covered(views)} & {*views}) > 1
        return not self.by_source and super().pairs_views(views)

    def connect(self, info: GraphInfo) -> list[Edge]:
        """One edge a pair of views; one between all views for sources, or where the loss takes all at once."""
        covered = self.covered(info.views)
        anchors = self._anchors(covered)
        pairs = [(a, b) for a, b in combinations(covered, 2) if {a, b} & anchors]
        if not (covered if self.by_source else pairs):
            raise ValueError(
                f"objective {self.name} compares views and found {', '.join(covered) or 'none'}: "
                f"give it two, for example corruption=crop+crop"
            )
        if self.by_source:
            return [self._edge("source", covered)]
        return [self._edge("~".join(views), views) for views in ([covered] if self.loss.takes_all else pairs)]

    def _edge(self, name: str, views: Sequence[str]) -> Edge:
        ends = tuple(map(Node.latent, views))
        return Edge(f"{self.name}/{name}", ends[:-1] or ends, ends[-1], True, bool(self.loss.prevents_collapse))

    def forward(self, state: State) -> dict[str, Tensor]:
        """Project every view once; compare pairs on the samples they share, sources on all samples of all views.

        A loss of all views at once has for each sample the views that it passes.
        """
        pairs = [(edge.name, edge.source.name, edge.target.name) for edge in self.edges]
        heads = self._heads(state)
        if self.by_source:
            source = torch.cat([state.assignment.of(state.source, view) for view in heads])
            return {self.edges[0].name: self.loss.by_source(torch.cat([*heads.values()]), source)}
        if self.loss.takes_all:
            return {self.edges[0].name: self.loss.of_all(state.assignment.by_group(heads), self.anchors)}
        return {
            name: self._pair(state.assignment, heads, a, b)
            for name, a, b in pairs
            if state.assignment.share_samples(a, b)
        }

    @property
    def rates_samples(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Where the loss does, but for sources."""
        return self.loss.rates_samples and not self.by_source

    def per_sample(self, state: State) -> Tensor:
        """See ``Term``."""
        heads, pairs = self._heads(state), [(edge.source.name, edge.target.name) for edge in self.edges]
        return torch.stack([self.loss.per_sample(heads[a], heads[b]) for a, b in pairs]).mean(0)

    def _heads(self, state: State) -> dict[str, Tensor]:
        """Projections by view, in the order of the edges' ends."""
        ends = dict.fromkeys(end.name for edge in self.edges for end in edge.ends)
        return {view: self.project(view, state.latent(view).pooled) for view in ends}

    def _pair(self, assignment: ViewAssignment, heads: Mapping[str, Tensor], a: str, b: str) -> Tensor:
        both = assignment.shared(heads[a], a, b), assignment.shared(heads[b], b, a)
        if not self.loss.contrasts or assignment.rows is None:
            return self.loss(*both)
        return self.loss(*both, torch.cat([assignment.apart(z, view, (a, b)) for view, z in heads.items()]))

    def _anchors(self, covered: Sequence[str]) -> set[str]:
        anchors = set(covered if self.anchors is None else self.anchors)
        if lost := anchors - set(covered):
            raise ValueError(
                f"objective.{self.name}.anchors names {', '.join(sorted(lost))}, and the views that meet are "
                f"{', '.join(covered)}: take some of them, or null"
            )
        return anchors
