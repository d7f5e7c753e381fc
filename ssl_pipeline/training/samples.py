"""A few samples of the test set to look at or listen to: clean, corrupted, restored."""

from __future__ import annotations

from pathlib import Path

from ssl_pipeline.data import Data
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.report import forms


def write_samples(graph: Graph, data: Data, folder: Path, count: int = 4) -> None:
    """Write ``NUMBER_clean``, ``NUMBER_VIEW`` and ``NUMBER_VIEW_restored`` in the data's own kind of file.

    Args:
        graph: in evaluation mode.
        data: nothing is written where it has no codec.
        folder: is made.
        count: samples, spread over the test set.
    """
    if data.codec is None or data.test is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name, form in forms(graph, data, count).items():
        for i in range(len(form.x)):
            data.codec.write(folder / f"{i}_{name}", form.x[i], None if form.valid is None else form.valid[i])
