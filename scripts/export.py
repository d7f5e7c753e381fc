"""See ``ssl-pipeline export --help``; this is the same call."""

import sys

from ssl_pipeline.cli.main import export

if __name__ == "__main__":
    sys.exit(export())
