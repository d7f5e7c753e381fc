"""Photometric jitter: the hue is turned, then all other changes of a sample are one affine map of its channels."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from ssl_pipeline.corruptions._validation import interval
from ssl_pipeline.corruptions.base import Range, draw


def luma(rgb: Float[Tensor, "B 3 *rest"]) -> Float[Tensor, "B 1 *rest"]:
    """Brightness of a colour, ITU-R BT.601."""
    red, green, blue = rgb.split(1, dim=1)
    return 0.299 * red + 0.587 * green + 0.114 * blue


def hue_turned(rgb: Float[Tensor, "B 3 *rest"], turns: Float[Tensor, "B"]) -> Float[Tensor, "B 3 *rest"]:
    """Colours whose hue is turned on the circle of HSV; largest and smallest channel stay what they are.

    >>> red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    >>> hue_turned(red, torch.tensor([1 / 3])).flatten().round()
    tensor([0., 1., 0.])
    """
    red, green, blue = rgb.unbind(1)
    high, low = rgb.amax(1), rgb.amin(1)
    chroma = high - low
    part = chroma.clamp(min=1e-8)
    sixths = torch.where(high == green, 2 + (blue - red) / part, 4 + (red - green) / part)
    sixths = torch.where(high == red, (green - blue) / part, sixths)
    sixths = sixths + 6 * turns.to(rgb.dtype).view(-1, *[1] * (rgb.ndim - 2))
    away = [(sixths + place).remainder(6) for place in (5, 3, 1)]
    return torch.stack([high - chroma * torch.minimum(k, 4 - k).clamp(0, 1) for k in away], dim=1)


def toward_grey(matrix: Float[Tensor, "B 3 3"], keep: Float[Tensor, "B"]) -> Float[Tensor, "B 3 3"]:
    """``matrix``, then a mix of its colour (``keep`` = 1) and the luma of that (``keep`` = 0)."""
    return torch.lerp(luma(matrix).expand_as(matrix), matrix, keep.view(-1, 1, 1))


def affine(
    x: Float[Tensor, "B C *grid"], matrix: Float[Tensor, "B c c"], offset: Float[Tensor, "B"]
) -> Float[Tensor, "B C *grid"]:
    """``matrix @ x + offset`` over the channels; a 1 x 1 matrix scales any number of them."""
    out = offset.to(x.dtype).view(-1, 1, 1)
    flat, matrix = x.flatten(2), matrix.to(x.dtype)
    if matrix.shape[-1] == 1:
        return torch.addcmul(out, matrix, flat).view(x.shape)
    for c in range(matrix.shape[-1]):  # not bmm: autocast would take the image to half precision
        out = torch.addcmul(out, matrix[:, :, c : c + 1], flat[:, c : c + 1])
    return out.view(x.shape)


def blur(x: Float[Tensor, "B C *grid"], sigma: Float[Tensor, "B"], radius: int) -> Float[Tensor, "B C *grid"]:
    """Gaussian blur along the last two axes (of a video: within each frame); the border continues.

    Args:
        sigma: standard deviation in cells, of each sample its own.
        radius: cells to either side that are looked at.
    """
    taps = torch.arange(-radius, radius + 1, device=x.device)
    weight = torch.exp(-0.5 * (taps / sigma.clamp(min=1e-3).unsqueeze(1)).square())
    weight = (weight / weight.sum(1, keepdim=True)).to(x.dtype)
    for dim in range(max(2, x.ndim - 2), x.ndim):
        size = x.shape[dim]
        inside = torch.arange(-radius, size + radius, device=x.device).clamp(0, size - 1)
        padded = x.index_select(dim, inside)
        x = torch.zeros_like(x)
        for tap in range(2 * radius + 1):
            x = torch.addcmul(x, padded.narrow(dim, tap, size), weight[:, tap].view(-1, *[1] * (x.ndim - 1)))
    return x


class Photometric:
    """Brightness, contrast, saturation, hue, grayscale and blur, after SimCLR, https://arxiv.org/abs/2002.05709.

    The hue is turned first, on the circle of HSV; the other colour changes are composed into one matrix, as in
    https://arxiv.org/abs/2006.06676, and clamped once.

    Args:
        range: smallest and largest value of the data.
        signal: values swing around zero, so only the gain changes: ``brightness`` does nothing, and ``contrast`` is
            about zero.
        log: values are logarithms of power: ``brightness`` is the largest relative change of the power.
        colour: three channels are RGB; otherwise ``saturation``, ``hue`` and ``grayscale`` do nothing.
        jitter: probability that brightness, contrast, saturation and hue of a sample change.
        brightness: largest relative change of the values; black, silence (0, where the range has it) stays.
        contrast: largest relative change of the distance to the sample's mean.
        saturation: largest relative change of the distance to grey.
        hue: largest turn of the hue; 0.5 is the other side of the circle.
        grayscale: probability that a sample loses its colour.
        blur: probability that a sample is blurred.
        blur_sigma: standard deviation of the blur in cells, drawn per sample.

    Raises:
        ValueError: an option outside its bounds.
    """

    def __init__(
        self,
        *,
        range: tuple[float, float],
        signal: bool = False,
        log: bool = False,
        colour: bool,
        jitter: float,
        brightness: float,
        contrast: float,
        saturation: float,
        hue: float,
        grayscale: float,
        blur: float,
        blur_sigma: Range,
    ) -> None:
        for option, value in {"jitter": jitter, "brightness": brightness, "contrast": contrast, "blur": blur}.items():
            interval(option, value, 0.0, 1.0)
        for option, value in {"saturation": saturation, "grayscale": grayscale}.items():
            interval(option, value, 0.0, 1.0)
        interval("hue", hue, 0.0, 0.5)
        self.range, self.colour, self.log, self.signal = range, colour, log, signal
        self.jitter, self.brightness, self.contrast = jitter, 0.0 if self.signal else brightness, contrast
        self.saturation, self.hue, self.grayscale = (saturation, hue, grayscale) if colour else (0.0, 0.0, 0.0)
        self.blur, self.blur_sigma = blur, interval("blur_sigma", blur_sigma, 0.0, math.inf)
        jitters = jitter > 0 and max(self.brightness, contrast, self.saturation, self.hue) > 0
        self.changes = jitters or self.grayscale > 0

    def __call__(self, x: Float[Tensor, "B C *grid"], generator: torch.Generator) -> Float[Tensor, "B C *grid"]:
        if self.changes:
            jittered = draw((0.0, 1.0), len(x), generator) < self.jitter
            if self.hue > 0:
                x = hue_turned(x, draw((-self.hue, self.hue), len(x), generator) * jittered)
            x = affine(x, *self._colour_map(x, jittered, generator)).clamp_(*self.range)
        if self.blur > 0:
            batch = x.shape[0]
            sigma = draw(self.blur_sigma, batch, generator) * (draw((0.0, 1.0), batch, generator) < self.blur)
            x = blur(x, sigma, radius=math.ceil(3 * self.blur_sigma[1]))
        return x

    def _colour_map(self, x: Tensor, jittered: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        batch, low, high = x.shape[0], *self.range

        def change(most: float) -> Tensor:
            return draw((-most, most), batch, generator) * jittered

        brightness, contrast = 1 + change(self.brightness), 1 + change(self.contrast)
        louder, brightness = (brightness.log(), torch.ones_like(brightness)) if self.log else (0.0, brightness)
        mean = x.mean(tuple(range(2, x.ndim)), dtype=torch.float32) * (not self.signal)
        gain = (brightness * contrast).view(-1, 1, 1)
        if self.colour:
            keep = (1 + change(self.saturation)) * (draw((0.0, 1.0), batch, generator) >= self.grayscale)
            matrix = gain * toward_grey(torch.eye(3, device=x.device).expand(batch, 3, 3), keep)
            mean = luma(mean).squeeze(1)
        else:
            matrix, mean = gain, mean.mean(1)
        # contrast * (brightness * (x - dark)) + (1 - contrast) * mean of brightness * (x - dark), then + dark
        dark = min(max(0.0, low), high)
        offset = (1 - contrast) * brightness * (mean - dark) + dark * (1 - brightness * contrast)
        return matrix, offset + louder
