"""Looks at the embeddings on the way, and says so where they collapse."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import nn

from ssl_pipeline import distributed
from ssl_pipeline.evaluation import collapsed, gap, signs
from ssl_pipeline.graph import Graph
from ssl_pipeline.mixed import MixedGraph
from ssl_pipeline.records import Batch

ADD = {
    "constant": "add negatives (objective=...+info_nce), a variance term (+vicreg) or a predictor to a teacher, "
    "raise its weight, or lower optimizer.lr",
    "line": "add what keeps dimensions apart (objective=...+vicreg), negatives (+info_nce), or raise its weight",
}


class Watch(L.Callback):
    """Logs spread, rank and gap of the views' embeddings, and raises an alarm where they collapse.

    The samples are those of the step, all of them in all views; the graph is in evaluation mode, in which encoding
    waits for no other rank, so only rank 0 looks. One bad look is no alarm: early in training embeddings may draw
    together for some steps before they spread.

    A look costs one forward of ``samples`` samples in all views, and for each view the eigenvalues of a matrix of as
    many rows on the processor: a few ms for 128, about four times that for 256.

    Args:
        every: steps between two looks; 0 for none.
        samples: how many samples of a batch are encoded, at most.
        on_alarm: ``warn`` says so once for each kind of collapse and view, when two looks in a row have seen it;
            ``stop`` ends the run as an error.
        seed: of the views' random numbers.
        turns: data sets that take turns; each is looked at.
        allow_collapse: never stop.
    """

    def __init__(
        self,
        every: int = 100,
        samples: int = 128,
        on_alarm: str = "warn",
        *,
        seed: int = 0,
        turns: int = 1,
        allow_collapse: bool = False,
    ) -> None:
        self.every, self.samples, self.seed, self.turns = every, samples, seed, turns
        self.stops = on_alarm == "stop" and not allow_collapse
        self.alarms: dict[tuple[str, str], str] = {}  # sentences by view and kind
        self._seen: dict[str, dict[str, str]] = {}  # what the last look found, by view

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Look where it is time, and ask to stop on all ranks in the same step."""
        step = trainer.global_step
        if not self.every or step < self.every or step % self.every >= self.turns:
            return
        if trainer.is_global_zero and len(batch.x) > 1:
            self._look(trainer, pl_module.graph, batch, step)  # pyright: ignore[reportArgumentType]
        if self.stops and distributed.any_rank(bool(self.alarms), trainer.strategy.root_device):
            trainer.should_stop = True

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """End as an error where an alarm stopped the training, now that its checkpoint is saved.

        Raises:
            ValueError: the first alarm.
        """
        if self.stops and self.alarms:
            go_on = f"resume={os.path.relpath(trainer.default_root_dir)} watch.on_alarm=warn"
            raise ValueError(
                f"{next(iter(self.alarms.values()))}, or set allow_collapse=true; to go on from here: {go_on}"
            )

    def _look(self, trainer: L.Trainer, graph: Graph | MixedGraph, batch: Batch, step: int) -> None:
        name, graph = graph.at(step - 1) if isinstance(graph, MixedGraph) else ("", graph)  # the step that is done
        prefix = f"{name}/" if name else ""
        with trainer.precision_plugin.forward_context():
            views = embeddings(graph, batch.first(self.samples), self.seed, step - 1)
        values: dict[str, float] = {}
        for view, z in views.items():
            found = signs(z)
            values |= {f"{prefix}watch/{sign}/{view}": value for sign, value in found._asdict().items()}
            self._judge(f"{prefix}{view}", collapsed(found, *z.shape), step)
        if len(views) > 1:
            values[f"{prefix}watch/gap"] = gap([*views.values()])
        for logger in trainer.loggers:
            logger.log_metrics(values, step)

    def _judge(self, view: str, found: dict[str, str], step: int) -> None:
        for kind in found.keys() & self._seen.get(view, {}).keys():
            if (view, kind) not in self.alarms:
                self.alarms[view, kind] = f"step {step}: the embeddings of {view} {found[kind]}: {ADD[kind]}"
                if not self.stops:  # else the end of the run says it
                    print(f"warning: {self.alarms[view, kind]}", file=sys.stderr, flush=True)
        self._seen[view] = found


@torch.no_grad()
def embeddings(graph: Graph, batch: Batch, seed: int, step: int) -> Mapping[str, np.ndarray]:
    """Embeddings (N, D) of a batch in all views that the encoder is trained on; the graph is left as it was."""
    with evaluating(graph), _uncompiled():
        views = graph.standard(graph.damage(batch, seed, step, whole=True))
        latents = graph.encode({name: views[name] for name in graph.students})
    stacked = torch.stack([latent.pooled for latent in latents.values()]).float().cpu()  # one transfer
    return dict(zip(latents, stacked.numpy(), strict=True))


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Evaluation mode for a while; afterwards each part is in the mode that it was in."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def _uncompiled() -> AbstractContextManager[Any]:
    """What is compiled for training runs as it stands: to compile it anew would take longer than all looks."""
    stance = getattr(torch.compiler, "set_stance", None)  # since torch 2.6
    return nullcontext() if stance is None else stance("force_eager")
