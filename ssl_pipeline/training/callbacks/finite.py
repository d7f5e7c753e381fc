"""A loss that is no number ends the run at once, with what can be known of where it came from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import lightning as L
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.structures.batch import Batch
from ssl_pipeline.training.callbacks.base import graphs_of
from ssl_pipeline.training.fsdp import is_sharded
from ssl_pipeline.training.micro_batches import drawing_rank, ends_step
from ssl_pipeline.utils import distributed
from ssl_pipeline.utils.checkpoints import DIVERGED, LAST, PREVIOUS, checkpoint_error, step_back

_SHOWN = 5
"""Sources that are named of a batch."""


class Done(NamedTuple):
    """A step that is done."""

    step: int  # counted from 0
    rank: int  # under which its random numbers were drawn
    losses: Mapping[str, Tensor]
    batch: Batch
    finite: Tensor  # on its way to the processor
    arrived: torch.Event | None

    def is_finite(self) -> bool:
        """Whether the loss was; waits for that step, and not for what came after it."""
        if self.arrived is not None:
            self.arrived.synchronize()
        return bool(self.finite)


class Finite(L.Callback):
    """Looks at the loss of the step before, which is there without waiting, and before a checkpoint at this one's.

    Args:
        checkpoints: folder of the run's.
        saves: whether a checkpoint follows a step.
        seed: of the views' random numbers.
    """

    def __init__(self, checkpoints: Path, saves: Callable[[L.Trainer], bool], seed: int) -> None:
        self.checkpoints, self.saves, self.seed = checkpoints, saves, seed
        self._before: Done | None = None

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Check, so that no weights that are no numbers take the place of those that are.

        Raises:
            ValueError: a loss that is not finite.
        """
        ended, device = ends_step(trainer, batch_idx), trainer.strategy.root_device
        now = _done(trainer.global_step - ended, drawing_rank(trainer, batch_idx), outputs, batch)
        due = ended and self.saves(trainer)
        looked_at = (self._before, now) if due else (self._before,)
        bad = [done for done in looked_at if done is not None and not done.is_finite()]
        elsewhere = due and distributed.any_rank(bool(bad), device)  # no rank may wait for others in vain
        if bad:
            what, of = _losses(bad[0])
            raise ValueError(f"{what} ({of}){self._advice(bad[0], trainer, pl_module)}")
        if elsewhere:
            raise ValueError(f"the loss of another process is no number at step {now.step + 1}: {_REMEDY}")
        spoiled = first_spoiled(pl_module, trainer.optimizers) if due else None
        elsewhere = due and distributed.any_rank(spoiled is not None, device)
        if spoiled:
            what = f"the step {now.step + 1} leaves {spoiled} with values that are no numbers"
            raise ValueError(f"{what} ({_sources(now.batch)}){self._advice(now, trainer, pl_module)}")
        if elsewhere:
            raise ValueError(f"another process has values that are no numbers after step {now.step + 1}: {_REMEDY}")
        self._before = now

    def _advice(self, done: Done, trainer: L.Trainer, module: L.LightningModule) -> str:
        """The end of the sentence: what the last good checkpoint does with this batch, and what to do.

        A checkpoint whose own weights give no numbers is set aside where the one before it does better.
        """
        found = [path for name in (LAST, PREVIOUS) if checkpoint_error(path := self.checkpoints / name) is None]
        if not found:
            return f": begin again and {_REMEDY}"
        last = found[0]
        go_on = f"go on from it with resume={os.path.relpath(trainer.default_root_dir)} and {_REMEDY}"
        if is_sharded(module.graph):  # pyright: ignore[reportArgumentType]
            return f"; the last good checkpoint is {last.name}, the layer is not known of weights in shards: {go_on}"
        layers = {path: self._replayed(path, done, trainer, module) for path in found}
        good = next((path for path, layer in layers.items() if layer in (None, VIEWS)), None)
        if good is None:
            return f"; {layers[last]} is the first that gives it, with each checkpoint: begin again and {_REMEDY}"
        if good.name == PREVIOUS and last.name == LAST:
            aside = f"{layers[last]} is the first that gives it with the last checkpoint"
            if trainer.world_size > 1:  # the files are not this process's alone
                return f"; {aside}, and {PREVIOUS} is good: rename it to {LAST}, then {go_on}"
            step_back(self.checkpoints)
            return f"; {aside}, which is now {DIVERGED}, and the one before it is good: {go_on}"
        where = (
            f"{VIEWS} is the first that gives it"
            if layers[good]
            else "with its weights this batch gives finite numbers"
        )
        return f"; the last good checkpoint is {good.name}, {where}: {go_on}"

    def _replayed(self, checkpoint: Path, done: Done, trainer: L.Trainer, module: L.LightningModule) -> str | None:
        """The first layer that gives no number for this batch with the weights of a checkpoint; None: all do."""
        module.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"])
        graph = graphs_of(module).at(done.step)[1]
        with torch.no_grad(), trainer.precision_plugin.forward_context():
            return first_not_finite(graph, done.batch, self.seed, done.step, done.rank)


