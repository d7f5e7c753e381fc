"""The page of a run, made again from what lies in its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ssl_pipeline.api import Run
from ssl_pipeline.commands.runs import open_model, saved_folder_of
from ssl_pipeline.config.overrides import OptionsLike


def report(
    run: str | Path | Run,
    data: Any = None,
    options: OptionsLike | None = None,
    samples: int = 1000,
    map: str = "pca",
    device: str = "auto",
    trust: tuple[str, ...] = (),
    labels: Any = None,
) -> Path:
    """Write report.html into a run's folder: also of a run that was killed, from its last checkpoint.

    Args:
        run: the run's folder; in Python also a Run.
        data: where the data have moved, data=NAME data.root=... as in training; in Python also a folder or
            whatever pretrain takes.
        options: of the data set, in Python: {"data.root": ...}.
        samples: test samples whose latents are shown.
        map: of the latents, pca or umap.
        device: cpu, cuda ... or auto.
        trust: packages of your own whose classes the run may name, with commas between them.
        labels: in Python, one for each sample of data that is passed itself.
    """
    from ssl_pipeline.config.saved import read_saved
    from ssl_pipeline.inference.dataset import data_of
    from ssl_pipeline.report.page import require_page, write_report

    if map not in ("pca", "umap") or samples < 3:
        raise ValueError(f"map={map} samples={samples}: expected pca or umap, and at least 3 samples")
    require_page("report.html")
    folder = saved_folder_of(run)
    graphs, sets = {}, {}
    for name in [*read_saved(folder, trust).config.get("sets", {})] or [None]:
        model = open_model(run, name, trust, device)
        if model.held is not None:
            raise ValueError(f"{folder} holds one exported part alone: name the run's folder")
        found = data_of(model, data, options, labels)
        graphs[name or found.name], sets[name or found.name] = model.graph, found
    return write_report(folder, graphs, sets, samples, map)
