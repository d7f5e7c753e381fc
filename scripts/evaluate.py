"""See ``ssl-pipeline evaluate --help``; this is the same call."""

import sys

from ssl_pipeline.cli.main import evaluate

if __name__ == "__main__":
    sys.exit(evaluate())
