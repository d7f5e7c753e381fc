"""Terms whose losses lie between decoded and true data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.losses import MSE, CrossEntropy, Divergence, ReconstructionLoss
from ssl_pipeline.models.decoders import Decoder
from ssl_pipeline.models.layers import Patches, pick
from ssl_pipeline.objectives.base import GraphInfo, State, Term, on_rows
from ssl_pipeline.objectives.masked_patches import check_where, masked_patches, weights
from ssl_pipeline.structures.batch import Latent, View
from ssl_pipeline.structures.binding import Bindable
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.structures.nodes import CLEAN, CONSENSUS, Edge, Node


@register("objective", "reconstruction", parts={"loss": "loss"})
class Reconstruction(Term):
    """Decoders lead from the latents to the clean sample or to other views.

    Args:
        loss: between decoded and true patches; None: cross-entropy of symbols, or the squared error of numbers.
        to: ``clean``, the name of a view (a translator), or ``views`` (every view from every other).
        where: ``masked`` counts only the masked places of a view that has some, of one with targets (``MultiBlock``)
            those in them (all places where a later corruption has moved them, as in ``mask-reversal``); ``everywhere``
            all places.
        share: of each view's samples that are decoded in a step, at least one: the first of the batch, whose order is
            random. It saves the time of the others, whose latents learn from other terms.
        weight: factor of the term.
        views: views to start from; None for all.

    Raises:
        ValueError: another ``where``; ``share`` outside (0, 1]; a loss that does not compare with the truth.
    """

    def __init__(
        self,
        *,
        loss: ReconstructionLoss | None = None,
        to: str = CLEAN.name,
        where: str = "masked",
        share: float = 1.0,
        weight: float = 1.0,
        views: Sequence[str] | None = None,
    ) -> None:
        super().__init__(weight, views)
        check_where(where)
        check_share(share)
        if isinstance(loss, Divergence):
            raise ValueError(
                f"{type(loss).__name__} compares two decoded distributions, and the truth is none: take "
                f"CrossEntropy, or objective=consistency"
            )
        self.asked, self.target, self.where, self.share = loss, to, where, share

    rates_samples = True

    def fits(self, grid: GridSpec) -> bool:
        """Whether the loss compares symbols or numbers as the grid has them, and whole signals on one axis."""
        loss = self.asked
        return loss is None or (loss.discrete == grid.discrete and (grid.ndim == 1 or not loss.whole))

    def make_heads(self, info: GraphInfo) -> None:
        """The loss, for the grid of the samples."""
        self.loss: ReconstructionLoss = default_loss(info.grid) if self.asked is None else self.asked
        if isinstance(self.loss, Bindable):
            self.loss = self.loss.bind(info.grid)

    def connect(self, info: GraphInfo) -> list[Edge]:
        """One edge a start and target.

        Raises:
            ValueError: some of the views, where all of them become one latent.
        """
        starts = decoded_starts(self, info)
        if self.target == CLEAN.name:
            return edges_to_clean(self.name, starts)
        targets = info.views if self.target == "views" else (self.target,)
        return [
            Edge(f"{self.name}/{start.name}>{target}", (start,), Node.view(target), False, True)
            for start in starts
            for target in targets
            if start.name != target
        ]

    def forward(self, state: State) -> dict[str, Tensor]:
        """Decode every start, compare with its target where they have samples in common."""
        return {
            edge.name: self.loss(*self._decoded(state, edge, self.share))
            for edge in self.edges
            if state.assignment.share_samples(edge.source.name, edge.target.name)
        }

    def per_sample(self, state: State) -> Tensor:
        """See ``Term``."""
        return torch.stack([self.loss.per_sample(*self._decoded(state, edge, 1.0)) for edge in self.edges]).mean(0)

    @property
    def fills_only(self) -> bool:
        """Whether of a masked view only the masked places are compared."""
        return self.where == "masked" and not self.loss.whole

    def leads_from(self, view: str) -> bool:
        """Whether the latent of a view, by itself, is decoded."""
        return self.views is None or view in self.views

    def explains(self, clean: View, decoder: Decoder) -> Callable[[Tensor], Tensor]:
        """How badly a latent (B, K, D) explains the clean sample, weighted, (B,).

        Args:
            clean: standardised.
            decoder: to it.
        """
        loss, target = self.loss, decoder.patches.split(clean.x)
        real = torch.ones_like(clean.x if loss.discrete else clean.x[:, :1], dtype=torch.bool)
        real = real if clean.valid is None else clean.valid.view_as(real)
        if loss.whole:
            x = clean.x * real
            return lambda z: self.weight * loss.per_sample(decoder.patches.join(decoder(_slots(z))) * real, x)
        share = decoder.patches.split(real).float().mean(-1)

        def explains(z: Tensor) -> Tensor:
            error = loss.per_place(decoder(_slots(z), target=target), target)
            return self.weight * (error * share).sum(1) / share.sum(1).clamp(min=1e-6)

        return explains

    def _decoded(self, state: State, edge: Edge, share: float) -> Compared:
        """What the first ``share`` of the samples is decoded to, what it should be, and how much each place counts."""
        start, target = edge.source.name, edge.target.name
        decoder: Decoder = state.decoders[target]  # pyright: ignore[reportAssignmentType]
        latent, corruption_params, places, weight = state.latent(start), None, None, None
        if edge.target == CLEAN:
            clean = state.clean_of(start)
            truth, valid = clean.x, clean.valid
            if edge.source != CONSENSUS:
                places, weight = self._masked(state.view(start), decoder.patches)
        else:
            latent = on_rows(latent, lambda x: state.assignment.shared(x, start, target))
            view = state.view(target)
            found = (view.x, view.valid, state.corruption_params(target))
            truth, valid, corruption_params = (
                on_rows(part, lambda x: state.assignment.shared(x, target, start)) for part in found
            )
        wanted = Wanted(latent, truth, valid, corruption_params, places, weight).first(share)
        return compare_decoded(decoder, wanted, self.loss.whole)

    def _masked(self, view: View, patches: Patches) -> tuple[Tensor | None, Tensor | None]:
        """Patches of the clean sample that are masked in the view, or the masked share of each."""
        moved = view.source_coords is not view.coords
        return (None, None) if self.where == "everywhere" or moved else masked_patches(view, patches)


def check_share(share: float) -> None:
    """Refuse what is no share of the samples.

    Raises:
        ValueError: outside (0, 1].
    """
    if not 0 < share <= 1:
        raise ValueError(f"share={share}: expected the share of samples to decode, above 0 and up to 1")


def decoded_starts(term: Term, info: GraphInfo) -> list[Node]:
    """The latents that a term decodes: of the views that it covers, or their consensus.

    Raises:
        ValueError: some of the views, where all of them become one latent.
    """
    if info.consensus and term.views is not None:
        raise ValueError(
            f"objective.{term.name}.views={list(term.views)} names views to start from, and latent.fuse makes one "
            f"latent of all: set objective.{term.name}.views=null"
        )
    return [CONSENSUS] if info.consensus else [Node.latent(view) for view in term.covered(info.views)]


def edges_to_clean(name: str, starts: Sequence[Node]) -> list[Edge]:
    """An edge of a term from each start to the clean form."""
    return [Edge(f"{name}/{start.name}", (start,), CLEAN, False, True) for start in starts]


class Wanted(NamedTuple):
    """What a decoder starts from and what it is to give."""

    latent: Latent
    truth: Tensor  # standardised
    valid: Tensor | None = None  # (B, *grid), False = padding
    corruption_params: Tensor | None = None  # (B, k) parameters of the target's corruption
    places: Tensor | None = None  # (B, Q) patches that count; None: all
    weight: Tensor | None = None  # (B, N) how much each patch counts

    def first(self, share: float) -> Wanted:
        """Of a share of the samples, one at least."""
        rows = max(1, round(share * len(self.latent.tokens)))
        return on_rows(self, lambda x: x[:rows])


Compared = tuple[Tensor, Tensor, Tensor | None]
"""What a decoder gives, what it should have given, and how much each place counts: as losses take them."""


def compare_decoded(decoder: Decoder, wanted: Wanted, whole: bool = False) -> Compared:
    """What a decoder makes of a latent, and the truth: patches, or ``whole`` signals."""
    latent, truth, valid, corruption_params, places, weight = wanted
    if whole:
        return decoder.patches.join(decoder(latent, None, corruption_params)), truth, valid
    patches = decoder.patches.split(truth)
    weight = weights(decoder.patches, valid, places, weight)
    target = patches if places is None else pick(patches, places)
    return decoder(latent, places, corruption_params, patches), target, weight


def _slots(z: Tensor) -> Latent:
    return Latent(z, z.mean(1))


def default_loss(grid: GridSpec) -> ReconstructionLoss:
    """Cross-entropy of symbols, or the squared error of numbers."""
    return CrossEntropy() if grid.discrete else MSE()
