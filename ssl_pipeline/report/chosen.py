"""What a model that chooses its data has chosen."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from ssl_pipeline.data import Data, Stream
from ssl_pipeline.report.pictures import drawn, figure, legend_below, styled
from ssl_pipeline.report.sheets import Form, Sheet, sheet
from ssl_pipeline.report.tidy import Curve, read_tidy, under
from ssl_pipeline.structures.batch import as_float

SAMPLES_SHOWN = 8
CLASSES = 10
"""Classes whose shares are drawn; of more than these the largest and the smallest in the end."""


class Chosen(NamedTuple):
    """What is shown of it."""

    rounds: str  # a drawing of what each round's draws are made of, as a data URI
    most: Sheet | None  # samples that were drawn most often, and least often; None before the first round's end
    times: tuple[float, float] | None  # draws of one of those, mean


def chosen_data(folder: Path, data: Data) -> Chosen | None:
    """From ``curation.csv`` and ``curation.npz`` in a run's folder; None where nothing was chosen."""
    found = read_tidy(folder / "curation.csv")
    if not found or isinstance(data.train, Stream):
        return None
    sheet_of, times, file = None, None, folder / "curation.npz"
    if file.is_file():
        counts = np.load(file, allow_pickle=False)["drawn"]
        if len(counts) == len(data.train) and counts.any():
            order = torch.as_tensor(counts).argsort(stable=True)
            least, most = order[:SAMPLES_SHOWN], order.flip(0)[:SAMPLES_SHOWN]
            sheet_of = sheet("", {"most": _form(data, most), "least": _form(data, least)}, data)
            times = float(counts[most.numpy()].mean()), float(counts[least.numpy()].mean())
    return Chosen(_drawing(found), sheet_of, times)


def _form(data: Data, rows: torch.Tensor) -> Form:
    assert not isinstance(data.train, Stream)
    batch = data.train[rows]
    return Form(as_float(batch.x, data.grid), batch.valid)


def _outermost(shares: Mapping[str, Curve], count: int = CLASSES) -> dict[str, Curve]:
    """Of many curves those that end lowest and highest.

    >>> [*_outermost({name: Curve([0], [share]) for name, share in zip("abcd", (3.0, 1.0, 4.0, 2.0))}, count=2)]
    ['b', 'c']
    """
    order = sorted(shares, key=lambda name: shares[name].values[-1])
    kept = order if len(order) <= count else [*order[: count // 2], *order[-count // 2 :]]
    return {name: shares[name] for name in shares if name in kept}


def _drawing(found: Mapping[str, Curve]) -> str:
    """Shares of junk and classes, and how many samples the draws amount to."""
    found = dict(found)
    sizes = {name: found[name] for name in ("effective", "distinct") if name in found}
    junk = {"junk": found["junk_share"]} if "junk_share" in found else {}
    panels = {"samples drawn, of all": sizes, "share of the draws": junk | _outermost(under(found, "share/"))}
    panels = {title: some for title, some in panels.items() if some}
    with styled():
        drawing = figure(4.0 * len(panels), 3.2)
        for axis, (title, some) in zip(drawing.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
            for name, curve in some.items():
                axis.plot(*curve, "k" if name == "junk" else "-", linewidth=2 if name == "junk" else 1, label=name)
            axis.set_ylim(bottom=0)
            axis.set_title(title)
            axis.set_xlabel("step")
            legend_below(axis)
    return drawn(drawing)
