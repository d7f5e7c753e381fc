"""The page of a run, made again from what lies in its folder."""

from __future__ import annotations

from pathlib import Path

import yaml

from ssl_pipeline.cli.commands.dataset import data_of
from ssl_pipeline.cli.commands.files import device_of
from ssl_pipeline.inference.load import load
from ssl_pipeline.report import write_report


def report(
    run: Path,
    overrides: list[str] | None = None,
    samples: int = 1000,
    map: str = "pca",
    device: str = "auto",
    trust: tuple[str, ...] = (),
) -> None:
    """Write report.html into a run's folder: also of a run that was killed, from its last checkpoint.

    Args:
        run: the run's folder.
        overrides: written data=NAME data.root=... as in training, where the data have moved.
        samples: test samples whose latents are shown.
        map: of the latents, pca or umap.
        device: cpu, cuda ... or auto.
        trust: packages of your own whose classes the run may name, with commas between them.
    """
    if map not in ("pca", "umap") or samples < 3:
        raise ValueError(f"map={map} samples={samples}: expected pca or umap, and at least 3 samples")
    config = run / "config.yaml"
    names = [*yaml.safe_load(config.read_text()).get("sets", {})] if config.is_file() else []
    graphs, sets = {}, {}
    for name in names or [None]:
        model = load(run, name, trust=trust).to(device_of(device))
        if model.held is not None:
            raise ValueError(f"{run} holds one exported part alone: name the run's folder")
        data = data_of(model, overrides or [])
        graphs[name or data.name], sets[name or data.name] = model.graph, data
    print(write_report(run, graphs, sets, samples, map))
