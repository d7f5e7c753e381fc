"""See ``ssl-pipeline cycles --help``; this is the same call."""

import sys

from ssl_pipeline.cli.main import cycles

if __name__ == "__main__":
    sys.exit(cycles())
