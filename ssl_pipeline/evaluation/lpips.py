"""LPIPS: how far images lie apart in the features of a trained network, where its weights are at hand."""

from __future__ import annotations

import warnings
from functools import lru_cache
from pathlib import Path
from pickle import UnpicklingError

import torch
from jaxtyping import Float
from torch import Tensor, nn

_LEAST_SIDE = 31
"""Pixels that AlexNet's poolings need."""


def lpips(x: Float[Tensor, "B C H W"], clean: Float[Tensor, "B C H W"]) -> Float[Tensor, "B"] | None:
    """Distance of each image in AlexNet's features (arXiv 1801.03924), in percent.

    Args:
        x: between 0 and 1, of one channel or three.
        clean: what it should be.

    Returns:
        None where torchvision's weights of AlexNet do not lie in torch's cache, from which alone they are taken, for
        other numbers of channels, and for sides below 31 pixels.
    """
    if x.shape[1] not in (1, 3) or min(x.shape[2:]) < _LEAST_SIDE or (network := _network(_file())) is None:
        return None
    pair = (some.clamp(0, 1).expand(-1, 3, -1, -1) for some in (x, clean))
    return 100 * network.to(x.device)(*pair, normalize=True).flatten()


def _file() -> Path:
    from torchvision.models import AlexNet_Weights

    return Path(torch.hub.get_dir(), "checkpoints", Path(AlexNet_Weights.DEFAULT.url).name)


@lru_cache(maxsize=1)
def _network(file: Path) -> nn.Module | None:
    """That of torchmetrics; None without the file, which torchvision would download."""
    if not file.is_file():
        return None
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    try:
        with torch.random.fork_rng(devices=[]), torch.inference_mode(False):
            return LearnedPerceptualImagePatchSimilarity("alex").net
    except (OSError, EOFError, RuntimeError, UnpicklingError) as error:
        why = " ".join(str(error).split())
        warnings.warn(f"{file} is damaged ({why}), so LPIPS is left out: remove the file", stacklevel=2)
        return None
