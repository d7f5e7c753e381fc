"""Data that is passed in Python, in place of a folder or a name."""

from ssl_pipeline.data.in_python.parts import SavedReading
from ssl_pipeline.data.in_python.recognize import ACCEPTED, PythonData, description_of, python_data

__all__ = ["ACCEPTED", "PythonData", "SavedReading", "description_of", "python_data"]
