"""Where numbers, images and sounds of a run go besides its own files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from PIL import Image

from ssl_pipeline.config.registry import register

IMAGES, SOUNDS, TEXTS = "*.png", "*.wav", "*.txt"


class Tracker(Protocol):
    """A service that follows runs."""

    def logger(self, folder: Path, name: str) -> Logger:
        """Of one run."""
        ...


@register("logger", "wandb", settled={"entity": None})
@dataclass(frozen=True)
class Wandb:
    """Weights & Biases.

    Args:
        project: to which the run belongs.
        entity: of the user or team; None for the default.
        tags: of the run.
        offline: write into the run's folder, to be sent with ``wandb sync``.

    Raises:
        ModuleNotFoundError: wandb is not installed.
    """

    project: str = "ssl_pipeline"
    entity: str | None = None
    tags: Sequence[str] = ()
    offline: bool = False

    def __post_init__(self) -> None:
        _needs("wandb", "wandb")

    def logger(self, folder: Path, name: str) -> Logger:
        """The run is called like its folder."""
        return WandbLogger(
            name=folder.name,
            group=name,
            save_dir=folder,
            project=self.project,
            entity=self.entity,
            tags=list(self.tags),
            offline=self.offline,
        )


@register("logger", "mlflow", settled={"uri": None})
@dataclass(frozen=True)
class MLflow:
    """MLflow.

    Args:
        uri: of the tracking server; None for that of MLFLOW_TRACKING_URI, or else a file in the run's folder.
        experiment: to which the run belongs.

    Raises:
        ModuleNotFoundError: mlflow is not installed.
    """

    uri: str | None = None
    experiment: str = "ssl_pipeline"

    def __post_init__(self) -> None:
        _needs("mlflow", "mlflow")

    def logger(self, folder: Path, name: str) -> Logger:
        """The run is called like its folder."""
        if uri := self.uri or os.environ.get("MLFLOW_TRACKING_URI"):
            return MLFlowLogger(self.experiment, folder.name, uri, tags={"name": name})
        folder.mkdir(parents=True, exist_ok=True)
        uri, artifacts = f"sqlite:///{folder / 'mlflow.db'}", (folder / "mlruns").as_uri()
        return MLFlowLogger(self.experiment, folder.name, uri, tags={"name": name}, artifact_location=artifacts)


def log_samples(loggers: Sequence[Logger], folder: Path, step: int) -> None:
    """Show images, sounds and texts of a folder in every logger that can."""
    files = {kind: sorted(folder.rglob(kind)) for kind in (IMAGES, SOUNDS, TEXTS)}
    for logger in loggers:
        if isinstance(logger, TensorBoardLogger):
            _to_tensorboard(logger, folder, files, step)
        elif isinstance(logger, WandbLogger):
            for kind, log in ((IMAGES, logger.log_image), (SOUNDS, logger.log_audio)):
                if files[kind]:
                    names = [_name(file, folder) for file in files[kind]]
                    log("samples", [str(file) for file in files[kind]], step=step, caption=names)
        elif isinstance(logger, MLFlowLogger) and folder.is_dir() and logger.run_id is not None:
            logger.experiment.log_artifacts(logger.run_id, str(folder), "samples")


def close(loggers: Sequence[Logger]) -> None:
    """End the runs of services, so that the next job of a sweep has one of its own."""
    for logger in loggers:
        logger.finalize("success")
        if isinstance(logger, WandbLogger):
            logger.experiment.finish()


def _to_tensorboard(logger: TensorBoardLogger, folder: Path, files: dict[str, list[Path]], step: int) -> None:
    writer = logger.experiment
    for file in files[IMAGES]:
        with Image.open(file) as image:
            pixels = np.asarray(image.convert("RGB"))
        writer.add_image(f"samples/{_name(file, folder)}", pixels, step, dataformats="HWC")
    for file in files[SOUNDS]:
        import soundfile  # whoever has sounds has it

        wave, rate = soundfile.read(file, dtype="float32")
        writer.add_audio(f"samples/{_name(file, folder)}", torch.from_numpy(wave)[None], step, sample_rate=rate)
    for file in files[TEXTS]:
        writer.add_text(f"samples/{_name(file, folder)}", file.read_text(), step)
    writer.flush()


def _name(file: Path, folder: Path) -> str:
    return file.relative_to(folder).with_suffix("").as_posix()


def _needs(module: str, extra: str) -> None:
    if find_spec(module) is None:
        raise ModuleNotFoundError(
            f"logger={extra} needs {module}: pip install 'ssl_pipeline[{extra}]', or take logger=none"
        )
