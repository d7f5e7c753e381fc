"""The models that a trained graph holds, each a module of its own: tensors in the data's units in, tensors out."""

from ssl_pipeline.inference.modules.base import Part
from ssl_pipeline.inference.modules.edge import Relation
from ssl_pipeline.inference.modules.inverse import Embedder, Restorer, Translator
from ssl_pipeline.inference.modules.make import make, names
from ssl_pipeline.inference.modules.source import UNKNOWN, Source
from ssl_pipeline.inference.modules.split import Back, Front, NextSymbol, cuts
from ssl_pipeline.inference.validate_inputs import parameters

__all__ = [
    "UNKNOWN",
    "Back",
    "Embedder",
    "Front",
    "NextSymbol",
    "Part",
    "Relation",
    "Restorer",
    "Source",
    "Translator",
    "cuts",
    "make",
    "names",
    "parameters",
]
