"""How well halves and translators undo each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ssl_pipeline.api import Run
from ssl_pipeline.commands.runs import folder_of, open_model
from ssl_pipeline.utils.extras import require
from ssl_pipeline.utils.places import writable

if TYPE_CHECKING:
    from ssl_pipeline.inference.model import Model
    from ssl_pipeline.report.cycle_table import CycleTable


def cycles(
    run: str | Path | Run | Model,
    samples: int = 500,
    out: str | Path | None = None,
    device: str = "auto",
    set: str | None = None,
    trust: tuple[str, ...] = (),
) -> CycleTable:
    """Cut a graph at every place: errors of samples through both halves and back, and of what passes the cut.

    Gives tables and writes ``cycles.csv`` and ``cycles.png``; of runs with translators between two views also their
    errors there and back.

    Args:
        run: the run's folder; in Python also a Run or a Model.
        samples: test samples (of training ones, where there are no others), 2 at least.
        out: folder of the files; by default the run's.
        device: cpu, cuda ... or auto.
        set: name of the data set, of a run on several.
        trust: packages of your own whose classes the run may name, with commas between them.
    """
    from ssl_pipeline.report.cycle_table import measure_cycles

    if samples < 2:
        raise ValueError(f"samples={samples}: expected at least 2, for errors are shares of the variance between them")
    home = folder_of(run)
    if out is None and home is None:
        raise ValueError("expected out=..., for a model in memory has no folder of its own")
    folder = writable(Path(str(home if out is None else out)))
    require("matplotlib", "report", "cycles.png")
    model = open_model(run, set, trust, device)
    if model.held is not None:
        raise ValueError(f"{home} holds one exported part alone, and a cycle needs both halves: name the run's folder")
    table = measure_cycles(model, samples, folder)
    table.write()
    return table
