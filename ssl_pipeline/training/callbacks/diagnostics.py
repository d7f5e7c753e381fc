"""Looks at the graph on the way, and says so where embeddings collapse or layers and losses do not do their work."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch import Tensor, nn

from ssl_pipeline.diagnostics import (
    END,
    Finding,
    Numbers,
    StepSizes,
    Taps,
    batch_effects,
    changes,
    findings,
    gap,
    layers_of,
    loss_gradients,
    signs,
)
from ssl_pipeline.diagnostics.registry import registered_numbers
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.graph.multi_dataset import MixedGraph
from ssl_pipeline.structures.batch import Batch
from ssl_pipeline.training.csv_logger import TidyCSV
from ssl_pipeline.training.fsdp import is_sharded
from ssl_pipeline.utils import distributed

_FEW = 32
"""Samples of which the energies' gradients are taken."""

_BETTER = 0.8
"""Share of the last look's badness below which a fault is on its way to mend itself."""


@dataclass
class ProbeBatch:
    """What is kept of one graph between two looks."""

    probe: Batch  # the same samples at each look, corrupted in the same way
    size: int = 256  # of the batches that they come from
    kept: dict[str, dict[str, Tensor]] = field(default_factory=dict)  # by path and layer


class Diagnostics(L.Callback):
    """Logs what passes each layer, how weights move and losses pull, and raises an alarm where something is wrong.

    The samples are the first of the sitting, all of them in all views; the graph is in evaluation mode, and is
    left as it was. All ranks look in the same step, each at samples of its own; rank 0 writes. One bad look is no
    alarm, nor is what gets better: early in training embeddings may draw together for some steps before they spread.

    A look costs a forward of ``samples`` samples in all views, and with ``layers`` two of 64 and 32 where there are
    batch statistics, a pass of 32 through the whole graph and back for each energy (of more than 8: for each term), and
    for the time of a step a copy of the weights on the device.

    Args:
        every: steps between two looks; 0 for none.
        samples: how many samples are encoded, at most.
        layers: also look at layers, steps and energies; not where weights lie in shards.
        on_alarm: ``warn`` says so once for each kind and place, when two looks in a row have seen it; ``stop`` ends
            the run as an error.
        seed: of the views' random numbers.
        turns: data sets that take turns; each is looked at.
        allow_collapse: never stop.
        file: takes the numbers of layers and energies; None for nowhere.
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
        graph = _at(pl_module.graph, trainer.global_step)[1]  # pyright: ignore[reportArgumentType]
        if self._sees_layers(graph):
            self._moving = StepSizes(layers_of(graph, leave_out=["teacher"]))
            scaler = getattr(trainer.precision_plugin, "scaler", None)
            self._moving.before(1.0 if scaler is None else scaler.get_scale())

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Look where it is time, and ask to stop on all ranks in the same step."""
        step = trainer.global_step
        if not self.every:
            return
        name, graph = _at(pl_module.graph, step - 1)  # pyright: ignore[reportArgumentType]
        if name not in self._eyes:
            self._eyes[name] = ProbeBatch(batch.first(self.samples).clone(), len(batch.x))
        if not self._due(step):
            return
        if len(batch.x) > 1:
            self._look(trainer, name, graph, step)
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

    def _look(self, trainer: L.Trainer, name: str, graph: Graph, step: int) -> None:
        layers = self._sees_layers(graph)
        with trainer.precision_plugin.forward_context(), evaluating(graph), uncompiled():
            embedded, numbers = look(graph, self._eyes[name], self.seed, layers)
        if self._moving is not None:
            numbers, self._moving = numbers._replace(moved=self._moving.after()), None
        if not trainer.is_global_zero:
            return
        self._judge(name, [*findings(numbers)], step)
        prefix = f"{name}/" if name else ""
        values = {f"{prefix}diagnostics/{key}": value for key, value in headline(numbers, embedded).items()}
        for logger in trainer.loggers:
            logger.log_metrics(values, step)
        if self._file is not None and layers:
            self._file.log_metrics({f"{prefix}{key}": value for key, value in rows(numbers).items()}, step)

    def _judge(self, name: str, found: list[Finding], step: int) -> None:
        """Raise the alarm over what the last look at these samples has found, too, and what is not getting better."""
        before = self._seen.get(name, {})
        for finding in found:
            place = f"{name}/{finding.place}" if name else finding.place, finding.kind
            last = before.get(finding.key)
            if last is not None and finding.badness > _BETTER * last and place not in self.alarms:
                self.alarms[place] = f"step {step}: {name and f'{name}: '}{finding.sentence}"
                if not self.stops:  # else the end of the run says it
                    print(f"warning: {self.alarms[place]}", file=sys.stderr, flush=True)
        self._seen[name] = {finding.key: finding.badness for finding in found}


