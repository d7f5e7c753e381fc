"""Crop: a window of the sample, stretched to the grid, mirrored and recoloured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

import torch
from jaxtyping import Bool
from torch import Tensor

from ssl_pipeline.config.registry import register
from ssl_pipeline.corruptions._photometric import Photometric
from ssl_pipeline.corruptions._resample import Lines, along, interpolate, place, pooled, take
from ssl_pipeline.corruptions._validation import axis_dims, interval
from ssl_pipeline.corruptions._window import Span, clamped, fractions, kept, mirrored, stretched, valid_extent
from ssl_pipeline.corruptions.base import Corruption, Range, draw
from ssl_pipeline.structures.batch import View
from ssl_pipeline.structures.grid import GridSpec


@register("corruption", "crop")
class Crop(Corruption):
    """Random resized crop with mirror and photometric jitter, after SimCLR, https://arxiv.org/abs/2002.05709.

    ``params`` give the window as fractions of each axis (``x_start``, ``x_size``) and ``flip`` (0 or 1). A window
    stays clear of padding. Where it is not resampled, the output cells that it leaves free are ``valid`` = False
    and hold the mask token or repeat the last cell.

    ``coords`` is that of the ``output_grid``, which does not tell where the window lay. With another ``size``
    (multi-crop, SwAV, https://arxiv.org/abs/2006.09882) a stretched view spans the same extent in other steps, as
    DINO's local crops do (https://arxiv.org/abs/2104.14294), and one that is not resampled starts from 0 in the same.

    Args:
        axes: names of the axes that are cropped; None: all, but only the last where the last two have different
            spacings, as those of a spectrogram have.
        scale: fraction of the volume (area, duration, tokens) in the window, drawn per sample.
        ratio: bounds of the aspect of the last two axes that are cropped, relative to the grid's own. Volume and aspect
            are drawn until the window fits, as by torchvision's ``RandomResizedCrop``.
        size: output cells, one integer for the axes that are cropped or one per axis; below 1.0 a share of the
            input's cells; None: as the input.
        resample: True stretches the window over the output (``output_grid`` keeps the extent), False keeps its cells
            (``output_grid`` keeps the spacing); None: stretch continuous grids of two or more axes with the same
            spacing of the last two, so that sound keeps its pace.
        flip: probability that the last axis is mirrored; None: 0.5 on two or more axes with the same spacing of the
            last two, else 0.
        jitter: probability that brightness, contrast, saturation and hue change (never on discrete grids).
        brightness: largest relative change of the values; of the power on a grid of logarithms; none on signals.
        contrast: largest relative change of the distance to the sample's mean; of the gain on signals.
        saturation: largest relative change of the distance to grey; three channels (RGB) only.
        hue: largest turn of the hue (that of HSV), 0.5 being the other side of the circle; three channels only.
        grayscale: probability of losing the colour; three channels only.
        blur: probability of a Gaussian blur.
        blur_sigma: its standard deviation in cells, drawn per sample.

    Raises:
        ValueError: an option outside its bounds; ``resample`` on a discrete grid or on more than three axes; an axis
            that the grid does not have; without ``resample``, another ``size`` of an axis that is not cropped.

    >>> from ssl_pipeline.structures.batch import clean_view
    >>> grid = GridSpec.of(("y", 28), ("x", 28), channels=1)
    >>> crop = Crop(size=14).bind(grid)
    >>> crop(clean_view(grid, torch.rand(4, 1, 28, 28)), torch.Generator()).x.shape, crop.output_grid.axes[0].spacing
    (torch.Size([4, 1, 14, 14]), 2.0)
    >>> crop.corruption_params
    ('y_start', 'y_size', 'x_start', 'x_size', 'flip')
    """

    def __init__(
        self,
        *,
        axes: Sequence[str] | None = None,
        scale: Range = (0.2, 1.0),
        ratio: Range = (0.75, 1.3333),
        size: int | float | Sequence[int] | None = None,
        resample: bool | None = None,
        flip: float | None = None,
        jitter: float = 0.8,
        brightness: float = 0.4,
        contrast: float = 0.4,
        saturation: float = 0.4,
        hue: float = 0.1,
        grayscale: float = 0.2,
        blur: float = 0.0,
        blur_sigma: Range = (0.1, 2.0),
    ) -> None:
        self.axes, self.size, self.resample = axes, size, resample
        self.scale = interval("scale", scale, 1e-6, 1.0)
        self.ratio = interval("ratio", ratio, 1e-3, 1e3)
        self.mirror = None if flip is None else interval("flip", flip, 0.0, 1.0)[0]
        self.changes = {
            "jitter": jitter,
            "brightness": brightness,
            "contrast": contrast,
            "saturation": saturation,
            "hue": hue,
            "grayscale": grayscale,
            "blur": blur,
            "blur_sigma": blur_sigma,
        }

    def setup(self) -> None:
        """Which axes are cropped and how, and the grid of the output."""
        grid = self.grid
        alike = grid.ndim == 1 or math.isclose(grid.axes[-2].spacing, grid.axes[-1].spacing)
        dims = axis_dims(self.axes, grid, default=grid.names if alike else grid.names[-1:])
        self.cropped = [dim in dims for dim in range(-grid.ndim, 0)]
        self.flip = (0.5 if grid.ndim > 1 and alike else 0.0) if self.mirror is None else self.mirror
        if self.resample is None:
            self.resample = not grid.discrete and 2 <= grid.ndim <= 3 and alike
        if self.resample and (grid.discrete or grid.ndim > 3):
            raise ValueError(
                f"resample=True takes continuous grids of one to three axes, got "
                f"{'tokens' if grid.discrete else grid.names}: set resample=False"
            )
        self.output_grid = self._resized(grid, self.size)
        self.photometric = Photometric(
            range=grid.range,
            signal=grid.signal,
            log=grid.log,
            colour=grid.channels == 3 and not grid.log,
            **self.changes,
        )

    def _resized(self, grid: GridSpec, size: int | float | Sequence[int] | None) -> GridSpec:
        if size is None:
            return grid
        if isinstance(size, Sequence):
            shape = tuple(size)
        else:
            sides = (size if isinstance(size, int) else round(size * n) for n in grid.shape)
            shape = tuple(k if cut else n for k, n, cut in zip(sides, grid.shape, self.cropped, strict=True))
        if (isinstance(size, float) and size > 1) or len(shape) != grid.ndim or min(shape) < 1:
            raise ValueError(
                f"size needs a positive integer, a share of the cells up to 1.0, or {grid.ndim} integers, one per axis "
                f"{grid.names}, got {size}: set one of these"
            )
        if self.resample:
            return grid.resized(shape)
        for axis, n, cut in zip(grid.axes, shape, self.cropped, strict=True):
            if n != axis.size and not cut:
                raise ValueError(
                    f"size must keep the {axis.size} cells along {axis.name!r}, which is not cropped, got {n}: "
                    f"name it in axes or set resample=True"
                )
        return replace(grid, axes=tuple(axis._replace(size=n) for axis, n in zip(grid.axes, shape, strict=True)))

    @property
    def corruption_params(self) -> tuple[str, ...]:
        return (*(f"{name}_{end}" for name in self.grid.names for end in ("start", "size")), "flip")

    def __call__(self, view: View, generator: torch.Generator) -> View:
        spans = self._window(view, generator)
        flip = draw((0.0, 1.0), view.x.shape[0], generator) < self.flip
        x, valid, lines = (self._stretch if self.resample else self._cut)(view, spans, flip)
        if not self.grid.discrete:
            x = self.photometric(x, generator)
        box = [edge / n for span, n in zip(spans, self.grid.shape, strict=True) for edge in span]
        same = self.output_grid.shape == self.grid.shape
        return view._replace(
            x=x,
            coords=view.coords if same else self.output_grid.coordinates(x.device),
            source_coords=place(view.source_coords, lines),
            mask=None if view.mask is None else take(view.mask, lines),
            cell=None,
            visible=None,
            valid=valid,
            params={**view.params, **dict(zip(self.corruption_params, [*box, flip.float()], strict=True))},
        )

    def _window(self, view: View, generator: torch.Generator) -> list[Span]:
        batch = view.x.shape[0]
        sides = iter(fractions(self.scale, self.ratio, sum(self.cropped), batch, generator))
        spans = []
        for axis, cut in enumerate(self.cropped):
            if not cut:
                whole = torch.full((batch,), float(self.grid.shape[axis]), device=view.x.device)
                spans.append(Span(torch.zeros_like(whole), whole))
                continue
            side = next(sides)
            first, cells = (0.0, self.grid.shape[axis]) if view.valid is None else valid_extent(view.valid, axis)
            side = side * cells
            luck = draw((0.0, 1.0), batch, generator)
            if self.resample:
                spans.append(Span(first + luck * (cells - side), side))
            else:
                side = side.round().clamp(1, self.output_grid.shape[axis])
                spans.append(Span(first + (luck * (cells - side + 1)).floor(), side))
        return spans

    def _stretch(self, view: View, spans: list[Span], flip: Bool[Tensor, "B"]) -> tuple[Tensor, Tensor | None, Lines]:
        """The window interpolated at the output cells; against aliasing, several readings where it has more cells."""

        def lines(shape: Sequence[int]) -> Lines:
            read = [stretched(span, n) for span, n in zip(spans, shape, strict=True)]
            return [*read[:-1], mirrored(read[-1], spans[-1], flip)]

        out = self.output_grid.shape
        most = self.scale[1] ** (1 / sum(self.cropped))
        widest = [most if cut else 1.0 for cut in self.cropped]
        readings = [max(1, round(w * n / k)) for w, n, k in zip(widest, self.grid.shape, out, strict=True)]
        coarse = lines(out)
        fine = coarse if max(readings) == 1 else lines([n * k for n, k in zip(out, readings, strict=True)])
        x = pooled(interpolate(view.x, fine), readings)
        return x, None if view.valid is None else take(view.valid, coarse), coarse

    def _cut(self, view: View, spans: list[Span], flip: Bool[Tensor, "B"]) -> tuple[Tensor, Tensor | None, Lines]:
        """The window's own cells; the rest of the output is padding."""
        out = self.output_grid.shape
        read = [kept(span, n) for span, n in zip(spans, out, strict=True)]
        lines = [line for line, _ in read]
        lines[-1] = mirrored(lines[-1], spans[-1], flip)
        inside = [clamped(line, span) for line, span in zip(lines, spans, strict=True)]
        x = take(view.x, inside)
        if view.valid is None and self._fills():
            return x, None, lines
        valid = reduce(torch.logical_and, (along(real, axis, len(out)) for axis, (_, real) in enumerate(read)))
        if view.valid is not None:
            valid = valid & take(view.valid, inside)
        if self.grid.mask_token is not None:
            x = x.masked_fill(~valid, self.grid.mask_token)
        return x, valid, lines

    def _fills(self) -> bool:
        """Even the smallest window is as large as the output."""
        axes = sum(self.cropped)
        thin = 1.0 if axes == 1 else math.sqrt(min(self.ratio[0], 1 / self.ratio[1]))
        smallest = self.scale[0] ** (1 / axes) * min(1.0, thin)
        pairs = zip(self.grid.shape, self.output_grid.shape, self.cropped, strict=True)
        return all(round(smallest * n) >= k for n, k, cut in pairs if cut)
