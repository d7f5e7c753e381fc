"""What the runs of a sweep, or of any folders, differ in, and what came of it: best first.

python scripts/sweep_table.py multirun/<time>                  # or folders of runs, as many as you like
python scripts/sweep_table.py outputs --by linear --top 10
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from bench_methods import COLUMNS

from ssl_pipeline.report import markdown
from ssl_pipeline.report.compare import flat


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--by", default="knn", help="number of the summary by which runs are ordered, largest first")
    parser.add_argument("--top", type=int, help="print so many")
    asked = parser.parse_args()
    runs = [found for folder in asked.folders for found in read(folder)]
    if not runs:
        sys.exit(
            f"error: no finished run in {', '.join(map(str, asked.folders))}: expected folders with a summary.json"
        )
    if not any(asked.by in summary for _, _, summary in runs):
        parser.error(f"no run has {asked.by}; there are {', '.join(dict.fromkeys(k for *_, s in runs for k in s))}")
    print(table(runs, asked.by, asked.top))


def read(folder: Path) -> Iterator[tuple[Path, dict[str, Any], dict[str, Any]]]:
    """Folder, options and summary of each run in or below a folder."""
    for file in sorted(folder.rglob("summary.json")):
        summary = json.loads(file.read_text())
        if summary.get("interrupted") and "seconds" not in summary:
            continue  # killed, or still at work
        config = yaml.safe_load((file.parent / "config.yaml").read_text())
        yield file.parent, dict(flat(config)), summary


def table(runs: list[tuple[Path, dict[str, Any], dict[str, Any]]], by: str, top: int | None) -> str:
    """Markdown: the options that differ, then the scores."""
    names = dict.fromkeys(name for _, options, _ in runs for name in options)
    differ = [name for name in names if len({str(options.get(name)) for _, options, _ in runs}) > 1]
    runs = sorted(runs, key=lambda run: -run[2].get(by, float("-inf")))
    columns = COLUMNS if by in COLUMNS else {by: by, **COLUMNS}
    lines = [markdown.table_head("run", *differ, *columns.values())]
    for folder, options, summary in runs[:top]:
        cells = [str(options.get(name, "")) for name in differ]
        cells += [f"{summary[key]:,.{2 if key == 'std' else 1}f}" if key in summary else "" for key in columns]
        lines.append(markdown.row(folder, *cells))
    return "\n".join(lines)


if __name__ == "__main__":
    main()
