"""What the user takes home: one model of a trained graph in a folder of its own."""

from ssl_pipeline.exporting.exporter import export_part
from ssl_pipeline.exporting.formats import FORMATS

__all__ = ["FORMATS", "export_part"]
