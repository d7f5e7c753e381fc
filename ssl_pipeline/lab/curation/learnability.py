"""How much a sample is worth to a learner: by the progress on it, not by its loss."""

from __future__ import annotations

from math import log

import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.lab.curation.curator import Curator, Scores
from ssl_pipeline.lab.curation.novelty import Novelty
from ssl_pipeline.lab.curation.regions import by_region
from ssl_pipeline.training.samplers import Sampler, SamplerContext


def progress(
    before: Float[Tensor, "N"], now: Float[Tensor, "N"], earlier: Float[Tensor, "N"], memory: float
) -> Float[Tensor, "N"]:
    """Relative fall of each loss, those of earlier rounds included: ``memory * earlier + log(before / now)``.

    With a memory of 1 it is how far the loss has come since the first scoring: falls of later rounds cancel what a
    loss goes up and down from one round to the next. Pure noise stays near 0.

    Args:
        before: losses a round ago, of the same corruption.
        now: losses.
        earlier: progress a round ago.
        memory: share of it that is kept.

    >>> progress(torch.tensor([4.0, 4.0]), torch.tensor([4.0, 2.0]), torch.zeros(2), memory=1.0)
    tensor([0.0000, 0.6931])
    """
    return memory * earlier + before.clamp(min=1e-6).log() - now.clamp(min=1e-6).log()


def draw_weights(score: Float[Tensor, "N"], temperature: float, floor: float, most: float) -> Float[Tensor, "N"]:
    """Weights of the draws, mean 1: a Boltzmann distribution over standardised scores, kept within bounds.

    Args:
        score: what is better the higher it is.
        temperature: standard deviations of the score by which a weight grows e-fold.
        floor: least weight; what is hardly drawn must stay in sight, for it may become learnable.
        most: largest weight.

    >>> draw_weights(torch.tensor([0.0, 0.0, 0.0, 1.0]), temperature=1.0, floor=0.1, most=4.0)
    tensor([0.3061, 0.3061, 0.3061, 3.0818])
    """
    standard = (score - score.mean()) / score.std(correction=0).clamp(min=1e-6)
    return bounded_weights((standard / temperature).softmax(0), floor, most)


def bounded_weights(weights: Float[Tensor, "N"], floor: float, most: float) -> Float[Tensor, "N"]:
    """Positive weights times the factor that gives them a mean of 1 where they are kept within bounds.

    >>> bounded_weights(torch.tensor([1.0, 1.0, 1.0, 97.0]), floor=0.1, most=2.5)
    tensor([0.5000, 0.5000, 0.5000, 2.5000])
    """
    logs = weights.double().clamp(1e-300, 1e300).log()
    low, high = log(floor) - logs.amax(), log(most) - logs.amin()  # all at the floor, all at the most
    for _ in range(60):  # bisection over the factor's logarithm, with which the mean grows
        middle = (low + high) / 2
        small = (logs + middle).exp().clamp(floor, most).mean() < 1
        low, high = torch.where(small, middle, low), torch.where(small, high, middle)
    return (logs + high).exp().clamp(floor, most).to(weights.dtype)


@register("sampler", "learnability", parts={"novelty": "novelty"})
class Learnability(Sampler):
    """Draws what the model makes progress on: neither what it has mastered nor what cannot be learnt.

    Losses are compared with those of the same samples under the same corruption in the round before, so that the luck
    of a mask cancels. Related: prioritised level replay (arXiv 2010.03934) replays what has learning potential;
    RHO-loss (arXiv 2206.07137) and JEST (arXiv 2406.17711) subtract the loss of a second, reference model, where this
    takes the model's own past.

    Args:
        every: epochs of a round, after each of which all samples are scored, by a forward pass.
        memory: share of the progress that a round keeps of the earlier ones, up to 1.
        regions: of the embedding over which progress is averaged; None: every sample for itself.
        temperature: see ``draw_weights``.
        floor: least weight, the mean being 1.
        most: largest weight, the mean being 1. A low one matters: the model makes progress on what is drawn often,
            which would then be drawn more and more.
        novelty: prefers what is far from what was drawn; None: no matter.

    Raises:
        ValueError: a number outside its range.
    """

    def __init__(
        self,
        every: int = 1,
        memory: float = 0.98,
        regions: int | None = 32,
        temperature: float = 1.0,
        floor: float = 0.2,
        most: float = 1.5,
        novelty: Novelty | None = None,
    ) -> None:
        if every < 1:
            raise ValueError(f"sampler.every={every}: expected a number of epochs, at least 1")
        if not 0 <= memory <= 1:
            raise ValueError(f"sampler.memory={memory}: expected a share from 0 to 1")
        if regions is not None and regions < 2:
            raise ValueError(f"sampler.regions={regions}: expected at least 2, or null for single samples")
        if temperature <= 0:
            raise ValueError(f"sampler.temperature={temperature}: expected a positive number")
        if not 0 < floor < 1 < most:
            raise ValueError(f"sampler.floor={floor}, sampler.most={most}: expected 0 < floor < 1 < most")
        self.every, self.memory, self.regions = every, memory, regions
        self.temperature, self.floor, self.most, self.novelty = temperature, floor, most, novelty

    def bind(self, context: SamplerContext) -> Curator:
        """The sampler of a run, with these options."""
        return Curator(self, context)

    @property
    def embeds(self) -> bool:
        """Whether it wants embeddings."""
        return self.regions is not None or self.novelty is not None

    def first(self, loss: Float[Tensor, "N"]) -> Scores:
        """Scores of the first round, which tells samples apart by nothing yet."""
        _check(loss)
        return Scores(loss, torch.zeros_like(loss), torch.ones_like(loss), 1)

    def then(self, scores: Scores, loss: Float[Tensor, "N"], z: Tensor | None, drawn: Tensor) -> Scores:
        """Scores of the next round.

        Args:
            scores: of the round before.
            loss: of each sample now.
            z: embeddings (N, D), where it ``embeds``.
            drawn: numbers of the samples that were drawn since the round before.

        Raises:
            ValueError: losses that are no numbers.
        """
        _check(loss)
        made = progress(scores.loss, loss, scores.progress, self.memory)
        score = made if self.regions is None or z is None else by_region(made, z, self.regions)
        weights = draw_weights(score, self.temperature, self.floor, self.most)
        if self.novelty is not None and z is not None:
            weights = bounded_weights(weights * self.novelty.factors(z, drawn), self.floor, self.most)
        return Scores(loss, made, weights, scores.rounds + 1)


def _check(loss: Tensor) -> None:
    """Refuse losses of which one is no number: it would spread to the weights of all samples."""
    if not torch.isfinite(loss).all():
        raise ValueError("expected finite losses of all samples, got others: lower optimizer.lr, or take sampler=none")
