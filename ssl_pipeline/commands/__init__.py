"""What can be done with a run besides training it, one function a command, from Python and on the command line.

They print nothing but their progress, and return what the command prints.
"""

from ssl_pipeline.commands.compare import compare
from ssl_pipeline.commands.cycles import cycles
from ssl_pipeline.commands.draw_dag import draw_dag
from ssl_pipeline.commands.embed import embed
from ssl_pipeline.commands.evaluate import evaluate
from ssl_pipeline.commands.export import export
from ssl_pipeline.commands.report import report
from ssl_pipeline.commands.restore import restore

__all__ = ["compare", "cycles", "draw_dag", "embed", "evaluate", "export", "report", "restore"]
