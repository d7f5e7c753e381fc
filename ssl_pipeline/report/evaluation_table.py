"""What was measured of encoders, as a table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from ssl_pipeline.evaluation.benchmark import Score, plain
from ssl_pipeline.evaluation.comparison import Comparison
from ssl_pipeline.evaluation.restored import BEFORE
from ssl_pipeline.evaluation.subjects import ENCODER
from ssl_pipeline.report import markdown
from ssl_pipeline.report.corrupted_table import corrupted_verdict
from ssl_pipeline.report.headline import by_probe
from ssl_pipeline.report.probe_table import BALANCED_TITLES, LABELS, PROBE_TITLES, Table, best_cells, verdict
from ssl_pipeline.report.restored_forms import TITLES
from ssl_pipeline.utils.places import replace_text

SCORE_TITLES = {
    **PROBE_TITLES,
    **BALANCED_TITLES,
    "corrupted/knn": "kNN, corrupted",
    "corrupted/linear": "linear, corrupted",
    "corrupted/found": "form found",
    **{f"restored/{measure}{BEFORE}": f"corrupted: {title}" for measure, title in TITLES.items()},
    **{f"restored/{measure}": f"restored: {title}" for measure, title in TITLES.items()},
    "attentive": "attentive",
    "finetuned": "fine-tuned",
    "rankme": "RankMe",
    "alpha": "alpha-ReQ",
    "lidar": "LiDAR",
    "std": "std",
}
CORRUPTED = ("corrupted/knn", "corrupted/linear", "corrupted/found")
PROBED = ("knn", "knn_balanced", "linear", "linear_balanced", *CORRUPTED, "few_shot", "few@", "attentive", "finetuned",
          "retrieval")  # fmt: skip
RESTORED = tuple(f"restored/{measure}{end}" for measure in TITLES for end in (BEFORE, ""))
ORDER = (*PROBED, *RESTORED, "rankme", "alpha", "lidar", "std")
"""Of the columns; ``few@`` are the shares of the labels. Of the first ones more is better."""


@dataclass(frozen=True, repr=False)
class Evaluation:
    """Scores of an encoder and its baselines; prints itself as a table, also in a notebook.

    Args:
        comparison: what was measured, each score with how it was taken.
        data: name of the data set.
        runs: that were measured.
        file: the same as JSON; None: it is not written.

    >>> one = Evaluation(Comparison({ENCODER: {"knn": Score(81.0, None, 1, "P1")}}, {}), "digits", ["a"])
    >>> one.scores[ENCODER]["knn"]
    81.0
    """

    comparison: Comparison
    data: str
    runs: Sequence[str]
    file: Path | None = None

    @property
    def scores(self) -> dict[str, dict[str, float]]:
        """Plain numbers by row and name, probes in percent."""
        return {row: {name: score.mean for name, score in some.items()} for row, some in self.comparison.rows.items()}

    @property
    def tables(self) -> list[tuple[str, Table]]:
        """The table, and that of images on other backgrounds where there are such, each with its title."""
        rows, names = self.comparison.rows, self._names()
        cells = {row: {name: _cell(score) for name, score in some.items()} for row, some in rows.items()}
        shown = [[row, *(some.get(name, "") for name in names)] for row, some in cells.items()]
        probes = [i for i, name in enumerate(names, 1) if name.startswith(PROBED)]
        found = [("", Table(["", *map(_title, names)], shown, best_cells(shown, probes)))]
        if (swapped := by_probe(cells)).rows:
            found.append((f"{rows[ENCODER]['swapped'].mean:,.0f} held-out images on other backgrounds:", swapped))
        return found

    @property
    def notes(self) -> list[str]:
        """How each column was taken, and what was left out."""
        rows = self.comparison.rows
        labels = [] if "linear" in rows[ENCODER] else [f"{self.data} has no labels in a training and a test part, so "
                                                       f"what needs them is left out"]  # fmt: skip
        taken = [f"{_title(name)}: {rows[ENCODER][name].protocol}" for name in self._names()]
        lost = [f"{_title(name)} is left out, {why} ({', '.join(of)})"
                for (name, why), of in self.comparison.left_out.items()]  # fmt: skip
        return [*self._verdicts(), *labels, *taken, *lost, *self.comparison.notes]

    def _verdicts(self) -> list[str]:
        suffixed = {
            f"{name}{suffix}": value for row, suffix in LABELS for name, value in self.scores.get(row, {}).items()
        }
        return [said for said in (verdict(suffixed), corrupted_verdict(suffixed)) if said]

    def write(self) -> None:
        """As JSON into its file."""
        assert self.file is not None
        self.file.parent.mkdir(parents=True, exist_ok=True)
        content = {"run": [*self.runs], "data": self.data, "rows": plain(self.comparison.rows)}
        replace_text(self.file, json.dumps(content, indent=2) + "\n")

    def __str__(self) -> str:
        parts = []
        for title, table in self.tables:
            rows = table.marked(lambda cell, best: f"**{cell}**" if best else cell)
            lines = [markdown.table_head(*table.head), *(markdown.row(*row) for row in rows)]
            parts.append("\n".join([*([title, ""] if title else []), *lines]))
        parts.insert(1, "\n".join(self.notes))
        return "\n\n".join([*parts, *([] if self.file is None else [str(self.file)])])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        parts = []
        for title, table in self.tables:
            rows = table.marked(_html)
            head = "".join(f"<th>{escape(cell)}</th>" for cell in table.head)
            body = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
            parts.append(f"<p>{escape(title)}</p><table><tr>{head}</tr>{body}</table>")
        return "".join([*parts, "<p>", "<br>".join(map(escape, self.notes)), "</p>"])

    def _names(self) -> list[str]:
        """Names of the scores that have a column, in order."""
        names = self.comparison.rows[ENCODER]
        return [name for key in ORDER for name in names if name == key or (key == "few@" and name.startswith(key))]


def _title(name: str) -> str:
    """Of a column.

    >>> _title("knn"), _title("few@10%")
    ('kNN-20', '10% of labels')
    """
    return SCORE_TITLES.get(name, name.removeprefix("few@") + " of labels")


def _html(cell: str, best: bool) -> str:
    return f"<td><b>{escape(cell)}</b></td>" if best else f"<td>{escape(cell)}</td>"


def _cell(score: Score) -> str:
    digits = 2 if abs(score.mean) < 10 else 1
    return f"{score.mean:.{digits}f}" + ("" if score.sd is None else f" ± {score.sd:.{digits}f}")
