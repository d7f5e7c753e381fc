"""Terms that predict what a teacher says of another view."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

from ssl_pipeline.config.registry import register
from ssl_pipeline.losses import PairLoss
from ssl_pipeline.objectives.base import GraphInfo, State, Term
from ssl_pipeline.objectives.heads import Head, check_width, head, width_after
from ssl_pipeline.structures.nodes import Edge, Node


@register("objective", "teacher_prediction", parts={"loss": "loss", "projector": "head", "predictor": "head"})
class TeacherPrediction(Term):
    """The embedding of a view leads to the teacher's embedding of another one, into which no gradient flows.

    With ``teacher=ema`` the teacher is a slow copy of the encoder (MoCo, BYOL, DINO), without it the encoder itself
    (SimSiam, arXiv 2011.10566; SwAV).

    Args:
        loss: between heads and targets.
        projector: the head of both sides; None for none.
        predictor: the further head that only the student has, after the projector (BYOL, arXiv 2006.07733); None for
            none.
        targets: views that the teacher sees; None for those that the term covers.
        weight: factor of the term.
        views: views that predict; None for all.

    Raises:
        ValueError: a predictor after a projector that does not say its width.
    """

    heads = ("projector", "predictor")

    def __init__(
        self,
        *,
        loss: PairLoss,
        projector: Head | None = None,
        predictor: Head | None = None,
        targets: Sequence[str] | None = None,
        weight: float = 1.0,
        views: Sequence[str] | None = None,
    ) -> None:
        super().__init__(weight, views)
        self.loss = loss
        self.targets = None if targets is None else tuple(targets)
        self.head, self.further = projector, predictor
        self.balanced = predictor is not None or bool(loss.prevents_collapse)

    def make_heads(self, info: GraphInfo) -> None:
        """Projector and predictor.

        Raises:
            ValueError: the loss, or the predictor, presumes another width than the projector gives.
        """
        self.projector = head(self.head, info.embedding)
        self.predictor = nn.Identity()
        if self.further is not None:
            self.predictor = head(self.further, width_after(self.projector, info.embedding))
        check_width(self.name, self.loss, self.projector, info.embedding)
        said = getattr(self.predictor, "out_features", None)
        if said is not None and said != (wanted := width_after(self.projector, info.embedding)):
            raise ValueError(
                f"objective.{self.name}.predictor gives {said} numbers, and what it predicts has {wanted}: "
                f"set objective.{self.name}.predictor.out={wanted}"
            )

    @property
    def teacher_head(self) -> nn.Module:
        """The projector."""
        return self.projector

    def connect(self, info: GraphInfo) -> list[Edge]:
        """One edge from every view to every other that the teacher sees; a single view predicts itself made whole."""
        covered = self.covered(info.views)
        seen = covered if self.targets is None else self.targets
        pairs = [(a, b) for a in covered for b in seen if a != b] or [(a, a) for a in covered if a in seen]
        return [Edge(f"{self.name}/{a}>{b}", (Node.latent(a),), Node.teacher(b), True, self.balanced) for a, b in pairs]

    def forward(self, state: State) -> dict[str, Tensor]:
        """Each head once, each target once from all rows of its view, then pairs on the samples that they share."""
        pairs = {edge.name: (edge.source.name, edge.target.name) for edge in self.edges}
        met = {name: (a, b) for name, (a, b) in pairs.items() if a == b or state.assignment.share_samples(a, b)}
        said, encoded, wanted = self._said(state, met.values())
        losses = {
            name: self.loss(state.assignment.shared(said[a], a, b), state.assignment.shared(wanted[b], b, a))
            for name, (a, b) in met.items()
        }
        if encoded:
            self.loss.remember(torch.cat([*encoded.values()]))
        return losses

    @property
    def rates_samples(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Where the loss does."""
        return self.loss.rates_samples

    def per_sample(self, state: State) -> Tensor:
        """See ``Term``."""
        pairs = [(edge.source.name, edge.target.name) for edge in self.edges]
        said, _, wanted = self._said(state, pairs)
        return torch.stack([self.loss.per_sample(said[a], wanted[b]) for a, b in pairs]).mean(0)

    def _said(
        self, state: State, pairs: Collection[tuple[str, str]]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
        """What the student says of each view, what the teacher says, and what follows from that to be predicted."""
        students, teachers = dict.fromkeys(a for a, _ in pairs), dict.fromkeys(b for _, b in pairs)
        said = {a: self.predictor(self.projector(state.latent(a).pooled)) for a in students}
        head = state.targets.head(self.projector)
        with torch.no_grad():
            encoded = {b: head(state.target(b).pooled) for b in teachers}
            wanted = {b: self.loss.target(rows) for b, rows in encoded.items()}
        return said, encoded, wanted
