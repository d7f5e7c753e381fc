"""See ``ssl-pipeline draw_dag --help``; this is the same call."""

import sys

from ssl_pipeline.cli.main import draw_dag

if __name__ == "__main__":
    sys.exit(draw_dag())
