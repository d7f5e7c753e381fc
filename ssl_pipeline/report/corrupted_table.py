"""What probes said of corrupted samples (protocol P2), as tables and as curves over severity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ssl_pipeline.evaluation.subjects import ENCODER, RAW, UNTRAINED
from ssl_pipeline.report.pictures import drawn, figure, styled
from ssl_pipeline.report.probe_table import LABELS, Table, best_cells, compared, decimal

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NOTE = (
    "Probes that learned from clean samples, asked about a part of the test samples, as they are and under each "
    "corruption that files of this kind are met in: means over severities, then over corruptions. The clean form is "
    "found where it is the nearest of those of all these samples."
)
_COLUMNS = {
    "knn/clean": "kNN clean",
    "knn": "kNN corrupted",
    "linear/clean": "linear clean",
    "linear": "linear corrupted",
    "found": "form found",
}
EACH = {"knn": "kNN", "linear": "linear", "found": "form found"}
_BEATEN = {"corrupted/knn": "kNN-20", "corrupted/linear": "linear", "corrupted/found": "finding the clean form"}
_FORMS = "corrupted_forms"
_LINES = {ENCODER: ("k", "o-"), UNTRAINED: ("0.5", ":"), RAW: ("tab:red", "--")}


def corrupted_table(summary: Mapping[str, Any]) -> Table:
    """Means over corrupted samples next to the same samples as they are; no rows where they were not asked about."""
    shown = [key for key in _COLUMNS if f"corrupted/{key}" in summary]
    rows = [
        [label, *(decimal(summary.get(f"corrupted/{key}{suffix}")) for key in shown)]
        for label, suffix in LABELS
        if any(f"corrupted/{key}{suffix}" in summary for key in shown)
    ]
    return Table(["", *(_COLUMNS[key] for key in shown)], rows, best_cells(rows, range(1, len(shown) + 1)))


def corrupted_verdict(summary: Mapping[str, Any]) -> str:
    """Whether the encoder beat raw input and its untrained twin on corrupted samples, see ``compared``.

    >>> corrupted_verdict({"corrupted/knn": 80.0, "corrupted/knn_raw": 60.0, "corrupted_tested": 500})
    'On corrupted samples this encoder beats raw input in kNN-20.'
    """
    return compared(summary, _BEATEN, "On corrupted samples this encoder", summary.get("corrupted_tested"))


def corrupted_line(summary: Mapping[str, Any]) -> str:
    """The means of the encoder in a line; empty where it was not asked.

    >>> corrupted_line({"corrupted/knn": 80.04, "corrupted/found": 60.0})
    'corrupted samples: kNN 80.0, form found 60.0'
    """
    found = [
        f"{title} {summary[f'corrupted/{key}']:.1f}" for key, title in EACH.items() if f"corrupted/{key}" in summary
    ]
    return f"corrupted samples: {', '.join(found)}" if found else ""


def family_table(summary: Mapping[str, Any]) -> Table:
    """Each corruption at each severity, of the encoder alone; ``+`` marks those that it was trained with."""
    scored = summary.get(_FORMS, {})
    shown = [key for key in EACH if key in scored]
    rows = []
    for form in scored.get("found", ()):
        scores = (decimal(scored[key].get(form)) for key in shown)
        rows.append([*form_cells(summary, form), *scores])
    return Table(["corruption", "severity", *(EACH[key] for key in shown)], rows)


def form_cells(summary: Mapping[str, Any], form: str) -> tuple[str, str]:
    """Corruption, marked where it was trained with, and severity.

    >>> form_cells({"corrupted_seen": ["noise"]}, "noise/3")
    ('noise +', '3')
    """
    family, _, severity = form.partition("/")
    return f"{family}{' +' if family in summary.get('corrupted_seen', ()) else ''}", severity


def forms_by_family(forms: Iterable[str]) -> dict[str, list[str]]:
    """Names of forms under their corruption.

    >>> forms_by_family(["noise/1", "noise/3", "turn"])
    {'noise': ['noise/1', 'noise/3'], 'turn': ['turn']}
    """
    families: dict[str, list[str]] = {}
    for form in forms:
        families.setdefault(form.partition("/")[0], []).append(form)
    return families


def family_curves(summary: Mapping[str, Any]) -> str | None:
    """A panel for each corruption with severities: kNN over severity, or where nothing is labelled what was found."""
    scored = summary.get(_FORMS, {})
    key = "knn" if "knn" in scored else "found"
    families = forms_by_family(form for form in scored.get("found", ()) if "/" in form)
    severities = {family: [form.partition("/")[2] for form in forms] for family, forms in families.items()}
    if not severities:
        return None
    columns = min(5, len(severities))
    lines = -(-len(severities) // columns)
    with styled():
        drawing = figure(1.9 * columns, 1.6 * lines + 0.3)
        axes = [*drawing.subplots(lines, columns, squeeze=False, sharey=True).flat]
        for axis, (family, at) in zip(axes, severities.items(), strict=False):
            _panel(axis, summary, key, family, at)
        for axis in axes[len(severities) :]:
            axis.axis("off")
        for axis in axes[: len(severities)][-columns:]:  # the lowest of each column
            axis.set_xlabel("severity")
        axes[0].set_ylabel(f"{EACH[key]}, %")
        drawing.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return drawn(drawing)


def _panel(axis: Axes, summary: Mapping[str, Any], key: str, family: str, at: Sequence[str]) -> None:
    x = [float(severity) for severity in at]
    for label, suffix in LABELS:
        scores = summary.get(f"{_FORMS}{suffix}", {}).get(key, {})
        if label in _LINES and all(f"{family}/{severity}" in scores for severity in at):
            (colour, line), y = _LINES[label], [scores[f"{family}/{severity}"] for severity in at]
            axis.plot(x, y, line, color=colour, markersize=3, linewidth=1, label=label)
    axis.set_title(form_cells(summary, family)[0])
    axis.set_xticks(x)
