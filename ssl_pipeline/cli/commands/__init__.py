"""What can be done with a run besides training it, one function a command; arguments are written KEY=VALUE."""

from ssl_pipeline.cli.commands.arguments import command
from ssl_pipeline.cli.commands.compare import compare
from ssl_pipeline.cli.commands.cycles import cycles
from ssl_pipeline.cli.commands.draw_dag import draw_dag
from ssl_pipeline.cli.commands.embed import embed
from ssl_pipeline.cli.commands.evaluate import evaluate
from ssl_pipeline.cli.commands.export import export
from ssl_pipeline.cli.commands.report import report
from ssl_pipeline.cli.commands.restore import restore

__all__ = ["command", "compare", "cycles", "draw_dag", "embed", "evaluate", "export", "report", "restore"]
