"""See ``ssl-pipeline restore --help``; this is the same call."""

import sys

from ssl_pipeline.cli.main import restore

if __name__ == "__main__":
    sys.exit(restore())
