"""Chapters 1 to 3 of the essay, and what studies them. Nothing outside this folder imports it."""

from ssl_pipeline.lab import callbacks, curation, layers  # noqa: F401  they register their parts
