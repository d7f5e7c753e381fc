"""Data that is passed in Python, in place of a folder or a name."""

from ssl_pipeline.data.in_python.given import ACCEPTED, GivenData, given, in_python

__all__ = ["ACCEPTED", "GivenData", "given", "in_python"]
