"""One graph for several corruptions, and a graph for each of them: parameters, and errors of what is restored.

python scripts/shared_table.py SHARED_RUN SINGLE_RUN SINGLE_RUN ...       # of corruption=noise+lowres, noise and lowres
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ssl_pipeline import load
from ssl_pipeline.report import markdown

ERROR = "reconstruction/"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shared", type=Path)
    parser.add_argument("single", type=Path, nargs="+")
    asked = parser.parse_args()
    shared = errors(asked.shared)
    single = {view: error for run in asked.single for view, error in errors(run).items()}
    if lost := shared.keys() - single.keys():
        parser.error(f"no single run restores {', '.join(sorted(lost))}; they restore {', '.join(sorted(single))}")
    print(markdown.table_head("squared error on unseen samples", "one for all", "one for each", "ratio"))
    for view, error in shared.items():
        print(markdown.row(view, f"{error:.5f}", f"{single[view]:.5f}", f"{error / single[view]:.2f}"))
    ours, theirs = parameters(asked.shared), sum(map(parameters, asked.single))
    print(markdown.row("parameters", f"{ours:,}", f"{theirs:,}", f"{ours / theirs:.2f}"))


def errors(run: Path) -> dict[str, float]:
    """Of each view that a run restores."""
    summary = json.loads((run / "summary.json").read_text())
    return {key.removeprefix(ERROR): value for key, value in summary.items() if key.startswith(ERROR)}


def parameters(run: Path) -> int:
    """Of a graph."""
    return sum(p.numel() for p in load(run).graph.parameters())


if __name__ == "__main__":
    main()
