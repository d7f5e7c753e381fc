"""What can be done with a run besides training it, one function a command; arguments are written KEY=VALUE."""

from ssl_pipeline.commands.arguments import command
from ssl_pipeline.commands.compare import compare
from ssl_pipeline.commands.cycles import cycles
from ssl_pipeline.commands.draw_dag import draw_dag
from ssl_pipeline.commands.embed import embed
from ssl_pipeline.commands.evaluate import evaluate
from ssl_pipeline.commands.export import export
from ssl_pipeline.commands.report import report
from ssl_pipeline.commands.restore import restore

__all__ = ["command", "compare", "cycles", "draw_dag", "embed", "evaluate", "export", "report", "restore"]
