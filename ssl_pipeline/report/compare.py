"""Several runs side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ssl_pipeline.config.saved import read_saved, read_summary
from ssl_pipeline.report.page import require_page, template
from ssl_pipeline.report.pictures import drawn, figure, legend_below, styled
from ssl_pipeline.report.probe_table import BALANCED_TITLES, PROBE_TITLES, Table, best_cells
from ssl_pipeline.report.tidy import Curve, read_tidy, under
from ssl_pipeline.utils.places import replace_text

ROWS = {"samples_per_s": "samples/s", "steps": "steps", "seconds": "seconds", "loss": "loss"}
COMPARED = {**PROBE_TITLES, **BALANCED_TITLES, "rankme": "RankMe", "std": "std"}
UNSEEN = ("seed", "resume", "debug", "report", "logger", "grid", "classes", "samples", "sets")
PANELS = {"loss": "loss", "online/knn": "kNN-20 on the way, %", "online/linear": "linear on the way, %"}


def compare_page(folders: Sequence[Path], file: Path) -> Path:
    """One page of several runs: what they scored, what they differ in, and their curves in one picture.

    Args:
        folders: of the runs, two at least.
        file: is written.

    Raises:
        FileNotFoundError: a folder without a configuration.
        ModuleNotFoundError: matplotlib or jinja2 is not installed.
        ValueError: fewer than two runs, a damaged file, or another ending.
    """
    require_page(file.name)
    if len(folders) < 2:
        raise ValueError(f"expected two runs at least, got {len(folders)}: name their folders")
    if file.suffix.lower() != ".html":
        raise ValueError(f"out={file}: the page is HTML: name a file that ends in .html")
    names = _names(folders)
    configs = [dict(flat(read_saved(folder).config)) for folder in folders]
    summaries = [read_summary(folder) for folder in folders]
    rows = [row for run in zip(names, folders, summaries, strict=True) for row in _by_set(*run)]
    shown, measured, found = (list(column) for column in zip(*rows, strict=True))
    page = template("compare.html.j2").render(
        names=names,
        scores=_scores(shown, measured),
        facts=_facts(names, summaries),
        differences=_differences(names, configs),
        curves=_curves(shown, found),
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    replace_text(file, page)
    return file


def _by_set(
    name: str, folder: Path, summary: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Curve]]]:
    """Name, numbers and curves of a run, or of each of its data sets."""
    curves = read_tidy(folder / "metrics.csv")
    if "sets" not in summary:
        yield name, summary, curves
    for part, measured in summary.get("sets", {}).items():
        yield f"{name}: {part}", measured, {**curves, **under(curves, f"{part}/")}


def _scores(names: Sequence[str], summaries: Sequence[Mapping[str, Any]]) -> Table:
    """A row a run, and one for each baseline: a number where all runs agree, else one a run, in their order."""
    order = sorted(COMPARED, key=lambda key: [*COMPARED].index(key.removesuffix("_balanced")))  # each beside its own
    shown = [key for key in order if any(key in s for s in summaries)]
    rows = [[name, *(_number(s.get(key)) for key in shown)] for name, s in zip(names, summaries, strict=True)]
    for suffix, label in (("raw", "raw input"), ("untrained", "untrained encoder")):
        cells = [[_number(s.get(f"{key}_{suffix}")) for s in summaries] for key in shown]
        if any(any(some) for some in cells):
            rows.append([label, *(some[0] if len({*some}) == 1 else " / ".join(some) for some in cells)])
    probes = [i for i, key in enumerate(shown, 1) if key not in ("rankme", "std")]
    return Table(["", *(COMPARED[key] for key in shown)], rows, best_cells(rows, probes))


def _facts(names: Sequence[str], summaries: Sequence[Mapping[str, Any]]) -> Table:
    shown = [key for key in ROWS if any(key in s for s in summaries)]
    restored = sorted({key for s in summaries for key in s if key.startswith(("psnr/", "snr/", "accuracy/"))})
    rows = [
        [name, *(_number(s.get(key)) for key in (*shown, *restored))] for name, s in zip(names, summaries, strict=True)
    ]
    return Table(["", *(ROWS[key] for key in shown), *restored], rows)


def _differences(names: Sequence[str], configs: Sequence[Mapping[str, Any]]) -> Table:
    """The options in which the runs differ, a row each."""
    keys = dict.fromkeys(key for config in configs for key in config if key.split(".")[0] not in UNSEEN)
    rows = []
    for key in keys:
        values = [config.get(key, "") for config in configs]
        if any(value != values[0] for value in values):
            rows.append([key, *map(str, values)])
    return Table(["", *names], rows)


def _curves(names: Sequence[str], found: Sequence[Mapping[str, Curve]]) -> str | None:
    panels = {key: title for key, title in PANELS.items() if any(key in curves for curves in found)}
    if not panels:
        return None
    with styled():
        drawing = figure(3.6 * len(panels), 2.6 + 0.16 * len(names))
        for axis, (key, title) in zip(drawing.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
            for name, curves in zip(names, found, strict=True):
                if key in curves:
                    axis.plot(*curves[key], label=name, marker="o" if key.startswith("online") else None, markersize=3)
            axis.set_title(title)
            axis.set_xlabel("step")
            legend_below(axis, 1)
    return drawn(drawing)


def _names(folders: Sequence[Path]) -> list[str]:
    """The ends of the paths in which they differ."""
    parts = [folder.resolve().parts for folder in folders]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(some[-length:]) for some in parts]
        if len(set(names)) == len(names):
            return names
    return [str(folder) for folder in folders]


def flat(config: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted names of the options that are no mappings themselves."""
    if isinstance(config, Mapping):
        for key, value in config.items():
            yield from flat(value, f"{name}.{key}" if name else str(key))
    else:
        yield name, config


def _number(value: Any) -> str:
    if not isinstance(value, (int, float)):
        return "" if value is None else str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}" if abs(value) >= 10 else f"{value:.3g}"
