"""The models that a trained graph holds, each a module of its own: tensors in the data's units in, tensors out."""

from ssl_pipeline.models.given import parameters
from ssl_pipeline.models.halves import Back, Front, NextSymbol, cuts
from ssl_pipeline.models.inverse import Embedder, Restorer, Translator
from ssl_pipeline.models.make import make, names
from ssl_pipeline.models.part import Part
from ssl_pipeline.models.related import Relation
from ssl_pipeline.models.source import UNKNOWN, Source

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
