"""What the user takes home: one model of a trained graph in a folder of its own."""

from ssl_pipeline.export.exporter import FORMATS, export

__all__ = ["FORMATS", "export"]
