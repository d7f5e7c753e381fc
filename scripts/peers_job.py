"""What libraries are asked to train side by side: a model, a recipe, and when to end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, NamedTuple

import lightning as L
import torch
from bench_throughput import now
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from ssl_pipeline.config.build import build_part
from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import Data, sequential_batches
from ssl_pipeline.optim.rules import make_recipe
from ssl_pipeline.structures.batch import as_float, clean_view
from ssl_pipeline.training.hardware import Hardware

WARM = 8
"""Steps at the start that are not counted."""


class Outcome(NamedTuple):
    """What a training gave."""

    samples_per_s: float
    steps: int
    embed: Callable[[Tensor], Tensor] | None  # None: the scores are there already
    scores: Mapping[str, float]


class Bound(NamedTuple):
    """When a training ends: after so many steps, or after so many seconds."""

    steps: int = -1
    seconds: float | None = None

    @property
    def options(self) -> dict[str, Any]:
        """For Lightning's trainer."""
        return {"max_steps": self.steps, "max_epochs": -1, "max_time": self.seconds and {"seconds": self.seconds}}

    def progress(self) -> Callable[[int], float]:
        """How far a training is at a step; by the clock, it begins when it is first asked."""
        if self.seconds is None:
            return lambda step: step / self.steps
        began, seconds = cache(time.perf_counter), self.seconds
        return lambda step: (time.perf_counter() - began()) / seconds


class Stopwatch(L.Callback):
    """When each step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_batch_end(self, *_: Any) -> None:
        """Note the time."""
        self.ends.append(now())


def rate(times: list[float], batch: int) -> float:
    """Samples a second over all but the first steps, where there are enough."""
    first = WARM if len(times) > WARM + 1 else 0
    return batch * (len(times) - 1 - first) / (times[-1] - times[first])


class Job:
    """A model and a recipe, to be trained by each library.

    Args:
        words: overrides of ``train.py``.
        workers: processes in which lightly makes its views.
    """

    def __init__(self, words: list[str], workers: int) -> None:
        self.words, self.workers = words, workers
        self.config = compose([*words, "trainer.enable_progress_bar=false", "report.page=false"])
        self.data: Data = build_part("data", self.config["data"])
        batches = [*sequential_batches(self.data.train, 10_000)]
        self.x = torch.cat([as_float(one.x, self.data.grid) for one in batches])
        self.labels = torch.cat([one.label for one in batches if one.label is not None])
        self.batch = int(self.config["batch_size"])
        self.mean, self.std = [self.x.mean().item()], [self.x.std().item()]
        self.recipe = make_recipe(self.config["optimizer"])
        self.precision = Hardware(precision=self.config["hardware"]["precision"]).resolved_precision
        self.masks = self.config["name"] == "mae"

    def encoder(self) -> nn.Module:
        """Our encoder behind a plain call: images (B, C, H, W) to embeddings."""
        return Plain(build_part("encoder", self.config["encoder"]).bind(self.data.grid, ("view",)), self.data)

    def vit(self) -> VisionTransformer:
        """timm's of the same size, as the libraries' masked autoencoders want it."""
        e = self.config["encoder"]
        side, channels = self.data.grid.shape[0], self.data.grid.width
        sizes = {"embed_dim": e["width"], "depth": e["depth"], "num_heads": e["heads"]}
        return VisionTransformer(img_size=side, patch_size=4, in_chans=channels, num_classes=0, **sizes)

    def trainer(self, bound: Bound, watch: Stopwatch) -> L.Trainer:
        """Lightning's, with nothing that costs time; it refuses to clip with a fused optimiser, which is faster."""
        quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
        options: dict[str, Any] = bound.options | quiet | {"precision": self.precision, "devices": 1, "logger": False}
        return L.Trainer(callbacks=[watch], num_sanity_val_steps=0, **options)

    def schedule(self, bound: Bound) -> Callable[[int], float]:
        """Share of the highest rate at a step."""
        progress = bound.progress()
        return lambda step: self.recipe.rate(min(1.0, progress(step)))


class Plain(nn.Module):
    """An encoder of ours as others call it."""

    def __init__(self, encoder: Any, data: Data) -> None:
        super().__init__()
        self.encoder, self.grid = encoder, data.grid
        self.width = encoder.embedding_width

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, D)."""
        return self.encoder({"view": clean_view(self.grid, x)})["view"].pooled
