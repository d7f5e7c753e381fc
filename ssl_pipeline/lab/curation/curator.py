"""Lets the model choose its data: scores the samples after each round, and sets how often each is drawn in the next."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ssl_pipeline.data import Stream
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.lab.curation.scoring import score_samples
from ssl_pipeline.lab.curation.weighted_order import WeightedOrder
from ssl_pipeline.training.csv_logger import TidyCSV
from ssl_pipeline.training.samplers import EpochSampler, SamplerContext
from ssl_pipeline.utils import distributed

if TYPE_CHECKING:
    from ssl_pipeline.lab.curation.learnability import Learnability

_LOGGED = ("junk_share", "effective", "seconds")
"""What every logger gets of a round; shares of classes stand in the file alone."""

_CHUNK = 256
"""Samples that are scored at once, each in all views: on any number of devices as many, so that scores are alike."""


class Scores(NamedTuple):
    """What is known of N samples after a round; plain tensors, which a checkpoint can hold."""

    loss: Tensor  # (N,) at the last scoring
    progress: Tensor  # (N,) see ``progress``
    weights: Tensor  # (N,) of the next draws, mean 1
    rounds: int  # that have been scored; weights tell something from the second on


class Curator(EpochSampler):
    """Scores all samples before the first step and after the last step of each round.

    All ranks score, each its part, and draw by rank 0's weights.

    Args:
        rule: what samples are worth.
        context: the run; its folder takes ``curation.csv`` and ``curation.npz``.
    """

    def __init__(self, rule: Learnability, context: SamplerContext) -> None:
        assert not isinstance(context.data.train, Stream)
        self.rule, self.context = rule, context
        self.order: WeightedOrder = WeightedOrder(context.data.train.sources, context.seed)
        self.scores: Scores | None = None
        self.drawn = torch.zeros(len(self.order.sources), dtype=torch.int64)  # times each sample was, in whole rounds
        self.seconds = 0.0
        self._file = TidyCSV(context.folder / "curation.csv", context.done)

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return len(self.order) // self.context.batch_size

    def start(self) -> None:
        """Cut what the file holds of steps that were lost."""
        self._file.log_metrics({}, 0)

    def update(self, graph: Graph, step: int) -> dict[str, float]:
        """Score where a round ends."""
        if step % (self.steps * self.rule.every):
            return {}
        began, epoch = time.perf_counter(), step // self.steps
        train: Any = self.context.data.train
        size = min(self.context.batch_size, _CHUNK)
        if not distributed.rank():
            print(f"curation   scoring {len(train):,} samples after step {step:,} ...", end=" ", flush=True)
        loss, z = score_samples(graph, train, size, self.context.seed, self.rule.embeds)
        if self.scores is None:
            self.scores = self.rule.first(loss)
        else:
            counts = self._counts(range(epoch - self.rule.every, epoch))
            self.drawn += counts
            scores = self.rule.then(self.scores, loss, z, counts.nonzero().flatten())
            device = next(graph.parameters()).device
            self.scores = scores._replace(weights=distributed.broadcast(scores.weights, device))
        self._set()
        seconds = time.perf_counter() - began
        if not distributed.rank():
            print(f"{seconds:.1f} s", flush=True)
        self.seconds += seconds
        values = self._shares(self._counts(range(epoch, epoch + self.rule.every))) | {"seconds": seconds}
        self._file.log_metrics(values, step)
        return {f"curation/{name}": values[name] for name in _LOGGED if name in values}

    def finish(self, writes: bool) -> None:
        """Write what was chosen."""
        self._file.finalize("success")
        if writes and self.scores is not None:
            arrays = {"drawn": self.drawn, "weights": self.scores.weights, "progress": self.scores.progress}
            np.savez(self.context.folder / "curation.npz", **{name: x.numpy() for name, x in arrays.items()})

    def summary(self) -> dict[str, float]:
        """What a run's summary says of it."""
        shares = self._shares(self.drawn) if self.drawn.any() else {}
        found = {f"curation/{name}": round(value, 6) for name, value in shares.items() if name in _LOGGED}
        return {"curation/seconds": round(self.seconds, 3), **found}

    def state_dict(self) -> dict[str, Any]:
        """Scores and counts."""
        scores = {} if self.scores is None else self.scores._asdict()
        return {"scores": scores, "drawn": self.drawn, "seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self.scores = Scores(**state_dict["scores"]) if state_dict["scores"] else None
        self.drawn, self.seconds = state_dict["drawn"], state_dict["seconds"]
        self._set()

    def _set(self) -> None:
        """Weights from the second round on: the first tells samples apart by nothing."""
        self.order.weights = self.scores.weights if self.scores is not None and self.scores.rounds > 1 else None

    def _counts(self, epochs: range) -> Tensor:
        """How often each sample is drawn in these epochs."""
        used = self.steps * self.context.batch_size
        return torch.cat([self.order(epoch)[:used] for epoch in epochs]).bincount(minlength=len(self.order.sources))

    def _shares(self, counts: Tensor) -> dict[str, float]:
        """What draws are made of; for reports alone."""
        share, n = counts.double() / counts.sum(), len(counts)
        found = {"effective": 1 / float(share.square().sum()) / n, "distinct": float((counts > 0).double().mean())}
        if self.context.data.junk is not None:
            found["junk_share"] = float(share[self.context.data.junk].sum())
        assert not isinstance(self.context.data.train, Stream)
        labels = self.context.data.train.labels
        if labels is not None and self.context.data.classes is not None:
            for number, name in enumerate(self.context.data.classes):
                found[f"share/{name}"] = float(share[labels == number].sum())
        return found
