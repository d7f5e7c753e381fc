"""What can be measured: an encoder of a graph, or a model of timm's."""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import shorten
from typing import Any

import timm
import torch
from timm.models import load_checkpoint, load_state_dict
from torch import Tensor, nn
from torchvision.transforms import Normalize

from ssl_pipeline.inference.modules import Embedder
from ssl_pipeline.structures.batch import Batch, as_float
from ssl_pipeline.structures.grid import GridSpec


class Subject(nn.Module):
    """An encoder of whatever make: batches of samples, on its device, in; embeddings (B, D) out."""

    def forward(self, batch: Batch) -> Tensor:
        """Embeddings (B, D)."""
        raise NotImplementedError

    def tokens(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """What they were pooled from, (B, N, W), and which of it is no padding, (B, N)."""
        raise NotImplementedError

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.parameters()).device


class OfGraph(Subject):
    """The encoder of a graph, trained or not."""

    def __init__(self, embedder: Embedder) -> None:
        super().__init__()
        self.embedder = embedder

    def forward(self, batch: Batch) -> Tensor:
        """See ``Subject``."""
        return self.embedder(batch.x, valid=batch.valid)

    def tokens(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """See ``Subject``."""
        latent = self.embedder.encoded(batch.x, valid=batch.valid)
        return latent.tokens, latent.valid


class OfTimm(Subject):
    """A model of timm's, of weights from a file or untrained; grey images are given to all its channels.

    Args:
        name: as ``timm.list_models()`` knows it.
        grid: of the images.
        weights: a safetensors file or a checkpoint of plain tensors.

    Raises:
        ValueError: no such model, weights of another one, or samples that are no images.
    """

    def __init__(self, name: str, grid: GridSpec, weights: Path | None = None) -> None:
        super().__init__()
        if not timm.is_model(name):
            near = ", ".join(timm.list_models(f"*{name[:6]}*")[:5]) or "see timm.list_models()"
            raise ValueError(f"timm has no model {name!r}; nearest: {near}")
        if grid.ndim != 2 or grid.discrete or grid.channels not in (1, 3):
            raise ValueError(f"timm's models take images of 1 or 3 channels, got samples on {grid.names}")
        self.grid = grid
        about: Any = timm.get_pretrained_cfg(name)
        sized: dict[str, Any] = {"img_size": grid.shape} if about is not None and about.fixed_input_size else {}
        self.model = timm.create_model(name, num_classes=0, **sized)
        if weights is not None:
            _load(self.model, name, weights)
        cfg: Any = self.model.pretrained_cfg
        self.normalize = Normalize(cfg["mean"], cfg["std"])

    def forward(self, batch: Batch) -> Tensor:
        """See ``Subject``."""
        return self.model.forward_head(self._features(batch), pre_logits=True)  # pyright: ignore

    def tokens(self, batch: Batch) -> tuple[Tensor, Tensor | None]:
        """See ``Subject``."""
        found = self._features(batch)
        return (found.flatten(2).transpose(1, 2) if found.ndim == 4 else found), None

    def _features(self, batch: Batch) -> Tensor:
        x = as_float(batch.x, self.grid).expand(-1, 3, -1, -1)
        return self.model.forward_features(self.normalize(x))  # pyright: ignore


def _load(model: nn.Module, name: str, weights: Path) -> None:
    """Weights of the trunk; a classifier's own are left out.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: one that holds no weights, or another model's.
    """
    if not weights.is_file():
        raise FileNotFoundError(f"weights={weights}: there is no such file; name another, or leave it out")
    try:
        load_state_dict(str(weights), weights_only=True)
    except Exception:  # whatever the readers of either format raise
        raise ValueError(
            f"weights={weights} is no safetensors file and no checkpoint of plain tensors: name another"
        ) from None
    fit = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    try:
        found = load_checkpoint(model, str(weights), strict=False, filter_fn=fit, weights_only=True)
    except Exception as error:
        raise ValueError(f"{weights} does not fit timm's {name}: {shorten(str(error), 200)}") from None
    if found.missing_keys:
        raise ValueError(f"{weights} lacks {found.missing_keys[0]} of timm's {name}: name the model that it is of")
