"""Runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ssl_pipeline.api import Run
from ssl_pipeline.commands.runs import one_or_several, saved_folder_of


def compare(run: Sequence[str | Path | Run], out: str | Path = "compare.html") -> Path:
    """One page with what several runs scored, what they differ in, and their curves in one picture.

    Args:
        run: folders of the runs, with commas between them; in Python also Runs.
        out: the page.
    """
    from ssl_pipeline.report import compare_page

    return compare_page([saved_folder_of(one) for one in one_or_several(run)], Path(out))
