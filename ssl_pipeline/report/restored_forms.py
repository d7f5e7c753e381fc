"""How well corrupted test samples were restored (protocol P3), as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ssl_pipeline.evaluation.families import CLEAN
from ssl_pipeline.evaluation.restored import BEFORE, HARMLESS
from ssl_pipeline.report.corrupted_table import form_cells
from ssl_pipeline.report.probe_table import Table, decimal

NOTE = (
    "Test samples as they are and under each corruption that files of this kind are met in: means over severities, "
    "then over corruptions, before and after they were restored by the model, which was not told what happened. "
    "Harmless: percent of the samples, at the least severity, that came out no worse than they came."
)
TITLES = {"psnr": "PSNR, dB", "ssim": "SSIM, %", "lpips": "LPIPS, %", "si_sdr": "SI-SDR, dB", "lsd": "LSD, dB",
          "cer": "CER, %", "exact": "exact, %"}  # fmt: skip
"""Of the measures, the one that tells most first."""
_READ = {"family": "named, %", "severity_error": "severity off by"}
_FORMS, _RECOGNISED = "restored_forms", "recognition_forms"


def restored_means(summary: Mapping[str, Any]) -> Table:
    """Clean samples, and the mean of corrupted ones; no rows where nothing was restored.

    >>> means = {"restored/psnr/clean": 48.0, "restored/psnr": 30.0, "restored/psnr_before": 21.96}
    >>> restored_means(means).rows
    [['clean', '', '48.0', ''], ['corrupted', '22.0', '30.0', '']]
    """
    shown = {title: measure for measure, title in TITLES.items() if f"restored/{measure}" in summary}
    rows = [
        [name, *_cells(shown.values(), lambda key, end=end: summary.get(f"restored/{key}{end}"))]
        for name, end in ((CLEAN, f"/{CLEAN}"), ("corrupted", ""))
    ]
    return Table(["", *_heads(shown)], rows if shown else [])


def restored_forms(summary: Mapping[str, Any]) -> Table:
    """Each corruption at each severity; ``+`` marks those that the model was trained with.

    >>> forms = {"psnr": {"noise/1": 30.0}, "psnr_before": {"noise/1": 21.96}, "harmless": {"noise/1": 99.0}}
    >>> restored_forms({"restored_forms": forms, "corrupted_seen": ["noise"]}).rows
    [['noise +', '1', '22.0', '30.0', '99.0']]
    """
    scored, recognised = summary.get(_FORMS, {}), summary.get(_RECOGNISED, {})
    shown = {title: measure for measure, title in TITLES.items() if measure in scored}
    rows = []
    for form in scored.get(next(iter(shown.values()), ""), ()):
        cells = _cells(shown.values(), lambda key, form=form: scored.get(key, {}).get(form))
        read = [decimal(recognised[key].get(form)) for key in _READ if key in recognised]
        rows.append([*form_cells(summary, form), *cells, *read])
    return Table(["corruption", "severity", *_heads(shown), *(_READ[key] for key in _READ if key in recognised)], rows)


def _heads(titles: Iterable[str]) -> list[str]:
    return [*(head for title in titles for head in (title, "restored")), "harmless"]


def _cells(measures: Iterable[str], of: Callable[[str], float | None]) -> list[str]:
    pairs = (decimal(of(key)) for measure in measures for key in (f"{measure}{BEFORE}", measure))
    return [*pairs, decimal(of(HARMLESS))]