def look(graph: Graph, eye: ProbeBatch, seed: int, layers: bool = True) -> tuple[dict[str, np.ndarray], Numbers]:
    """Embeddings (N, D) by view of the samples that are looked at, and what is to be said of the graph.

    Args:
        graph: in evaluation mode.
        eye: remembers what it has seen.
        seed: of the views' random numbers.
        layers: look at layers and energies, too.
    """
    views = graph.standard(graph.corrupt(eye.probe, seed, whole=True))
    inside = layers_of(graph, leave_out=["teacher", "decoders", "objective"]) if layers else {}
    taps, pooled = {}, {}
    for name in graph.students:
        taps[name] = Taps(inside)
        with torch.no_grad(), taps[name].listening():
            latent = graph.encode({name: views[name]})[name]
        taps[name].hear(END, latent.tokens)
        pooled[name] = latent.pooled
    stacked = torch.stack([*pooled.values()]).float().cpu()  # one transfer
    embedded = dict(zip(pooled, stacked.numpy(), strict=True))
    numbers = Numbers({view: signs(z) for view, z in embedded.items()}, (stacked.shape[1], stacked.shape[2]))
    numbers = numbers._replace(registered=registered_numbers(graph, views))
    if not layers:
        return embedded, numbers
    taps[""] = Taps(layers_of(graph, leave_out=["teacher", "encoder", "latent"]))
    with taps[""].listening():
        pulled = loss_gradients(graph, graph.corrupt(eye.probe.first(_FEW), seed, whole=True))
    before, eye.kept = eye.kept, {path: tap.kept for path, tap in taps.items()}
    return embedded, numbers._replace(
        passed={path: tap.passed() for path, tap in taps.items()},
        changed={path: changes(tap.kept, before.get(path, {})) for path, tap in taps.items()},
        jumps=batch_effects(graph, views, graph.students, eye.size),
        pulls=pulled,
        symbols=graph.grid.discrete,
    )


def headline(numbers: Numbers, embedded: Mapping[str, np.ndarray]) -> dict[str, float]:
    """What every logger gets of a look."""
    values = {f"{key}/{view}": value for view, s in numbers.signs.items() for key, value in s._asdict().items()}
    if len(embedded) > 1:
        values["gap"] = gap([*embedded.values()])
    shares = [layers[END].share for layers in numbers.passed.values() if END in layers]
    moved = [of.update for of in numbers.moved.values()]
    changed = [by for layers in numbers.changed.values() for by in layers.values()]
    values |= {"least_share": min(shares)} if shares else {}
    values |= {"largest_update": max(moved)} if moved else {}
    values |= {"largest_change": max(changed)} if changed else {}
    if numbers.pulls is not None and len(numbers.pulls.names) > 1:
        values["least_cosine"] = float(np.nanmin([*numbers.pulls.cosines.flatten().tolist(), 1.0]))
    return values | dict(numbers.registered)


def rows(numbers: Numbers) -> dict[str, float]:
    """All numbers of layers and energies by ``WHAT/PATH/LAYER``; the path beyond the encoder is ``graph``."""
    found: dict[str, float] = {}
    for path, layers in numbers.passed.items():
        for layer, passed in layers.items():
            found |= {f"{key}/{path or 'graph'}/{layer}": value for key, value in passed._asdict().items()}
    for kind, paths in (("change", numbers.changed), ("jump", numbers.jumps)):
        for path, layers in paths.items():
            found |= {f"{kind}/{path or 'graph'}/{layer}": by for layer, by in layers.items()}
    for layer, moved in numbers.moved.items():
        found |= {f"{key}/step/{layer}": value for key, value in moved._asdict().items()}
    if numbers.pulls is not None:
        names = [name.replace("/", ".") for name in numbers.pulls.names]
        found |= {f"pull/{name}": float(norm) for name, norm in zip(names, numbers.pulls.norms, strict=True)}
        for i, a in enumerate(names):
            found |= {f"cosine/{a}/{b}": float(numbers.pulls.cosines[i, j]) for j, b in enumerate(names) if j > i}
    return found


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


def _at(graph: Graph | MixedGraph, step: int) -> tuple[str, Graph]:
    """Data set and graph of a step."""
    return graph.at(step) if isinstance(graph, MixedGraph) else ("", graph)


def uncompiled() -> AbstractContextManager[Any]:
    """What is compiled for training runs as it stands: to compile it anew would take longer than all looks."""
    stance = getattr(torch.compiler, "set_stance", None)  # since torch 2.6
    return nullcontext() if stance is None else stance("force_eager")
