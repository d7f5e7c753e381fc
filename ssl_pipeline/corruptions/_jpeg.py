"""JPEG without its entropy code, which loses nothing: colours, chroma at half size, cosines, rounding, and back."""

from __future__ import annotations

import math
from functools import cache

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8 for _ in range(4)),
)
_YCBCR = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))
_SIDE = 16  # of what is coded at once: a block of 8 x 8 at half size


@cache
def _cosines(device: torch.device) -> Float[Tensor, "64 64"]:
    """Orthonormal discrete cosines of blocks of 8 x 8, as one matrix."""
    k = torch.arange(8, dtype=torch.float64)
    line = torch.cos((2 * k + 1) * k.view(-1, 1) * math.pi / 16) / 2
    line[0] /= math.sqrt(2)
    return torch.kron(line, line).float().to(device)


def tables(quality: Float[Tensor, "B"], base: tuple[tuple[int, ...], ...]) -> Float[Tensor, "B 64"]:
    """Steps that libjpeg rounds to at a quality from 1 to 100.

    >>> tables(torch.tensor([50.0]), _LUMA)[0, :3]
    tensor([16., 11., 10.])
    """
    scale = torch.where(quality < 50, (5000 / quality).floor(), 200 - 2 * quality).view(-1, 1)
    steps = torch.tensor(base, dtype=torch.float32, device=quality.device).flatten()
    return ((steps * scale + 50) / 100).floor().clamp(1, 255)


def _coded(plane: Float[Tensor, "B F H W"], steps: Float[Tensor, "B 64"]) -> Float[Tensor, "B F H W"]:
    """Planes around 0, rounded to steps of their cosines and back to whole grey levels."""
    cosines = _cosines(plane.device)
    blocks = plane.unflatten(3, (-1, 8)).unflatten(2, (-1, 8)).transpose(3, 4)
    wave = blocks.flatten(4) @ cosines.T
    steps = steps.view(-1, 1, 1, 1, 64)
    found = ((wave / steps).round_() * steps) @ cosines
    return found.view(blocks.shape).transpose(3, 4).reshape(plane.shape).round_().clamp_(-128, 127)


def jpeg(x: Float[Tensor, "B C H W"], quality: Float[Tensor, "B"]) -> Float[Tensor, "B C H W"]:
    """Pictures from 0 to 1 as a JPEG file brings them back. Three channels are RGB, their chroma 4:2:0; otherwise each
    channel is a grey picture.

    Args:
        x: the pictures.
        quality: whole numbers from 1 (worst) to 100, as libjpeg and Pillow count.
    """
    height, width = x.shape[-2:]
    x = (255 * x).round().clamp_(0, 255)
    x = F.pad(x, (0, -width % _SIDE, 0, -height % _SIDE), mode="replicate")
    luma = tables(quality, _LUMA)
    if x.shape[1] != 3:
        found = _coded(x - 128, luma) + 128
    else:
        luminance, chroma = _mixed(x, _YCBCR).round_().split([1, 2], dim=1)
        small = (F.avg_pool2d(chroma, 2) + 0.01).round_()
        small = _coded(small, tables(quality, _CHROMA))[..., : -(-height // 2), : -(-width // 2)]
        # libjpeg weighs the nearer cell 3/4 and the farther 1/4, which is linear interpolation
        large = F.interpolate(small, scale_factor=2, mode="bilinear").round_()[..., :height, :width]
        light = (_coded(luminance - 128, luma) + 128)[..., :height, :width]
        found = _mixed(torch.cat([light, large], dim=1), _RGB)
    return found[..., :height, :width].round().clamp_(0, 255) / 255


def _mixed(x: Float[Tensor, "B 3 H W"], matrix: tuple[tuple[float, ...], ...]) -> Float[Tensor, "B 3 H W"]:
    weights = torch.tensor(matrix, device=x.device)
    return (weights @ x.flatten(2)).view(x.shape)
