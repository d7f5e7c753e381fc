"""Runs side by side."""

from __future__ import annotations

from pathlib import Path

from ssl_pipeline.report import compare_page


def compare(run: str, out: Path = Path("compare.html")) -> None:
    """One page with what several runs scored, what they differ in, and their curves in one picture.

    Args:
        run: folders of the runs, with commas between them.
        out: the page.
    """
    print(compare_page([Path(one) for one in run.split(",")], out))
