"""Possibility space: the accuracy of families of models against their size, and whether they cover a function.

python scripts/probe_capacity.py                                  # all families and targets; a few minutes
python scripts/probe_capacity.py --families 'tanh;bilinear' --targets product --sizes 1,2,4,8,16,32,64,128,256

A family that holds the function jumps to all digits at some size; one that only approaches it creeps up a sigmoid.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import product
from pathlib import Path

import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn

from ssl_pipeline.lab.diagnostics.capacity import Errors, Family, Target, capacity
from ssl_pipeline.lab.diagnostics.coverage import Coverage, judged
from ssl_pipeline.lab.layers import LowRankBilinear, ProductGate
from ssl_pipeline.report import markdown
from ssl_pipeline.report.pictures import figure


class Sine(nn.Module):
    """As an activation (arXiv 2006.09661)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sin()


def hidden(activation: Callable[[], nn.Module]) -> Family:
    """MLPs with one hidden layer, whose width is the size."""
    return lambda inputs, size: nn.Sequential(nn.Linear(inputs, size), activation(), nn.Linear(size, 1))


FAMILIES: dict[str, Family] = {
    "relu": hidden(nn.ReLU),
    "tanh": hidden(nn.Tanh),
    "sine": hidden(Sine),
    "bilinear": lambda inputs, size: LowRankBilinear(inputs, size, 1),
    "product gate": lambda inputs, size: nn.Sequential(ProductGate(inputs, size), nn.Linear(size, 1)),
}


def smooth(function: Callable[[Tensor], Tensor], inputs: int) -> Callable[[], Target]:
    """A function (N, D) to (N,) on points drawn evenly from -1 to 1: 256 to fit, 1000 held out."""

    def draw() -> Target:
        x = torch.rand(1256, inputs, generator=torch.Generator().manual_seed(0)) * 2 - 1
        y = function(x.double())[:, None]
        return Target(x[:256], y[:256], x[256:], y[256:])

    return draw


def table(function: Callable[[Tensor], Tensor], inputs: int, held: bool) -> Callable[[], Target]:
    """A function of -1 and 1 on the whole truth table; ``held``: half of it is fitted, the other half asked for."""

    def rows() -> Target:
        x = torch.tensor([*product([-1.0, 1.0], repeat=inputs)])
        y = function(x)[:, None]
        seen, other = torch.randperm(len(x), generator=torch.Generator().manual_seed(0)).chunk(2)
        return Target(x[seen], y[seen], x[other], y[other]) if held else Target(x, y, x, y)

    return rows


TARGETS: dict[str, Callable[[], Target]] = {
    "linear": smooth(lambda x: x @ torch.tensor([1.0, -2.0, 0.5], dtype=x.dtype), 3),
    "product": smooth(lambda x: x[:, 0] * x[:, 1], 2),
    "two products": smooth(lambda x: x[:, 0] * x[:, 1] + x[:, 2] * x[:, 3], 4),
    "sine": smooth(lambda x: (4 * x[:, 0]).sin(), 1),
    "xor": table(lambda x: x.prod(1), 2, held=False),
    "parity": table(lambda x: x.prod(1), 6, held=False),
    "parity, half held out": table(lambda x: x[:, :3].prod(1), 6, held=True),
}


def main() -> None:
    """Measure, print the table, draw the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", type=words, default=[*FAMILIES], help=f"of {'; '.join(FAMILIES)}")
    parser.add_argument("--targets", type=words, default=[*TARGETS], help=f"of {'; '.join(TARGETS)}")
    parser.add_argument("--sizes", default="1,2,3,4,6,8,12,16,24", help="7 or more")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="seven sizes and one seed, to see that it works")
    parser.add_argument("--out", type=Path, default=Path("outputs/probe_capacity"), help="folder of the plot")
    asked = parser.parse_args()
    for some, every in ((asked.families, FAMILIES), (asked.targets, TARGETS)):
        if unknown := [name for name in some if name not in every]:
            parser.error(f"there is no {', '.join(unknown)}; there are {'; '.join(every)}")
    sizes = [1, 2, 3, 4, 6, 8, 12] if asked.quick else [int(size) for size in asked.sizes.split(",")]
    seeds = range(1 if asked.quick else asked.seeds)
    drawing = figure(2.4 * len(asked.families), 2.1 * len(asked.targets))
    grid = drawing.subplots(len(asked.targets), len(asked.families), squeeze=False, sharex=True, sharey=True)
    first, *more = map(str, sizes)
    digits = f"right digits by size: {first}", *more
    print(markdown.table_head("target", "family", "best error", *digits, "AIC of step", "of logistic", "covered"))
    for line, target in enumerate(asked.targets):
        for column, family in enumerate(asked.families):
            errors = capacity(FAMILIES[family], TARGETS[target](), sizes, seeds)
            verdict = judged(errors)
            cells = [f"{errors.best:.0e}", *(f"{some:.1f}" for some in verdict.digits[1:])]
            cells += [f"{verdict.step.aic:.1f}", f"{verdict.logistic.aic:.1f}", "yes" if verdict.covered else "no"]
            print(markdown.row(target, family, *cells), flush=True)
            draw(grid[line, column], errors, verdict, f"{target}: {family}")
    asked.out.mkdir(parents=True, exist_ok=True)
    drawing.axes[0].legend(fontsize=6)
    drawing.supxlabel("parameters")
    drawing.supylabel("right digits, held out")
    drawing.savefig(asked.out / "capacity.png", dpi=110)


def words(text: str) -> list[str]:
    """Names parted by semicolons."""
    return [part.strip() for part in text.split(";")]


def draw(axis: Axes, errors: Errors, verdict: Coverage, title: str) -> None:
    """The curve with both fits."""
    sizes = np.array([1, *errors.parameters])
    fine = np.linspace(0, np.log2(sizes[-1]), 400)
    axis.plot(2**fine, verdict.step.at(fine), label="step")
    axis.plot(2**fine, verdict.logistic.at(fine), label="logistic")
    axis.plot(sizes, verdict.digits, "k.", label="best of seeds")
    axis.set_xscale("log", base=2)
    axis.set_title(f"{title}{', covered' if verdict.covered else ''}", fontsize=7)


if __name__ == "__main__":
    main()
