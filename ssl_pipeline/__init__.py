"""ssl_pipeline: many damaged views of a sample, one latent, decoders back to the clean form."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ssl_pipeline.api import pretrain
    from ssl_pipeline.graph.graph import Graph
    from ssl_pipeline.inference.load import load
    from ssl_pipeline.inference.model import Model
    from ssl_pipeline.structures.batch import Batch, Latent, View
    from ssl_pipeline.structures.grid import GridSpec

__version__ = "0.1.0"
__all__ = ["Batch", "Graph", "GridSpec", "Latent", "Model", "View", "load", "pretrain"]

_HOME = {
    "Batch": "structures.batch",
    "Graph": "graph.graph",
    "GridSpec": "structures.grid",
    "Latent": "structures.batch",
    "Model": "inference.model",
    "View": "structures.batch",
    "load": "inference.load",
    "pretrain": "api",
}


def __getattr__(name: str) -> Any:
    """Modules load when they are first used, so that importing the package costs nothing."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
