"""The report of a run: one file that needs no other."""

from __future__ import annotations

from collections.abc import Mapping
from os.path import relpath
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
import yaml

from ssl_pipeline.config.saved import CONFIG, read_saved, read_summary
from ssl_pipeline.data import Data
from ssl_pipeline.diagnostics import gap
from ssl_pipeline.evaluation.backgrounds import VARIANTS, variants
from ssl_pipeline.evaluation.frozen_features import embedder, features
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.inference.inference import Inference
from ssl_pipeline.report import curves, depth
from ssl_pipeline.report.chosen import Chosen, chosen_data
from ssl_pipeline.report.corrupted_table import family_curves, family_table
from ssl_pipeline.report.dag import dag_svg
from ssl_pipeline.report.headline import Section, restored_table, sections
from ssl_pipeline.report.latents import latent_map, spectra
from ssl_pipeline.report.probe_table import Table, cautions, left_out, probe_table, verdict
from ssl_pipeline.report.restored_forms import restored_forms
from ssl_pipeline.report.sheets import Form, Sheet, captions, forms, picture, sheets
from ssl_pipeline.report.tidy import Curve, read_tidy
from ssl_pipeline.structures.per_data_set import PerDataSet
from ssl_pipeline.utils.extras import require
from ssl_pipeline.utils.places import replace_text

if TYPE_CHECKING:
    import jinja2

SOURCES = 20
"""Sources that a map can colour, where there are no labels."""

SHOWN = 8
"""Samples on a sheet."""

FACTS = {
    "steps": "steps",
    "seconds": "seconds of training",
    "samples_per_s": "samples a second",
    "loss": "loss",
    "rankme": "effective rank of the embeddings (RankMe)",
    "std": "standard deviation of the embeddings",
    "protocol": "protocol of the probes",
    "probe_seconds": "seconds of probes",
}
"""Numbers of a summary in words."""


class PagePart(NamedTuple):
    """What is shown of one data set."""

    name: str
    about: str
    dag: str
    probes: Table
    verdict: str  # whether the encoder beat what it is compared with
    notes: list[str]  # what probes leave out, and what to know of them
    restored: Table
    sections: list[Section]
    families: Table  # each corruption of protocol P2
    family_curves: str | None
    restored_forms: Table  # each corruption of protocol P3
    curves: dict[str, str]
    sheets: list[Sheet]
    captions: dict[str, list[str]]  # what columns of text say of the samples of the sheets
    latent_map: str | None
    spectra: str | None
    gap: float | None
    depth: dict[str, str]
    on_backgrounds: str | None  # a picture of images in all their forms


def write_report(
    folder: Path,
    graphs: Mapping[str, Graph],
    sets: Mapping[str, Data],
    samples: int = 1000,
    method: str = "pca",
) -> Path:
    """Write ``report.html`` into a run's folder, from what lies there and from the graph as it is.

    Args:
        folder: of the run; what is missing in it is left out of the page.
        graphs: in any mode, by the name of their data set; they are put into evaluation mode.
        sets: the data.
        samples: test samples (training ones, where there are no others) whose latents are shown.
        method: of the map, see ``latent_map``.

    Returns:
        The file.

    Raises:
        ModuleNotFoundError: matplotlib or jinja2 is not installed.
    """
    require_page("report.html")
    summary = read_summary(folder)
    config = read_saved(folder).config if (folder / CONFIG).is_file() else {}
    found, layers = read_tidy(folder / "metrics.csv"), read_tidy(folder / "diagnostics.csv")
    parts, names = [], PerDataSet(sets)
    for name, data in sets.items():
        own = summary.get("sets", {}).get(name, summary)
        own = {"steps": summary.get("steps", 0), **own}
        mine, *others = (names.prefix(one) for one in (name, *sorted(sets.keys() - {name})))
        drawn = _of(found, mine, others), _of(layers, mine, [])
        parts.append(_part(name, relpath(folder), graphs[name].eval(), data, own, *drawn, samples, method))
    page = template("report.html.j2").render(
        title=summary.get("name", folder.name),
        folder=folder.name,
        interrupted=summary.get("interrupted", not summary),
        evaluated=summary.get("evaluated", bool(summary)),
        facts={words: summary[key] for key, words in FACTS.items() if key in summary},
        alarms=summary.get("alarms", []),
        parts=parts,
        chosen=_chosen(folder, sets),
        config=yaml.safe_dump({key: value for key, value in config.items() if key != "trust"}, sort_keys=False),
    )
    file = folder / "report.html"
    replace_text(file, page)
    return file


