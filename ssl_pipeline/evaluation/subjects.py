"""The encoders that a table compares: that of a run with its teacher and its untrained twin, or a model of timm's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch

from ssl_pipeline.data import Data
from ssl_pipeline.evaluation.encoders import OfGraph, OfTimm, Subject
from ssl_pipeline.evaluation.untrained import untrained
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.inference.learned import views_leading_to
from ssl_pipeline.inference.load import untrained_graph
from ssl_pipeline.inference.model import Model
from ssl_pipeline.inference.modules import UNKNOWN, Embedder
from ssl_pipeline.inference.recognizer import Recognizer
from ssl_pipeline.models.layers import Normalize

ENCODER, TEACHER, UNTRAINED, RAW = "this encoder", "its teacher", "untrained encoder", "raw input"
MAJORITY = "majority class"
"""The row of always naming the class that most training samples are of."""

NO_UNTRAINED = (
    f"{UNTRAINED} is left out: how the object encoder= was before the training is not known after load(); the run "
    f"that pretrain() returns knows it"
)


class Subjects(NamedTuple):
    """Encoders by the names of their rows, made one after the other, and the samples that they are measured on."""

    each: Callable[[], Iterator[tuple[str, Subject]]]
    data: Data
    device: torch.device
    note: str | None = None  # a sentence for a row that there is not
    restorer: Graph | None = None  # where a decoder leads to the clean form
    keep: Callable[[Recognizer], None] | None = None  # takes what tells what happened, where it is to be fitted


def subjects_of_run(
    model: Model, data: Data, view: str = UNKNOWN, keep: Callable[[Recognizer], None] | None = None
) -> Subjects:
    """Of a run, or of an exported encoder.

    Args:
        model: of the run.
        data: samples that it takes.
        view: their corruption.
        keep: takes what tells what happened to samples, of a run that restores; None: it is not fitted.

    Raises:
        ValueError: an exported folder that holds no encoder, or one of another view.
    """
    part, its_view = model.held or ("encoder", None)
    if part not in ("encoder", "teacher"):
        raise ValueError(
            f"the exported folder holds {part} alone, expected an encoder or a teacher: name the run's folder"
        )
    view = (its_view or UNKNOWN) if view == UNKNOWN else view
    embedder = model.part(part, view)  # refuses what is not held
    assert isinstance(embedder, Embedder)

    def each() -> Iterator[tuple[str, Subject]]:
        yield ENCODER, OfGraph(embedder)
        if model.held is None and model.graph.teacher is not None:
            yield TEACHER, OfGraph(Embedder(model.graph, view, teacher=True))
        if model.knows_untrained:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(model.config["seed"])
                twin = untrained(lambda: _twin(model, embedder.normalize), data, model.device)
            yield UNTRAINED, OfGraph(Embedder(twin, view))

    restorer = model.graph if model.held is None and views_leading_to(model.graph) else None
    return Subjects(each, data, model.device, None if model.knows_untrained else NO_UNTRAINED, restorer, keep)


def _twin(model: Model, normalize: Normalize) -> Graph:
    """The graph as it was before the training, on data in the same units."""
    graph = untrained_graph(model, model.spec)
    graph.normalize.load_state_dict(normalize.state_dict())
    return graph


def subjects_of_timm(name: str, weights: Path | None, data: Data, device: torch.device) -> Subjects:
    """Of a model of timm's.

    Args:
        name: as timm knows it.
        weights: a file; None: it is untrained.
        data: images.
        device: where it computes.

    Raises:
        ValueError: no such model, other weights, or no images.
    """
    trained = OfTimm(name, data.grid, weights)  # refuses what does not fit before anything is computed

    def each() -> Iterator[tuple[str, Subject]]:
        yield ENCODER, trained
        if weights is not None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                twin = OfTimm(name, data.grid)
            yield UNTRAINED, twin

    return Subjects(each, data, device)
