"""Lets the model choose its data: scores the samples after each round, and sets how often each is drawn in the next."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor

from ssl_pipeline.data import Data, Stream
from ssl_pipeline.data.weighted_sampling import WeightedOrder
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.lab.curation import Learnability, Scores, rate
from ssl_pipeline.training.callbacks.diagnostics import evaluating, uncompiled
from ssl_pipeline.training.csv_logger import TidyCSV
from ssl_pipeline.utils import distributed

LOGGED = ("junk_share", "effective", "seconds")
"""What every logger gets of a round; shares of classes stand in the file alone."""

CHUNK = 256
"""Samples that are scored at once, each in all views: on any number of devices as many, so that scores are alike."""


class Curator(L.Callback):
    """Scores all samples before the first step and behind the last step of each round.

    Weights change before a checkpoint is written and before the loader is asked for the next epoch, so that the order
    of each epoch is a function of the seed and of what the checkpoint before it holds. All ranks score, each its part,
    and draw by rank 0's weights. The time counts as training.

    Args:
        curation: what samples are worth.
        data: whose training part is scored.
        order: takes the weights.
        batch_size: global batch.
        seed: of the run.
        folder: takes ``curation.csv`` and ``curation.npz``.
        keep: steps of earlier sittings whose rows are kept.
    """

    def __init__(
        self,
        curation: Learnability,
        data: Data,
        order: WeightedOrder,
        batch_size: int,
        seed: int,
        folder: Path,
        keep: int = 0,
    ) -> None:
        self.curation, self.data, self.order = curation, data, order
        self.batch_size, self.seed, self.folder = batch_size, seed, folder
        self.scores: Scores | None = None
        self.drawn = torch.zeros(len(order.sources), dtype=torch.int64)  # times each sample was, in whole rounds
        self.seconds = 0.0
        self._file = TidyCSV(folder / "curation.csv", keep)

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return len(self.order) // self.batch_size

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Cut what the file holds of steps that were lost; score the untrained model."""
        self._file.log_metrics({}, 0)
        if trainer.global_step == 0:
            self._round(trainer, pl_module)

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        """Score where a round ends."""
        if trainer.global_step % (self.steps * self.curation.every) == 0:
            self._round(trainer, pl_module)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Write what was chosen."""
        self._file.finalize("success")
        if trainer.is_global_zero and self.scores is not None:
            arrays = {"drawn": self.drawn, "weights": self.scores.weights, "progress": self.scores.progress}
            np.savez(self.folder / "curation.npz", **{name: x.numpy() for name, x in arrays.items()})

    def summary(self) -> dict[str, float]:
        """What a run's summary says of it."""
        found = {"curation/seconds": round(self.seconds, 3)}
        if self.drawn.any():
            found |= {f"curation/{name}": round(value, 6) for name, value in self._chosen(self.drawn).items()
                      if name in LOGGED}  # fmt: skip
        return found

    def state_dict(self) -> dict[str, Any]:
        """Scores and counts."""
        scores = {} if self.scores is None else self.scores._asdict()
        return {"scores": scores, "drawn": self.drawn, "seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self.scores = Scores(**state_dict["scores"]) if state_dict["scores"] else None
        self.drawn, self.seconds = state_dict["drawn"], state_dict["seconds"]
        self._set()

    def _round(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        began, device = time.perf_counter(), trainer.strategy.root_device
        graph: Graph = pl_module.graph  # pyright: ignore[reportAssignmentType]
        with trainer.precision_plugin.forward_context(), evaluating(graph), uncompiled():
            loss, z = rate(graph, self.data.train, min(self.batch_size, CHUNK), self.seed, self.curation.embeds)  # pyright: ignore
        epoch = trainer.global_step // self.steps
        if self.scores is None:
            self.scores = self.curation.first(loss)
        else:
            counts = self._counts(range(epoch - self.curation.every, epoch))
            self.drawn += counts
            scores = self.curation.then(self.scores, loss, z, counts.nonzero().flatten())
            self.scores = scores._replace(weights=distributed.broadcast(scores.weights, device))
        self._set()
        seconds = time.perf_counter() - began
        self.seconds += seconds
        values = self._chosen(self._counts(range(epoch, epoch + self.curation.every))) | {"seconds": seconds}
        self._file.log_metrics(values, trainer.global_step)
        for logger in trainer.loggers:
            logger.log_metrics(
                {f"curation/{name}": values[name] for name in LOGGED if name in values}, trainer.global_step
            )

    def _set(self) -> None:
        told = self.scores is not None and self.scores.rounds > 1
        self.order.weights = self.scores.weights if told and self.scores else None

    def _counts(self, epochs: range) -> Tensor:
        """How often each sample is drawn in these epochs."""
        used = self.steps * self.batch_size
        return torch.cat([self.order(epoch)[:used] for epoch in epochs]).bincount(minlength=len(self.order.sources))

    def _chosen(self, counts: Tensor) -> dict[str, float]:
        """What draws are made of; for reports alone."""
        share, n = counts.double() / counts.sum(), len(counts)
        found = {"effective": 1 / float(share.square().sum()) / n, "distinct": float((counts > 0).double().mean())}
        if self.data.junk is not None:
            found["junk_share"] = float(share[self.data.junk].sum())
        assert not isinstance(self.data.train, Stream)
        labels = self.data.train.labels
        if labels is not None and self.data.classes is not None:
            for number, name in enumerate(self.data.classes):
                found[f"share/{name}"] = float(share[labels == number].sum())
        return found
