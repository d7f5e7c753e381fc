"""Looks at the graph on the way, and says so where embeddings collapse or layers and losses do not do their work."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import lightning as L

from ssl_pipeline.diagnostics import Finding, ProbeBatch, StepSizes, findings, headline, layers_of, look, rows
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.graph.graph_set import GraphSet
from ssl_pipeline.structures.batch import Batch
from ssl_pipeline.training.callbacks.base import graphs_of
from ssl_pipeline.training.csv_logger import TidyCSV
from ssl_pipeline.training.fsdp import is_sharded
from ssl_pipeline.training.micro_batches import ends_step
from ssl_pipeline.training.modes import evaluating, uncompiled
from ssl_pipeline.utils import distributed

_BETTER = 0.8
"""Share of the last look's badness below which a fault is on its way to mend itself."""


class Diagnostics(L.Callback):
    """Logs what passes each layer, how weights move and losses pull, and raises an alarm where something is wrong.

    The samples are the first of the sitting, all of them in all views; the graph is in evaluation mode, and is
    left as it was. All ranks look in the same step, each at samples of its own; rank 0 writes. One bad look is no
    alarm, nor is what gets better: early in training embeddings may draw together for some steps before they spread.

    A look costs a forward of ``samples`` samples in all views, and with ``layers`` two of 64 and 32 where there are
    batch statistics, a pass of 32 through the whole graph and back for each loss (of more than 8: for each term), and
    for the time of a step a copy of the weights on the device.

    Args:
        every: steps between two looks; 0 for none.
        samples: how many samples are encoded, at most.
        layers: also look at layers, steps and losses; not where weights lie in shards.
        on_alarm: ``warn`` says so once for each kind and place, when two looks in a row have seen it; ``stop`` ends
            the run as an error.
        seed: of the views' random numbers.
        turns: data sets that take turns; each is looked at.
        allow_collapse: never stop.
        file: takes the numbers of layers and losses; None for nowhere.
        keep: steps of earlier sittings whose numbers are kept there.
    """

    def __init__(
        self,
        every: int = 100,
        samples: int = 128,
        layers: bool = True,
        on_alarm: str = "warn",
        *,
        seed: int = 0,
        turns: int = 1,
        allow_collapse: bool = False,
        file: Path | None = None,
        keep: int = 0,
    ) -> None:
        self.every, self.samples, self.layers, self.seed, self.turns = every, samples, layers, seed, turns
        self.stops = on_alarm == "stop" and not allow_collapse
        self.alarms: dict[tuple[str, str], str] = {}  # sentences by place and kind
        self._seen: dict[str, dict[tuple[str, str, str], float]] = {}  # how bad what the last look found is, by set
        self._eyes: dict[str, ProbeBatch] = {}  # by data set
        self._moving: StepSizes | None = None
        self._file = None if file is None or not layers else TidyCSV(file, keep)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Cut what a file holds of steps that were lost."""
        if self._file is not None:
            self._file.log_metrics({}, 0)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.finalize("success")

    def on_before_optimizer_step(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any) -> None:
        """Remember weights and gradients of a step that is looked at."""
        if not self._due(trainer.global_step + 1):
            return
        graph = graphs_of(pl_module).at(trainer.global_step)[1]
        if self._sees_layers(graph):
            self._moving = StepSizes(layers_of(graph, leave_out=["teacher"]))
            scaler = getattr(trainer.precision_plugin, "scaler", None)
            self._moving.before(1.0 if scaler is None else scaler.get_scale())

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Look where it is time, and ask to stop on all ranks in the same step."""
        step = trainer.global_step
        if not self.every or not ends_step(trainer, batch_idx):
            return
        graphs = graphs_of(pl_module)
        name = graphs.at(step - 1)[0]
        if name not in self._eyes:
            self._eyes[name] = ProbeBatch(batch.first(self.samples).clone(), len(batch.x))
        if not self._due(step):
            return
        if len(batch.x) > 1:
            self._look(trainer, graphs, name, step)
        if self.stops and distributed.any_rank(bool(self.alarms), trainer.strategy.root_device):
            trainer.should_stop = True

    @property
    def stopped(self) -> str | None:
        """The alarm that has stopped the training."""
        return next(iter(self.alarms.values()), None) if self.stops else None

    def _due(self, step: int) -> bool:
        return bool(self.every) and step >= self.every and step % self.every < self.turns

    def _sees_layers(self, graph: Graph) -> bool:
        """Weights in shards are whole only while they compute."""
        return self.layers and not is_sharded(graph)

    def _look(self, trainer: L.Trainer, graphs: GraphSet, name: str, step: int) -> None:
        graph, prefix = graphs[name], graphs.prefix(name)
        layers = self._sees_layers(graph)
        with trainer.precision_plugin.forward_context(), evaluating(graph), uncompiled():
            embedded, numbers = look(graph, self._eyes[name], self.seed, layers)
        if self._moving is not None:
            numbers, self._moving = numbers._replace(moved=self._moving.after()), None
        if not trainer.is_global_zero:
            return
        self._judge(graphs, name, [*findings(numbers)], step)
        values = {f"{prefix}diagnostics/{key}": value for key, value in headline(numbers, embedded).items()}
        for logger in trainer.loggers:
            logger.log_metrics(values, step)
        if self._file is not None and layers:
            self._file.log_metrics({f"{prefix}{key}": value for key, value in rows(numbers).items()}, step)

    def _judge(self, graphs: GraphSet, name: str, found: list[Finding], step: int) -> None:
        """Raise the alarm over what the last look at these samples has found, too, and what is not getting better."""
        before = self._seen.get(name, {})
        for finding in found:
            place = f"{graphs.prefix(name)}{finding.place}", finding.kind
            last = before.get(finding.key)
            if last is not None and finding.badness > _BETTER * last and place not in self.alarms:
                self.alarms[place] = f"step {step}: {graphs.prefix(name, ': ')}{finding.sentence}"
                if not self.stops:  # else the end of the run says it
                    print(f"warning: {self.alarms[place]}", file=sys.stderr, flush=True)
        self._seen[name] = {finding.key: finding.badness for finding in found}
