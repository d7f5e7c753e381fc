"""Lightning's trainer as our runs need it."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.loggers import Logger, TensorBoardLogger

from ssl_pipeline.training.csv_logger import TidyCSV
from ssl_pipeline.training.profiler import Waiting

_HINTS = (
    "does not have many workers",
    "exists and is not empty",
    "number of training batches",
    "LeafSpec",
    "in eval mode at the start",  # a teacher
    "dataloader is not resumable",
    "Grad strides do not match",  # 1x1 convolutions of channels_last
    "returned a view tensor",  # losses of a sharded graph, which nobody changes in place
)
"""Those of Lightning that do not fit: batches come whole from an index, there is no validation loop."""


def shows_bar(options: Mapping[str, Any]) -> bool:
    """Whether there is a progress bar: where it is asked for and somebody looks."""
    return options["enable_progress_bar"] and sys.stdout.isatty()


def make_trainer(
    options: Mapping[str, Any],
    callbacks: Sequence[L.Callback],
    folder: Path,
    done: int,
    loggers: Sequence[Logger] = (),
    waiting: Waiting | None = None,
) -> L.Trainer:
    """A trainer that logs to the run's folder, also for TensorBoard where that is installed, without validation.

    Args:
        options: Lightning's own: bounds and hardware.
        callbacks: in the order in which they are called.
        folder: of the run.
        done: steps of earlier sittings, whose metrics are kept.
        loggers: further ones.
        waiting: counts the time in which there is no data.
    """
    bar = shows_bar(options)
    events = [TensorBoardLogger(folder, name="", version="tensorboard")] if find_spec("tensorboard") else []
    mine = [*callbacks, *([TQDMProgressBar(refresh_rate=20)] if bar else [])]
    trainer = L.Trainer(
        **{**options, "enable_progress_bar": bar},
        logger=[TidyCSV(folder / "metrics.csv", keep=done), *events, *loggers],
        profiler=waiting,
        callbacks=[*mine],  # which it extends
        use_distributed_sampler=False,
        enable_model_summary=False,
        limit_val_batches=0,
        default_root_dir=folder,
    )
    _leave_out_others(trainer, mine)
    return trainer


def _leave_out_others(trainer: L.Trainer, mine: Sequence[L.Callback]) -> None:
    """Drop callbacks that installed packages put into every trainer (entry points of Lightning's)."""
    held: Any = trainer  # whose list of callbacks its class does not declare
    others = [one for one in held.callbacks if one not in mine and not type(one).__module__.startswith("lightning.")]
    held.callbacks = [one for one in held.callbacks if one not in others]
    if others and trainer.is_global_zero:
        names = ", ".join(f"{type(one).__module__.partition('.')[0]}'s {type(one).__name__}" for one in others)
        print(f"note: {names} would enter every run of Lightning and is left out of this one", file=sys.stderr)


@contextmanager
def quiet() -> Iterator[None]:
    """Without ``_HINTS`` and what Lightning says of itself."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for hint in _HINTS:
                warnings.filterwarnings("ignore", f".*{hint}.*")
            yield
    finally:
        logger.setLevel(level)
