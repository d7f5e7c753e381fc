"""The last stage: what a run says on the screen, and its page."""

from __future__ import annotations

import sys

from ssl_pipeline.report import write_report
from ssl_pipeline.training import console
from ssl_pipeline.training.stages.prepare import PreparedRun


def report_run(run: PreparedRun) -> None:
    """Print the summary, then write ``report.html``, both from the run's folder."""
    console.end(run.folder.read_summary(), run.folder.relative)
    write_page(run)


def write_page(run: PreparedRun) -> None:
    """Write ``report.html``; what goes wrong with it takes nothing from the run."""
    asked, folder = run.config["report"], run.folder
    if not asked["page"]:
        return
    try:
        write_report(folder.path, run.graphs, run.data, asked["samples"], asked["map"])
    except ModuleNotFoundError as error:
        print(f"{error}; then make it with: ssl-pipeline report run={folder.relative}", file=sys.stderr)
    except Exception as error:
        again = f"make it again with: ssl-pipeline report run={folder.relative} debug=true"
        print(f"warning: there is no report.html ({type(error).__name__}: {error}); {again}", file=sys.stderr)
