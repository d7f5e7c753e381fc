"""See ``ssl-pipeline report --help``; this is the same call."""

import sys

from ssl_pipeline.cli.main import report

if __name__ == "__main__":
    sys.exit(report())
