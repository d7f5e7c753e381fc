"""What a term of the objective is, and what it is given."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypeVar

from torch import Tensor, nn

from ssl_pipeline.models.latents import Consensus
from ssl_pipeline.structures.batch import Latent, View
from ssl_pipeline.structures.binding import Bindable
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.structures.nodes import Edge
from ssl_pipeline.structures.view_assignment import ViewAssignment

Record = TypeVar("Record", View, Latent)


class GraphInfo(NamedTuple):
    """What a term must know of the graph that it joins."""

    views: tuple[str, ...]  # names of the views
    consensus: bool  # whether the views of a sample become one latent
    grid: GridSpec  # of the clean samples
    embedding: int  # width of ``Latent.pooled``
    latent: int  # width D of the latent's tokens
    sees_masked: bool  # whether the encoder gives tokens of masked places
    tokens: GridSpec | None  # where the encoder's tokens lie, D numbers each; None where the latent has no such places
    columns: Mapping[str, GridSpec] = {}  # grids of what belongs to each sample besides itself


class Targets(NamedTuple):
    """What the teacher gives."""

    latents: Mapping[str, Latent]  # by view, without its mask
    head: Callable[[nn.Module], nn.Module]  # the teacher's copy of a term's head


@dataclass(frozen=True)
class State:
    """What a step has computed when the losses are asked for."""

    clean: View  # standardised
    views: Mapping[str, View]  # standardised; with the columns that losses reach, all their steps
    source: Tensor  # (B,) what each sample was taken from
    latents: Mapping[str, Latent]  # by view or column, and the consensus where there is one
    assignment: ViewAssignment
    decoders: Mapping[str, nn.Module]  # by target
    corruption_params: Callable[[str], Tensor | None]  # parameters of a view's corruption, (B, k)
    targets: Targets
    look: Callable[[Mapping[str, View]], Mapping[str, Latent]]  # latents of standardised views, by weights that stand
    consensus: Consensus | None = None  # of the views, where the latent has one

    def view(self, name: str) -> View:
        """A view, or a column; of one of several steps the first."""
        return self._first(self.views[name], name)

    def latent(self, name: str) -> Latent:
        """The latent of a view or of a column; of one of several steps that of the first."""
        return self._first(self.latents[name], name)

    def target(self, name: str) -> Latent:
        """The teacher's latent of a view or of a column; of one of several steps that of the first."""
        return self._first(self.targets.latents[name], name)

    def clean_of(self, start: str) -> View:
        """The clean samples that pass a view."""
        return on_rows(self.clean, lambda x: self.assignment.of(x, start))

    def _first(self, record: Record, name: str) -> Record:
        if name in self.assignment.order:
            return record
        steps = len(record[0]) // len(self.source if self.assignment.every is None else self.assignment.every)
        return on_rows(record, lambda rows: rows[::steps])


class Term(Bindable, nn.Module, ABC):
    """One term of an objective: a loss on one pattern of edges.

    It is made without a graph and joins one by ``bind(name, info)``, where it gets its heads and its edges.

    Attributes:
        name: in the objective.
        edges: that it draws.

    Args:
        weight: factor of the term's loss, the mean over its edges.
        views: views that it covers; None for all.

    Raises:
        ValueError: a weight that is not positive.
    """

    name: str
    edges: tuple[Edge, ...]

    by_source = False
    """Whether it compares samples of the same source."""

    needs: tuple[str, ...] = ()
    """Columns of the data that it takes besides those at the ends of its edges."""

    rates_samples = False
    """Whether its loss is a mean over samples, of which ``per_sample`` gives each."""

    def __init__(self, weight: float = 1.0, views: Sequence[str] | None = None) -> None:
        super().__init__()
        if weight <= 0:
            raise ValueError(f"weight={weight}: expected a positive number; leave the term out instead")
        self.weight = weight
        self.views = None if views is None else tuple(views)

    heads: ClassVar[tuple[str, ...]] = ()
    """Names of its modules that know no grid, so that graphs of several kinds of data may share them."""

    @property
    def teacher_head(self) -> nn.Module | None:
        """The head of which a teacher needs a copy."""
        return None

    def fits(self, grid: GridSpec) -> bool:
        """Whether it compares what such samples are made of; a term between embeddings always does."""
        return True

    def setup(self, name: str, info: GraphInfo) -> None:
        """Join a graph under a name.

        Raises:
            ValueError: the graph has not what the term needs.
        """
        self.name = name
        self.make_heads(info)
        self.edges = tuple(self.connect(info))

    def make_heads(self, info: GraphInfo) -> None:
        """Make its modules; nothing where it has none."""

    @abstractmethod
    def connect(self, info: GraphInfo) -> list[Edge]:
        """The edges that it draws between the nodes of a graph."""

    def covered(self, views: Sequence[str]) -> tuple[str, ...]:
        """The views that it covers."""
        return tuple(views) if self.views is None else self.views

    def pairs_views(self, views: Sequence[str]) -> bool:
        """Whether samples must pass several of the views for it, as its edges say."""
        ends = [{end.name for end in edge.ends} for edge in self.edges]
        return any(len(pair) == 2 and pair <= {*views} for pair in ends)

    @abstractmethod
    def forward(self, state: State) -> dict[str, Tensor]:
        """Scalar loss of each of its edges."""

    def per_sample(self, state: State) -> Tensor:
        """Loss (B,) of each sample, the mean over edges, where all samples pass all views.

        Random choices that only save time in training (such as ``Reconstruction.share``) are left out, and no sample of
        another rank is compared with.
        """
        raise NotImplementedError


def on_rows(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A record with the rows of its parts changed; parts without rows, or with one that all samples share, pass."""
    if isinstance(value, tuple):
        parts = (on_rows(part, change) for part in value)
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    return change(value) if isinstance(value, Tensor) and len(value) > 1 else value
