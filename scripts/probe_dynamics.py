"""How stacks of linear maps learn: tables, and figures in a folder.

python scripts/probe_dynamics.py                       # all studies, some minutes on one core
python scripts/probe_dynamics.py --only depth,steps    # some of them
python scripts/probe_dynamics.py --quick               # tries that everything runs; its numbers say little

depth       what passes stacks, forth and back, with and without gradient protection and norms (M23, M24, M25)
echo        one label for all samples, with and without a head that gives the input back (M19, M23)
bits        one bit a try against a gradient, by number of weights (M22)
stability   by how much an epoch changes the activations of the same samples (M26)
steps       how far one step moves the weights of each layer (M27)
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import dynamics_bits
import dynamics_depth
import dynamics_echo
import dynamics_stability
import dynamics_steps
from dynamics_stacks import Digits, digits
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from ssl_pipeline.diagnostics.judge import VANISHED
from ssl_pipeline.report import markdown
from ssl_pipeline.report.pictures import figure, styled


class Shown(NamedTuple):
    """A table of one study and its figure."""

    head: list[str]
    rows: list[list[str]]
    figure: Figure


def depth(data: Digits, quick: bool) -> Shown:
    """Stacks before training, and what they learn."""
    depths, steps = ((2, 5), 5) if quick else ((2, 5, 10, 30), 100)
    found = [*dynamics_depth.sweep(data, depths, steps)]
    head = ["behind each map", "depth", "S", "gradient first/last", "fourth/last", "log10 activations"]
    head += ["gradient first", "gradient last", "weights", f"test accuracy after {steps} steps, %"]
    rows = []
    for one in found:
        sizes = one.activations[-1], one.gradients[0], one.gradients[-1], one.weights[-1]
        ratios = f"{one.ratio():.2g}", f"{one.ratio(3):.2g}"
        cells = [f"{one.shares[-1]:.1e}", *ratios, *(f"{size:.1f}" for size in sizes), f"{one.accuracy:.1f}"]
        rows.append([one.kind, str(one.depth), *cells])
    drawing = figure(9.6, 2.6)
    panels = {"S": "shares", "log10 rms of activations": "activations", "log10 rms of weight gradients": "gradients"}
    for axis, (title, field) in zip(drawing.subplots(1, len(panels)), panels.items(), strict=True):
        for one in found:
            if one.depth == depths[-1]:
                numbers = getattr(one, field)
                axis.plot(range(1, len(numbers) + 1), numbers, label=one.kind)
        axis.set(title=title, xlabel="map", yscale="log" if field == "shares" else "linear")
    drawing.axes[0].legend()
    return Shown(head, rows, drawing)


def echo(data: Digits, quick: bool) -> Shown:
    """Hidden variance under one label for all."""
    found = [*dynamics_echo.sweep(data, steps=5 if quick else 600, seeds=1 if quick else 3)]
    head = ["optimiser", "loss of the label", "echo", "hidden variance before", "after", "S before", "after"]
    rows = []
    for one in found:
        numbers = [f"{value:.2g}" for value in (*one.variance, *one.share)]
        rows.append([one.optimizer, one.loss, "yes" if one.echo else "no", *numbers])
    drawing = figure(6.4, 2.8)
    axis = drawing.subplots()
    names = [f"{one.optimizer}\n{one.loss.split(',')[0]}" for one in found[::2]]
    for shift, label, some in ((-0.2, "label alone", found[::2]), (0.2, "with an echo", found[1::2])):
        axis.bar([i + shift for i in range(len(some))], [one.share[1] for one in some], width=0.4, label=label)
    axis.axhline(VANISHED, color="0.4", linestyle="--", linewidth=1)
    axis.set_title("S of the last hidden layer after training", loc="left")
    axis.set(yscale="log", xticks=range(len(names)))
    axis.set_xticklabels(names, fontsize=6)
    axis.legend(ncols=2, loc="lower right", bbox_to_anchor=(1.0, 1.0))
    return Shown(head, rows, drawing)


def bits(data: Digits, quick: bool) -> Shown:
    """Evaluations to a tenth of the variance."""
    sizes, seeds, most = ((4, 8), 1, 500) if quick else ((8, 16, 32, 64, 128, 256), 5, 50_000)
    found = [*dynamics_bits.curves(sizes, seeds, most)]
    head = ["task", "learner", "weights", "evaluations to a loss of 0.1", "exponent"]
    rows = []
    drawing = figure(3.2 * len(dynamics_bits.TASKS), 2.6)
    panels = dict(zip(dynamics_bits.TASKS, drawing.subplots(1, len(dynamics_bits.TASKS)), strict=True))
    for one in found:
        numbers = [" ".join(f"{value:.0f}" for value in some) for some in (one.weights, one.evaluations)]
        rows.append([one.task, one.learner, *numbers, f"{one.exponent:.2f}"])
        label = f"{one.learner}: weights^{one.exponent:.2f}"
        panels[one.task].loglog(one.weights, one.evaluations, "o-", markersize=3, label=label)
        panels[one.task].set(title=one.task, xlabel="weights", ylabel="evaluations")
        panels[one.task].xaxis.set_minor_formatter(NullFormatter())
        panels[one.task].legend()
    return Shown(head, rows, drawing)


def stability(data: Digits, quick: bool) -> Shown:
    """D between epochs."""
    found = [*dynamics_stability.sweep(data, epochs=3 if quick else 40)]
    head = ["stack", "learning rate", "D in training, mean", "first 5", "last 5"]
    head += ["D in evaluation, mean", "first 5", "last 5"]
    rows = []
    drawing = figure(6.4, 2.6)
    panels = dict(zip(dynamics_stability.RATES, drawing.subplots(1, 2, sharey=True), strict=True))
    for one in found:
        some = [part for values in (one.training, one.evaluation) for part in (values, values[:5], values[-5:])]
        rows.append([one.row, f"{one.rate:g}", *(f"{mean(values):.3f}" for values in some)])
        panels[one.rate].semilogy(range(2, len(one.training) + 2), one.training, label=one.row)
        panels[one.rate].set(title=f"D in training, learning rate {one.rate:g}", xlabel="epoch")
    drawing.axes[0].legend()
    return Shown(head, rows, drawing)


def steps(data: Digits, quick: bool) -> Shown:
    """Relative size of steps."""
    depths = (2, 3) if quick else (10, 30)
    found = [*dynamics_steps.sweep(data, depths, steps=3 if quick else 100)]
    head = ["behind each map", "depth", "optimiser", "relative step, first map", "last", "least", "most", "decades"]
    rows = []
    drawing = figure(6.4, 2.6)
    panels = dict(zip(dynamics_steps.OPTIMIZERS, drawing.subplots(1, 2), strict=True))
    for one in found:
        numbers = one.updates[0], one.updates[-1], min(one.updates), max(one.updates)
        cells = [f"{value:.1e}" for value in numbers]
        rows.append([one.kind, str(one.depth), one.optimizer, *cells, f"{one.decades:.2f}"])
        if one.depth == depths[-1]:
            panels[one.optimizer].semilogy(range(1, one.depth + 1), one.updates, label=one.kind)
            panels[one.optimizer].set(title=f"|dW|/|W|, {one.optimizer}", xlabel="map")
    drawing.axes[0].legend()
    return Shown(head, rows, drawing)


STUDIES: dict[str, Callable[[Digits, bool], Shown]] = {
    "depth": depth,
    "echo": echo,
    "bits": bits,
    "stability": stability,
    "steps": steps,
}


def main() -> None:
    """Print tables, write figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(STUDIES), help="studies, parted by commas; default: all")
    parser.add_argument("--quick", action="store_true", help="a few steps of each")
    parser.add_argument("--out", type=Path, default=Path("outputs/probe_dynamics"), help="folder of the figures")
    asked = parser.parse_args()
    names = asked.only.split(",")
    if unknown := [name for name in names if name not in STUDIES]:
        parser.error(f"there is no study {', '.join(unknown)}; studies are {', '.join(STUDIES)}")
    asked.out.mkdir(parents=True, exist_ok=True)
    data = digits()
    for name in names:
        began = time.perf_counter()
        with styled():
            shown = STUDIES[name](data, asked.quick)
            shown.figure.savefig(asked.out / f"{name}.svg")
        print(f"\n{name}, {time.perf_counter() - began:.0f} s\n\n{table(shown)}", flush=True)


def table(shown: Shown) -> str:
    """Markdown."""
    return "\n".join([markdown.table_head(*shown.head), *(markdown.row(*cells) for cells in shown.rows)])


if __name__ == "__main__":
    main()
