"""Steps of several micro-batches, whose gradients are added up (``trainer.accumulate_grad_batches``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import lightning as L
import torch
from torch import Tensor

from ssl_pipeline.utils import distributed


def ends_step(trainer: L.Trainer, batch_idx: int) -> bool:
    """Whether the optimiser steps after a batch: the last of its step, or of an epoch."""
    return (batch_idx + 1) % trainer.accumulate_grad_batches == 0 or trainer.is_last_batch


def drawing_rank(trainer: L.Trainer, batch_idx: int) -> int:
    """The rank under which a micro-batch draws its random numbers, so that those of a step draw different ones.

    Micro-batches of one process draw what as many processes would: without accumulation it is the process's rank.
    """
    parts = trainer.accumulate_grad_batches
    return distributed.rank() * parts + batch_idx % parts


def losses_of_step(parts: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Losses of a step from those of its micro-batches, whose ``loss`` Lightning has divided by their number.

    >>> losses_of_step([{"loss": torch.tensor(1.0), "mse": torch.tensor(2.0)}, {"loss": torch.tensor(0.5)}])
    {'loss': tensor(1.5000), 'mse': tensor(2.)}
    """
    if len(parts) == 1:
        return parts[0]
    found: dict[str, list[Tensor]] = {}
    for part in parts:
        for name, value in part.items():
            found.setdefault(name, []).append(value)
    means = {name: torch.stack(some).mean() for name, some in found.items() if name != "loss"}
    return {"loss": torch.stack(found["loss"]).sum(), **means}


def count_micro_batches(loop: Mapping[str, Any], parts: int, inside: int | None = None) -> None:
    """Change the counters of a checkpoint that was saved in ``on_train_batch_end``, after a step.

    Args:
        loop: the state of Lightning's fit loop; changed in place.
        parts: micro-batches of a step from now on.
        inside: steps of the epoch that count as done; None: as many as it had.
    """
    steps = loop["epoch_loop.automatic_optimization.optim_progress"]["optimizer"]["step"]
    if inside is not None:
        steps["current"] |= {"ready": inside, "completed": inside}
    batches = loop["epoch_loop.batch_progress"]
    for over in ("total", "current"):
        done = steps[over]["completed"] * parts
        batches[over] |= {"ready": done, "started": done, "processed": done, "completed": done - 1}


def steps_alike(done: int, before: int, now: int, samples: int | None) -> int:
    """Steps of another batch size that have gone through as much data, within a batch; no sample is left out.

    Args:
        done: steps of the batch size ``before``.
        before: a batch size.
        now: the other.
        samples: of an epoch, which drops the rest of its last batch; None: there are no epochs.

    >>> steps_alike(25, before=10, now=30, samples=100)  # two epochs and a half
    7
    """
    if samples is None:
        return done * before // now
    epochs, inside = divmod(done, max(1, samples // before))
    new = max(1, samples // now)
    return epochs * new + min(inside * before // now, new - 1)
