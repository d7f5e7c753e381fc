"""Runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ssl_pipeline.api import Run


def compare(run: Sequence[str | Path | Run], out: str | Path = "compare.html") -> Path:
    """One page with what several runs scored, what they differ in, and their curves in one picture.

    Args:
        run: folders of the runs, with commas between them; in Python also Runs.
        out: the page.
    """
    from ssl_pipeline.report import compare_page

    runs = [run] if isinstance(run, str | Path | Run) else run
    return compare_page([one.folder if isinstance(one, Run) else Path(one) for one in runs], Path(out))
