"""See ``ssl-pipeline embed --help``; this is the same call."""

import sys

from ssl_pipeline.cli.main import embed

if __name__ == "__main__":
    sys.exit(embed())
