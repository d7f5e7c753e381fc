"""The four stages of a run: prepare, fit, evaluate, report; each can be done again from the run's folder."""

from ssl_pipeline.training.stages.evaluate import evaluate_run
from ssl_pipeline.training.stages.fit import FittedRun, fit_run
from ssl_pipeline.training.stages.prepare import PreparedRun, open_run, prepare_run
from ssl_pipeline.training.stages.report import report_run, write_page

__all__ = [
    "FittedRun",
    "PreparedRun",
    "evaluate_run",
    "fit_run",
    "open_run",
    "prepare_run",
    "report_run",
    "write_page",
]
