"""What one looks at after a run: a page by itself, with the graph, its numbers, its samples and its latents."""

from ssl_pipeline.report.compare import compare_page
from ssl_pipeline.report.dag import dag_svg
from ssl_pipeline.report.page import write_report
from ssl_pipeline.report.sheets import forms

__all__ = ["compare_page", "dag_svg", "forms", "write_report"]
