"""ssl_pipeline: many damaged views of a sample, one latent, decoders back to the clean form."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ssl_pipeline.api import pretrain
    from ssl_pipeline.graph import Graph
    from ssl_pipeline.grid import GridSpec
    from ssl_pipeline.inference import Model
    from ssl_pipeline.reading import load
    from ssl_pipeline.records import Batch, Latent, View

__version__ = "0.1.0"
__all__ = ["Batch", "Graph", "GridSpec", "Latent", "Model", "View", "load", "pretrain"]

_HOME = {
    "Batch": "records",
    "Graph": "graph",
    "GridSpec": "grid",
    "Latent": "records",
    "Model": "inference",
    "View": "records",
    "load": "reading",
    "pretrain": "api",
}


def __getattr__(name: str) -> Any:
    """Modules load when they are first used, so that importing the package costs nothing."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
