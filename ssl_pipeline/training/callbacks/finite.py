"""A loss that is no number ends the run at once, with what can be known of where it came from."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import lightning as L
import torch
from torch import Tensor, nn

from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.structures.batch import Batch
from ssl_pipeline.training.callbacks.base import graphs_of
from ssl_pipeline.training.fsdp import is_sharded
from ssl_pipeline.utils import distributed
from ssl_pipeline.utils.checkpoints import newest

_SHOWN = 5
"""Sources that are named of a batch."""


class Done(NamedTuple):
    """A step that is done."""

    step: int  # counted from 0
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
        now = _done(trainer.global_step - 1, outputs, batch)
        due, device = self.saves(trainer), trainer.strategy.root_device
        looked_at = (self._before, now) if due else (self._before,)
        bad = [done for done in looked_at if done is not None and not done.is_finite()]
        elsewhere = due and distributed.any_rank(bool(bad), device)  # no rank may wait for another's weights in vain
        if bad:
            raise ValueError(self._said(bad[0], trainer, pl_module))
        if elsewhere:
            raise ValueError(f"the loss of another process is no number at step {now.step + 1}: {_REMEDY}")
        self._before = now

    def _said(self, done: Done, trainer: L.Trainer, module: L.LightningModule) -> str:
        bad = [name for name, value in done.losses.items() if name != "loss" and not torch.isfinite(value).all()]
        sources = done.batch.source.tolist()
        rest = f" and {len(sources) - _SHOWN} more" if len(sources) > _SHOWN else ""
        some = ", ".join(map(str, sources[:_SHOWN])) + rest
        what = f"the loss is {float(done.losses['loss'])} at step {done.step + 1}"
        of = f" (losses {', '.join(bad)}; samples of the sources {some})"
        last = newest(self.checkpoints)
        if last is None:
            return f"{what}{of}: {_REMEDY}"
        where = self._replayed(last, done, trainer, module)
        go_on = f"go on from there with resume={os.path.relpath(trainer.default_root_dir)}"
        return f"{what}{of}; the last good checkpoint is {last.name}, {where}: {_REMEDY}, or {go_on}"

    def _replayed(self, last: Path, done: Done, trainer: L.Trainer, module: L.LightningModule) -> str:
        """The first layer that gives no number for this batch with the weights of a checkpoint, as a clause."""
        if is_sharded(module.graph):  # pyright: ignore[reportArgumentType]
            return "the layer is not known of weights in shards"
        module.load_state_dict(torch.load(last, map_location="cpu", weights_only=True)["state_dict"])
        graph = graphs_of(module).at(done.step)[1]
        with torch.no_grad(), trainer.precision_plugin.forward_context():
            layer = first_not_finite(graph, done.batch, self.seed, done.step)
        return f"{layer} is the first that gives it" if layer else "with its weights this batch gives finite numbers"


def _done(step: int, losses: Mapping[str, Tensor], batch: Batch) -> Done:
    finite = torch.isfinite(losses["loss"].detach())
    if finite.device.type == "cpu":
        return Done(step, losses, batch, finite, None)
    # Into pinned memory: a copy into any other waits for all that the device has still to do.
    there = torch.empty((), dtype=torch.bool, pin_memory=finite.device.type == "cuda")
    there.copy_(finite, non_blocking=True)
    event = torch.Event(finite.device)
    event.record()
    return Done(step, losses, batch, there, event)


_REMEDY = "lower optimizer.lr, set trainer.gradient_clip_val, or hardware.precision=32-true"


def first_not_finite(graph: Graph, batch: Batch, seed: int, step: int) -> str | None:
    """Name of the first module whose output holds a number that is not finite, ``views`` for the corrupted samples."""
    views = graph.corrupt(batch, seed, step)
    if not all(torch.isfinite(view.x).all() for view in views.views.values() if view.x.is_floating_point()):
        return "views"
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
