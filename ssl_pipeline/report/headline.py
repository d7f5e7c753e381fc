"""The numbers of a summary as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ssl_pipeline.evaluation.backgrounds import TITLES
from ssl_pipeline.report.corrupted_table import NOTE, corrupted_table, corrupted_verdict
from ssl_pipeline.report.probe_table import LABELS, PROBE_TITLES, Table, decimal
from ssl_pipeline.report.restored_forms import NOTE as RESTORED_NOTE
from ssl_pipeline.report.restored_forms import restored_means

PROBES = ("knn", "linear")
ON_BACKGROUNDS = [f"{probe}/{key}" for probe in PROBES for key in TITLES]
RESTORED = (("snr", "SNR, dB"), ("psnr", "PSNR, dB"), ("accuracy", "% of symbols"))


def background_table(summary: Mapping[str, Any]) -> Table:
    """Probes of the same images on other backgrounds; no rows where no foreground is known."""
    cells = {
        label: {key: decimal(summary[f"{key}{suffix}"]) for key in ON_BACKGROUNDS if f"{key}{suffix}" in summary}
        for label, suffix in LABELS
    }
    return by_probe({label: some for label, some in cells.items() if some})


def by_probe(cells: Mapping[str, Mapping[str, str]]) -> Table:
    """A row an encoder and probe, a column a form of the images or a gap.

    Args:
        cells: as they are shown, by encoder and by names such as ``knn/mixed_rand``.
    """
    rows = [
        [f"{label}, {PROBE_TITLES[probe]}", *(some.get(f"{probe}/{key}", "") for key in TITLES)]
        for probe in PROBES
        for label, some in cells.items()
        if f"{probe}/original" in some
    ]
    return Table(["", *TITLES.values()], rows)


def restored_table(summary: Mapping[str, Any]) -> Table:
    """What the inverse models make of each view, in the first unit that there is."""
    for key, unit in RESTORED:
        views = [name.removeprefix(f"{key}/") for name in summary if name.startswith(f"{key}/")]
        if views:
            exact = any(f"exact/{view}" in summary for view in views)
            names = [f"{key}_input", key, *(["exact"] if exact else [])]
            rows = [[view, *(decimal(summary.get(f"{name}/{view}")) for name in names)] for view in views]
            return Table([f"restored ({unit})", "in", "out", *(["exact"] if exact else [])], rows)
    return Table([], [])


def related_table(summary: Mapping[str, Any]) -> Table:
    """What edges cost and find on held-out samples, also with a start of another; no rows where there is no edge."""
    rows = []
    for key in summary:
        kind, _, name = key.partition("/")
        if kind == "edge":
            rows.append([name, _figure(summary[key]), decimal(summary.get(f"edge_exact/{name}")), ""])
        if kind == "edge_without":
            edge, _, start = name.partition("<")
            rows.append([f"{edge}, {start} of another", _figure(summary[key]), "", ""])
        if kind == "found" and f"found_chance/{name}" in summary:
            rows.append([name, "", decimal(summary[key]), decimal(summary[f"found_chance/{name}"])])
    return Table(["edge", "loss", "right, %", "by chance, %"], rows)


def followed(summary: Mapping[str, Any]) -> Table:
    """Errors of a world model after some steps; no rows where there is none."""
    steps = [key.removeprefix("rollout/") for key in summary if key.startswith("rollout/")]
    names = {"rollout": "world model", "rollout_shuffled": "actions of another", "rollout_copied": "first one, copied"}
    rows = [[label, *(_figure(summary[f"{key}/{step}"]) for step in steps)] for key, label in names.items() if steps]
    return Table(["squared error after", *(f"{step} step{'s' * (step != '1')}" for step in steps)], rows)


class Section(NamedTuple):
    """A table with what it tells."""

    title: str
    table: Table
    note: str
    verdict: str = ""  # whether the encoder beat what it is compared with


def sections(summary: Mapping[str, Any]) -> list[Section]:
    """What else was measured than probes and restoration, as far as there is anything of it."""
    swapped = f"{summary.get('swapped', 0):,} held-out"
    swaps = (
        f"Probes that learned from images as they are, asked about {swapped} ones: as they are; with a plain ground; "
        f"on that of another image of the same class; on that of any other image; without their foreground. A swap gap "
        f"says how much they read off the background: original less mixed-rand. BG-gap is mixed-same less mixed-rand."
    )
    found = [
        Section(
            "Corrupted test samples, in %, protocol P2", corrupted_table(summary), NOTE, corrupted_verdict(summary)
        ),
        Section("Restored test samples, protocol P3", restored_means(summary), RESTORED_NOTE),
        Section(
            "Edges between parts of a sample",
            related_table(summary),
            "Held-out samples: the loss of each edge, and what it is with a start of another sample.",
        ),
        Section(
            "How far the world model can be followed",
            followed(summary),
            "Held-out episodes: what is decoded from latents that are reached blindly, next to what was seen.",
        ),
        Section("Agreement", agreeing(summary), "Outputs of the same held-out samples, and their embeddings."),
        Section(f"{swapped} images on other backgrounds, in %", background_table(summary), swaps),
    ]
    return [section for section in found if section.table.rows]


def _figure(value: float) -> str:
    return f"{value:.3g}"


def agreeing(summary: Mapping[str, Any]) -> Table:
    """Whether the same content in two templates leads to the same output, and is found again."""
    pairs = [name.removeprefix("divergence/") for name in summary if name.startswith("divergence/")]
    rows = [[pair, f"{summary[f'divergence/{pair}']:.3g}", decimal(summary.get(f"found/{pair}"))] for pair in pairs]
    return Table(["same content in two templates", "divergence, nats", "found, %"], rows)
