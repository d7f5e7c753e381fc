"""Terms that predict what a teacher says of each place of a view."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ssl_pipeline.config.registry import register
from ssl_pipeline.losses import PairLoss, ReconstructionLoss
from ssl_pipeline.models.decoders import Decoder
from ssl_pipeline.models.layers import Patches, pick
from ssl_pipeline.objectives.base import GraphInfo, State, Term
from ssl_pipeline.objectives.heads import Head, check_width, head
from ssl_pipeline.objectives.masked_patches import check_where, masked_patches, weights
from ssl_pipeline.structures.nodes import Edge, Node


@register("objective", "masked_prediction", parts={"loss": "loss", "predictor": "decoder", "projector": "head"})
class MaskedPrediction(Term):
    """A masked view predicts the teacher's tokens of the same view without its mask; no gradient flows to the teacher.

    A token stands for the patch of the grid that holds its centre: of a transformer its own patch; of a convolutional
    encoder, whose n tokens lie at every step-th cell from the first on, one of n equal parts of the axis.

    All places of a view are predicted in one pass. A predictor by cross-attention, whose places do not see each other,
    says of several targets what a pass for each would; in I-JEPA's, a narrow ViT, those of one target see each other.

    Args:
        loss: between predicted and true tokens; one between pairs takes each place for a sample of its own.
        predictor: decoder to the tokens' grid (I-JEPA, arXiv 2301.08243, with ``MultiBlock``); None for the encoder's
            own tokens, of which those in masked places must exist: ``encoder.masked=token`` or ``keep``, or a
            convolutional encoder (data2vec, arXiv 2202.03555; iBOT, arXiv 2111.07832).
        projector: the head of both sides, on each token; None for none.
        normalize: standardise each target over its D numbers, so that a teacher that shrinks does not pay.
        where: ``masked`` predicts the masked places of a view that has some, of one with targets (``MultiBlock``) those
            in them, a place in several of them as often; ``everywhere`` all places.
        weight: factor of the term.
        views: views that predict; None for all.

    Raises:
        ValueError: another ``where``; a latent without places; tokens that do not divide the grid; no predictor for an
            encoder that skips masked tokens.
    """

    heads = ("projector",)

    def __init__(
        self,
        *,
        loss: PairLoss | ReconstructionLoss,
        predictor: Decoder | None = None,
        projector: Head | None = None,
        normalize: bool = True,
        where: str = "masked",
        weight: float = 1.0,
        views: Sequence[str] | None = None,
    ) -> None:
        super().__init__(weight, views)
        check_where(where)
        self.loss, self.normalize, self.where = loss, normalize, where
        self.decoder, self.head = predictor, projector
        self.balanced = predictor is not None or getattr(loss, "prevents_collapse", False)

    def make_heads(self, info: GraphInfo) -> None:
        """Predictor and projector, and the patches that tokens stand for.

        Raises:
            ValueError: the graph's tokens cannot be predicted, or the loss presumes another width than the projector
                gives.
        """
        if info.tokens is None:
            raise ValueError("a term that predicts tokens needs a latent whose tokens have places: set latent=tokens")
        if self.decoder is None and self.where == "masked" and not info.sees_masked:
            raise ValueError(
                "the encoder skips the masked tokens that are to be predicted: set encoder.masked=token, or give "
                "the term a predictor"
            )
        sides = [n // m for n, m in zip(info.grid.shape, info.tokens.shape, strict=True)]
        if any(n % m for n, m in zip(info.grid.shape, info.tokens.shape, strict=True)):
            raise ValueError(
                f"a term that predicts tokens needs a grid that they divide, got {info.tokens.shape} tokens of "
                f"{info.grid.shape} cells: change data.size, encoder.patch or encoder.stride"
            )
        self.patches = Patches(info.grid, sides)
        self.predictor = None
        if self.decoder is not None:
            self.predictor = self.decoder.bind(info.tokens, info.latent, info.tokens.shape)
        self.projector = head(self.head, info.latent)
        if isinstance(self.loss, PairLoss):
            check_width(self.name, self.loss, self.projector, info.latent)

    @property
    def teacher_head(self) -> nn.Module:
        """The projector."""
        return self.projector

    def connect(self, info: GraphInfo) -> list[Edge]:
        """One edge a view."""
        return [
            Edge(f"{self.name}/{view}", (Node.latent(view),), Node.teacher(view), True, self.balanced)
            for view in self.covered(info.views)
        ]

    def forward(self, state: State) -> dict[str, Tensor]:
        """Predict the places of every view."""
        losses, seen = {}, []
        for edge in self.edges:
            said, wanted, weight = self._places(state, edge.source.name)
            losses[edge.name] = self._compared(said, wanted, weight)
            seen.append(wanted.flatten(0, 1))
        if isinstance(self.loss, PairLoss):
            self.loss.remember(torch.cat(seen))
        return losses

    @property
    def rates_samples(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Where the loss does."""
        return isinstance(self.loss, ReconstructionLoss) or self.loss.rates_samples

    def per_sample(self, state: State) -> Tensor:
        """See ``Term``."""
        return torch.stack([self._rated(*self._places(state, edge.source.name)) for edge in self.edges]).mean(0)

    def _places(self, state: State, name: str) -> tuple[Tensor, Tensor, Tensor | None]:
        """What is said of the places of a view, what was to be said (B, Q, E), and how much each counts (B, Q)."""
        view, latent = state.views[name], state.latents[name]
        places, share = (None, None) if self.where == "everywhere" else masked_patches(view, self.patches)
        if self.predictor is None:
            said = latent.tokens if places is None else pick(latent.tokens, places)
        else:
            said = self.predictor(latent, places)
        weight = weights(self.patches, view.valid, places, share)
        counts = None if weight is None else weight > 0
        said = _headed(self.projector, said, counts)
        with torch.no_grad():
            wanted = state.targets.latents[name].tokens
            wanted = F.layer_norm(wanted.float(), wanted.shape[-1:]) if self.normalize else wanted
            wanted = wanted if places is None else pick(wanted, places)
            wanted = _headed(state.targets.head(self.projector), wanted, counts)
        return said, wanted, weight

    def _compared(self, said: Tensor, wanted: Tensor, weight: Tensor | None) -> Tensor:
        if isinstance(self.loss, ReconstructionLoss):
            return self.loss(said, wanted, weight)
        self._counts_alike(weight)
        return self.loss(said.flatten(0, 1), self.loss.target(wanted.flatten(0, 1)))

    def _rated(self, said: Tensor, wanted: Tensor, weight: Tensor | None) -> Tensor:
        if isinstance(self.loss, ReconstructionLoss):
            return self.loss.per_sample(said, wanted, weight)
        self._counts_alike(weight)
        target = self.loss.target(wanted.flatten(0, 1))
        return self.loss.per_sample(said.flatten(0, 1), target).unflatten(0, said.shape[:2]).mean(1)

    def _counts_alike(self, weight: Tensor | None) -> None:
        if weight is not None:
            raise ValueError(
                f"{type(self.loss).__name__} counts all places alike, and some are padding or are masked in part: "
                f"take a loss that weighs places (objective=jepa), or data without padding"
            )


def _headed(head: nn.Module, tokens: Tensor, counts: Tensor | None) -> Tensor:
    """A head on each token that counts, (B, Q, D) to (B, Q, E); its batch statistics see no others, which are 0."""
    if counts is None or isinstance(head, nn.Identity):
        return head(tokens.flatten(0, 1)).unflatten(0, tokens.shape[:2])
    rows = head(tokens[counts])
    return rows.new_zeros(*tokens.shape[:2], rows.shape[-1]).index_put((counts,), rows)
