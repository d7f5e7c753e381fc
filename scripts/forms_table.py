"""Protocol P2, corruption by corruption: an encoder next to raw input, as the mean over the summaries of several seeds.

python scripts/forms_table.py SUMMARY.json ...
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from ssl_pipeline.report import markdown
from ssl_pipeline.report.corrupted_table import EACH, form_cells, forms_by_family


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("summaries", type=Path, nargs="+", help="of the same encoder with other seeds")
    print(table([json.loads(file.read_text()) for file in parser.parse_args().summaries]))


def table(summaries: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: a row for each corruption, with its scores at each severity, encoder then raw input."""
    shown = [key for key in EACH if key in summaries[0]["corrupted_forms"]]
    lines = [markdown.table_head("", *(name for key in shown for name in (EACH[key], "raw")))]
    for family, forms in forms_by_family(summaries[0]["corrupted_forms"]["found"]).items():
        cells = (_means(summaries, side, key, forms) for key in shown for side in ("", "_raw"))
        lines.append(markdown.row(form_cells(summaries[0], family)[0], *cells))
    return "\n".join(lines)


def _means(summaries: Sequence[Mapping[str, Any]], side: str, key: str, forms: Sequence[str]) -> str:
    scored = [summary[f"corrupted_forms{side}"][key] for summary in summaries if f"corrupted_forms{side}" in summary]
    return ", ".join(f"{mean(scores[form] for scores in scored):.0f}" for form in forms) if scored else ""


if __name__ == "__main__":
    main()