def _losses(done: Done) -> tuple[str, str]:
    """What the loss is, and of which edges and samples."""
    bad = [name for name, value in done.losses.items() if name != "loss" and not torch.isfinite(value).all()]
    what = f"the loss is {float(done.losses['loss'])} at step {done.step + 1}"
    return what, f"losses {', '.join(bad)}; {_sources(done.batch)}"


def _sources(batch: Batch) -> str:
    sources = batch.source.tolist()
    rest = f" and {len(sources) - _SHOWN} more" if len(sources) > _SHOWN else ""
    return f"samples of the sources {', '.join(map(str, sources[:_SHOWN]))}{rest}"


def _done(step: int, rank: int, losses: Mapping[str, Tensor], batch: Batch) -> Done:
    finite = torch.isfinite(losses["loss"].detach())
    if finite.device.type == "cpu":
        return Done(step, rank, losses, batch, finite, None)
    # Into pinned memory: a copy into any other waits for all that the device has still to do.
    there = torch.empty((), dtype=torch.bool, pin_memory=finite.device.type == "cuda")
    there.copy_(finite, non_blocking=True)
    event = torch.Event(finite.device)
    event.record()
    return Done(step, rank, losses, batch, there, event)


_REMEDY = "lower optimizer.lr, set trainer.gradient_clip_val, or hardware.precision=32-true"


VIEWS = "views"
"""Stands for the corrupted samples among the layers."""


def first_spoiled(module: nn.Module, optimizers: Sequence[Optimizer]) -> str | None:
    """Name of a parameter that holds, or whose optimiser keeps, a number that is not finite; waits for the device."""
    named = {name: [parameter] for name, parameter in module.named_parameters()}
    kept = {parameter: state for optimizer in optimizers for parameter, state in optimizer.state.items()}
    for values in named.values():
        mine = [value for value in kept.get(values[0], {}).values() if isinstance(value, Tensor)]
        values += [value for value in mine if value.device == values[0].device]  # counters may stay on the processor
    finite = {name: torch.stack([_is_finite(value) for value in values]).all() for name, values in named.items()}
    if not finite or torch.stack([*finite.values()]).all():
        return None
    return next(name for name, fine in finite.items() if not fine)


def _is_finite(value: Tensor) -> Tensor:
    value = getattr(value, "to_local", lambda: value)()  # of weights in shards this process's own
    return torch.isfinite(value).all()


def first_not_finite(graph: Graph, batch: Batch, seed: int, step: int, rank: int = 0) -> str | None:
    """Name of the first module whose output holds a number that is not finite, ``VIEWS`` for the corrupted samples."""
    views = graph.corrupt(batch, seed, step, rank)
    if not all(torch.isfinite(view.x).all() for view in views.views.values() if view.x.is_floating_point()):
        return VIEWS
    found: list[str] = []
    with _listening(graph, found):
        graph(views)
    return found[0] if found else None


@contextmanager
def _listening(graph: nn.Module, found: list[str]) -> Iterator[None]:
    def hook(name: str) -> Callable[..., None]:
        def hear(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.is_floating_point() and not torch.isfinite(output).all():
                found.append(name)

        return hear

    hooks = [part.register_forward_hook(hook(name)) for name, part in graph.named_modules() if name]
    try:
        yield
    finally:
        for one in hooks:
            one.remove()
