"""Commands in this process."""

from __future__ import annotations

from ssl_pipeline.cli import main as cli


def call(name, *words):
    return cli.main([name, *(str(word) for word in words)])
