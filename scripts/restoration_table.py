"""What the inverse models of a run restore on unseen samples, next to simple rules, as a table and a picture.

python scripts/restoration_table.py RUN --unseen noise-lowres          # with a mixture that the run was not trained on
python scripts/restoration_table.py RUN --picture restored.png
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn import functional as F

from ssl_pipeline import Model, View, load
from ssl_pipeline.config.build import build_part
from ssl_pipeline.config.compose import compose
from ssl_pipeline.corruptions import Corruption, LowRes, Reversal
from ssl_pipeline.data import sequential_batches
from ssl_pipeline.evaluation.restoration import decibels, span
from ssl_pipeline.inference.learned import views_leading_to
from ssl_pipeline.inference.modules import UNKNOWN
from ssl_pipeline.report import markdown
from ssl_pipeline.structures.batch import as_float, clean_view
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.structures.random import generator

NEARLY_SYMMETRIC = 0.1
"""Squared distance to the mirror image as a share of the variance, below which reversal cannot be seen."""


def main() -> None:
    """Print the table, write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--unseen", action="append", default=[], help="a corruption or chain outside the run")
    parser.add_argument("--samples", type=int, default=2000)
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args()
    model = load(asked.run)
    data = build_part("data", model.config["data"])
    batches = [*sequential_batches(data.test, 250, asked.samples)]
    clean = torch.cat([as_float(batch.x, model.grid) for batch in batches])
    real = [batch.valid for batch in batches if batch.valid is not None]
    valid = torch.cat(real) if len(real) == len(batches) else None
    seen = {name: made for name, made in model.graph.corruptions.items() if name in views_leading_to(model.graph)}
    unseen = {name: corruption(name, model.config, model.grid) for name in asked.unseen}
    shown, notes = [], []
    unit = "SNR" if model.grid.signal else "PSNR"
    print(markdown.table_head(f"{unit} in dB, {len(clean)} unseen samples", "corrupted", "a simple rule", "restored"))
    for name, made in {**seen, **unseen}.items():
        view = made(clean_view(model.grid, clean, valid), generator("cpu", 0, name))
        known = name if name in seen else UNKNOWN
        mask = view.mask if name in seen else None
        restored = model.restore(view.x, known, mask, view.valid)
        where = counted(view, valid)
        rule = simple(made, view, clean, model.grid)
        cells = [
            quality(x, clean, where, model.grid) for x in (view.x, *(() if rule is None else (rule[1],)), restored)
        ]
        before, *between, after = (f"{cell:.1f}" for cell in cells)
        label = name if name in seen else f"{name}, a mixture it has not seen"
        print(markdown.row(label, before, f"{rule[0]} {between[0]}" if rule else "", after))
        shown.append((label, view.x, restored))
        if isinstance(made, Reversal):
            notes.append(turned(made, model, clean, restored))
    print("\n" + "\n".join(notes))
    if asked.picture:
        picture(clean, shown, asked.picture, model)


def corruption(name: str, config: Mapping[str, Any], grid: GridSpec) -> Corruption:
    """One that the run has not; its parts have the options of the run's own where it has them."""
    leaf = compose([f"corruption={name}"])["corruption"][name]
    own = config["corruption"]
    for part in leaf:
        if isinstance(leaf[part], Mapping) and part in own:
            leaf[part] = own[part]
    return build_part("corruption", leaf).bind(grid)


def counted(view: View, valid: Tensor | None) -> Tensor:
    """Cells that count, (B, 1, *grid): of a masked view the masked ones, no padding."""
    where = torch.ones_like(view.x[:, :1], dtype=torch.bool)
    if view.mask is not None and view.source_coords is view.coords:
        where = where & view.mask.unsqueeze(1)
    return where if valid is None else where & valid.unsqueeze(1)


def simple(made: Corruption, view: View, clean: Tensor, grid: GridSpec) -> tuple[str, Tensor] | None:
    """What a rule without learning makes of what the corruption has left."""
    if view.mask is not None:
        return "as filled (with the mean, by default)", view.x
    if isinstance(made, LowRes) and len(made.factors) == 1 and not grid.log and grid.ndim < 3:
        pool, mode = ((F.avg_pool1d, "linear"), (F.avg_pool2d, "bicubic"))[grid.ndim - 1]
        return mode, F.interpolate(pool(clean, made.factors[0]), size=grid.shape, mode=mode)
    return None


def quality(x: Tensor, clean: Tensor, where: Tensor, grid: GridSpec) -> float:
    """Decibels over all samples together; images are cut off at their range."""
    x = x if grid.log or grid.signal else x.clamp(*grid.range)
    error = float(((x - clean).square() * where).sum() / (where.sum() * x.shape[1]))
    power = float((clean.square() * where).sum() / (where.sum() * x.shape[1])) if grid.signal else span(grid) ** 2
    return decibels(power, error)


def turned(made: Reversal, model: Model, clean: Tensor, restored: Tensor) -> str:
    """How often what is restored is closer to the sample than to its mirror image."""
    mirror = made(clean_view(model.grid, clean), torch.Generator()).x
    apart = (mirror - clean).square().flatten(1).mean(1) > NEARLY_SYMMETRIC * clean.var()
    closer = (restored - clean).square().flatten(1).mean(1) < (restored - mirror).square().flatten(1).mean(1)
    share = 100 * float(closer[apart].float().mean())
    return f"the right way round: {share:.1f} % of the {int(apart.sum())} samples that are not nearly symmetric"


def picture(clean: Tensor, shown: list[tuple[str, Tensor, Tensor]], file: Path, model: Model, count: int = 2) -> None:
    """Corrupted, restored and clean samples, some of each corruption side by side."""
    index = torch.linspace(0, len(clean) - 1, count * len(shown)).long()
    figure = Figure(figsize=(1.1 * len(index), 3.6), layout="constrained")
    axes = figure.subplots(3, len(index))
    for row, name in enumerate(("corrupted", "restored", "clean")):
        axes[row, 0].set_ylabel(name, fontsize=9)
    for column, sample in enumerate(index.tolist()):
        name, corrupted, restored = shown[column // count]
        for axis, x in zip(axes[:, column], (corrupted, restored, clean), strict=True):
            draw(axis, x[sample], model.grid)
        if column % count == 0:
            axes[0, column].set_title(name.replace(", ", ",\n"), fontsize=9, loc="left")
    figure.savefig(file, dpi=100)


def draw(axis: Axes, sample: Tensor, grid: GridSpec) -> None:
    """An image, a spectrogram with its low bands below, or a signal."""
    if grid.ndim == 2:
        low, high = grid.range
        origin = "lower" if grid.log else "upper"
        axis.imshow(sample.permute(1, 2, 0).clamp(low, high), "gray", vmin=low, vmax=high, origin=origin, aspect="auto")
    else:
        axis.plot(sample[0], linewidth=0.5)
        axis.set_ylim(*grid.range)
    axis.set_xticks([])
    axis.set_yticks([])


if __name__ == "__main__":
    main()
