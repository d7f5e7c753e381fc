"""See ``ssl-pipeline compare --help``; this is the same call."""

import sys

from ssl_pipeline.cli.main import compare

if __name__ == "__main__":
    sys.exit(compare())