def _chosen(folder: Path, sets: Mapping[str, Data]) -> Chosen | None:
    """Of a run on one set; several come by turns, and nothing chooses among them."""
    return chosen_data(folder, next(iter(sets.values()))) if len(sets) == 1 else None


def _part(
    name: str,
    folder: str,
    graph: Graph,
    data: Data,
    summary: Mapping[str, Any],
    found: dict[str, Curve],
    layers: dict[str, Curve],
    samples: int,
    method: str,
) -> PagePart:
    drawings = {
        "Losses": curves.losses(found),
        "Probes on the way": curves.probe_curves(found, summary),
        "Embeddings": curves.latents(found),
        "Machine": curves.machine(found),
    }
    held_out = data.held_out
    clean = features(embedder(graph), held_out, samples)
    names = list(data.classes) if data.classes is not None else None
    labels = clean.label
    if labels is None and len(np.unique(clean.source)) <= SOURCES:
        labels, names = clean.source, None
    views = _embedded(graph, held_out, min(samples, 300))
    varied = all(np.isfinite(z).all() and len(z) > 2 and z.std() > 1e-12 for z in (clean.z, *views.values()))
    maps = {f"What passes the encoder, {path}" if path != "graph" else "What passes decoders and heads": image
            for path, image in depth.paths(layers).items()}  # fmt: skip
    maps |= {title: image for title, image in (("Steps of the weights", depth.steps(layers)),
                                               ("Losses at the encoder", depth.pulls(layers))) if image}  # fmt: skip
    return PagePart(
        name,
        f"{data.name}, grid {' x '.join(map(str, data.grid.shape))}",
        dag_svg(graph),
        probe_table(summary),
        verdict(summary),
        [*(f"Caution: {one}." for one in cautions(summary)), *filter(None, [left_out(summary, folder)])],
        restored_table(summary),
        sections(summary),
        family_table(summary),
        family_curves(summary),
        restored_forms(summary),
        {title: image for title, image in drawings.items() if image},
        sheets(forms(graph, data, SHOWN), data) if data.test is not None else [],
        captions(data, SHOWN),
        latent_map(clean.z, labels, names, views, method) if varied else None,
        spectra(clean.z, views) if varied else None,
        gap([*views.values()]) if len(views) > 1 else None,
        maps,
        _on_backgrounds(data, samples),
    )


def _on_backgrounds(data: Data, limit: int, count: int = 8) -> str | None:
    """Some of the held-out images in each form."""
    found = variants(data, limit)
    if not found:
        return None
    rows = torch.linspace(0, len(found["original"]) - 1, min(count, len(found["original"]))).long()
    return picture({VARIANTS[name]: Form(images[rows].x, None) for name, images in found.items()}, data)


@torch.no_grad()
def _embedded(graph: Graph, held_out: Any, count: int) -> dict[str, np.ndarray]:
    """Embeddings of the same samples in all views."""
    found: dict[str, list[torch.Tensor]] = {name: [] for name in graph.students}
    device = next(graph.parameters()).device

    def embed(batch: Any) -> torch.Tensor:
        batch = batch.on(device)
        corrupted = graph.corrupt(batch, whole=True)
        latents = Inference(graph).latents({name: corrupted.views[name] for name in graph.students})
        for name, latent in latents.items():
            found[name].append(latent.pooled.float().cpu())
        return batch.x.new_zeros(len(batch.x), 1)

    features(embed, held_out, count)
    return {name: torch.cat(some).numpy() for name, some in found.items()}


def _of(found: dict[str, Curve], mine: str, others: list[str]) -> dict[str, Curve]:
    """The curves of one data set, and those of none."""
    return {
        name.removeprefix(mine): curve for name, curve in found.items() if not name.startswith(tuple(others) or ("\0",))
    }


def require_page(what: str) -> None:
    """Ask for what makes a page, before anything is computed for it.

    Args:
        what: the page.

    Raises:
        ModuleNotFoundError: matplotlib or jinja2 is not installed.
    """
    for package in ("matplotlib", "jinja2"):
        require(package, "report", what)


def template(name: str) -> jinja2.Template:
    """One of the package's own."""
    import jinja2

    loader = jinja2.PackageLoader("ssl_pipeline", "report/templates")
    return jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True).get_template(name)
