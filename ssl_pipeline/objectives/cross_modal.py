"""One edge between any parts of a sample: views of it, what else the data set tells of it, and itself."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ssl_pipeline.config.registry import register
from ssl_pipeline.losses import ReconstructionLoss
from ssl_pipeline.models.decoders import Decoder
from ssl_pipeline.objectives.base import GraphInfo, Record, State, Term, on_rows
from ssl_pipeline.objectives.reconstruction import Compared, Wanted, check_share, compare_decoded, default_loss
from ssl_pipeline.structures.batch import Latent
from ssl_pipeline.structures.nodes import CLEAN, Edge, Node
from ssl_pipeline.utils.errors import nearest


@register("objective", "cross_modal", parts={"loss": "loss"})
class CrossModal(Term):
    """The latents of some parts of a sample lead, together, to another part.

    From an image to its caption, from a caption to its image, from what is seen and what is done to what comes next,
    from two observations to what was done between them. Of a column of several steps the first one counts.

    Args:
        start: views and columns of the data set, one or several; their tokens are read together.
        to: a column, a view, or ``clean``.
        loss: between decoded and true patches; None: cross-entropy of symbols, or the squared error of numbers.
        share: of the samples that are decoded in a step, see ``Reconstruction``.
        weight: factor of the term.

    Raises:
        ValueError: no start, one that is named twice, or is the target; ``share`` outside (0, 1].
    """

    rates_samples = True

    def __init__(
        self,
        *,
        start: str | Sequence[str],
        to: str,
        loss: ReconstructionLoss | None = None,
        share: float = 1.0,
        weight: float = 1.0,
    ) -> None:
        starts = (start,) if isinstance(start, str) else tuple(start)
        super().__init__(weight, starts)
        if not starts or len(set(starts)) < len(starts) or to in starts:
            raise ValueError(
                f"an edge leads from parts of a sample, each named once, to another one, "
                f"got from {', '.join(starts) or 'none'} to {to}: change one of them"
            )
        check_share(share)
        self.starts, self.target, self.share, self.asked = starts, to, share, loss

    def make_heads(self, info: GraphInfo) -> None:
        """A learned mark for the tokens of each start, where there are several."""
        self.loss: ReconstructionLoss = self.asked or default_loss(info.columns.get(self.target, info.grid))
        parts = (*self.starts, self.target)
        self.apart = [name for name in parts if name != CLEAN.name and name not in info.columns]
        self.join = JoinLatents(len(self.starts), info.latent)

    fills_only = False

    def leads_from(self, view: str) -> bool:
        """Whether the latent of a view, by itself, is decoded."""
        return self.starts == (view,)

    def pairs_views(self, views: Sequence[str]) -> bool:
        """Several views may be among the starts, too."""
        return len(self.apart) > 1

    def connect(self, info: GraphInfo) -> list[Edge]:
        """One edge from all starts.

        Raises:
            ValueError: a part of the sample that does not exist.
        """
        parts = (*info.views, *info.columns)
        for part, known in [*((start, parts) for start in self.starts), (self.target, (*parts, CLEAN.name))]:
            if part not in known:
                raise ValueError(f"edge {self.name}: there is no view and no column {part!r}; {nearest(part, known)}")
        target = CLEAN if self.target == CLEAN.name else Node.view(self.target)
        return [Edge(self.name, tuple(map(Node.latent, self.starts)), target, False, True)]

    def forward(self, state: State) -> dict[str, Tensor]:
        """Read the starts together, decode, compare."""
        return {self.name: self.loss(*self._decoded(state, self.share))}

    def per_sample(self, state: State) -> Tensor:
        """See ``Term``."""
        return self.loss.per_sample(*self._decoded(state, 1.0))

    def _decoded(self, state: State, share: float) -> Compared:
        decoder: Decoder = state.decoders[self.target]  # pyright: ignore[reportAssignmentType]
        wanted = Wanted(self.start(state), *self.truth(state), state.corruption_params(self.target))
        return compare_decoded(decoder, wanted.first(share), self.loss.whole)

    def start(self, state: State) -> Latent:
        """What the edge starts from: the latents of its starts, as one."""
        return self.join([self._mine(state, name, state.latent(name)) for name in self.starts])

    def truth(self, state: State) -> tuple[Tensor, Tensor | None]:
        """What it is to lead to, standardised, and which of it is no padding."""
        if self.target == CLEAN.name:
            by = (*self.apart, *self.starts)[0]
            target = state.clean_of(by)
        else:
            target = self._mine(state, self.target, state.view(self.target))
        return target.x, target.valid

    def _mine(self, state: State, name: str, record: Record) -> Record:
        """Of a column the rows of those samples which pass the edge's view, where it has one."""
        if not self.apart or name in self.apart:
            return record
        return on_rows(record, lambda x: state.assignment.shared(x, name, self.apart[0]))


class JoinLatents(nn.Module):
    """The latents of several starts as one, in their order.

    Args:
        starts: how many; the tokens of each get a learned mark where there are several.
        width: width D of the tokens.
    """

    def __init__(self, starts: int, width: int) -> None:
        super().__init__()
        self.marks = nn.Parameter(torch.randn(starts, width) * 0.02) if starts > 1 else None

    def no_weight_decay(self) -> set[str]:
        """The marks."""
        return {"marks"}

    def forward(self, latents: Sequence[Latent]) -> Latent:
        """Latents of (B, N, D) tokens each, their tokens one after the other."""
        if self.marks is None:
            return latents[0]
        marked = [latent.tokens + mark for latent, mark in zip(latents, self.marks, strict=True)]
        valid = None
        if any(latent.valid is not None for latent in latents):
            valid = torch.cat([_valid(latent) for latent in latents], dim=1)
        return Latent(torch.cat(marked, dim=1), torch.stack([latent.pooled for latent in latents]).mean(0), None, valid)


def _valid(latent: Latent) -> Tensor:
    if latent.valid is not None:
        return latent.valid
    return torch.ones(latent.tokens.shape[:2], dtype=torch.bool, device=latent.tokens.device)
