"""The objective: a weighted sum of terms, each of which puts one kind of energy on one pattern of edges."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from ssl_pipeline.deal import Deal
from ssl_pipeline.decoders import Decoder
from ssl_pipeline.energies import PairEnergy, ReconstructionEnergy
from ssl_pipeline.grid import GridSpec
from ssl_pipeline.layers import Patches, first_true, pick
from ssl_pipeline.records import Latent, View
from ssl_pipeline.topology import CLEAN, CONSENSUS, Edge, latent_node, view_node


@dataclass(frozen=True)
class State:
    """What a step has computed when the energies are asked for."""

    clean: View  # standardised
    views: Mapping[str, View]  # standardised
    source: Tensor  # (B,) what each sample was taken from
    latents: Mapping[str, Latent]  # by view, and the consensus where there is one
    deal: Deal
    decoders: nn.ModuleDict  # by target
    told: Callable[[str], Tensor | None]  # parameters of a view's corruption, (B, k)


class Term(nn.Module, ABC):
    """One term.

    Args:
        weight: factor of the term's energy, the mean over its edges.
        views: views that it covers; None for all.

    Raises:
        ValueError: a weight that is not positive.
    """

    by_source = False
    """Whether it compares samples of the same source."""

    def __init__(self, weight: float = 1.0, views: Sequence[str] | None = None) -> None:
        super().__init__()
        if weight <= 0:
            raise ValueError(f"weight={weight}: expected a positive number; leave the term out instead")
        self.weight = weight
        self.views = None if views is None else tuple(views)

    def covered(self, views: Sequence[str]) -> tuple[str, ...]:
        """The views that the term covers."""
        return tuple(views) if self.views is None else self.views

    @abstractmethod
    def edges(self, name: str, views: Sequence[str], consensus: bool) -> list[Edge]:
        """The edges that the term draws between the nodes of these views."""

    @abstractmethod
    def forward(self, state: State, edges: Sequence[Edge]) -> dict[str, Tensor]:
        """Scalar energy of each of its edges."""


class Reconstruct(Term):
    """Decoders lead from the latents to the clean sample or to other views.

    Args:
        energy: between decoded and true patches.
        to: ``clean``, the name of a view (a translator), or ``views`` (every view from every other).
        where: ``damaged`` counts only the holes of a view that has some (all places where a later corruption has
            moved them, as in ``mask-reversal``), ``everywhere`` all places.
        weight: factor of the term.
        views: views to start from; None for all.
        width: not used.
        grid: grid of the target, for an energy that still wants it.

    Raises:
        ValueError: another ``where``.
    """

    def __init__(
        self,
        *,
        energy: ReconstructionEnergy | Callable[..., ReconstructionEnergy],
        to: str = CLEAN,
        where: str = "damaged",
        weight: float = 1.0,
        views: Sequence[str] | None = None,
        width: int | None = None,
        grid: GridSpec | None = None,
    ) -> None:
        super().__init__(weight, views)
        if where not in ("damaged", "everywhere"):
            raise ValueError(f"where={where!r} is not known; take damaged or everywhere")
        self.energy = energy if isinstance(energy, ReconstructionEnergy) else energy(grid=grid)
        self.target, self.where = to, where

    def edges(self, name: str, views: Sequence[str], consensus: bool) -> list[Edge]:
        """One edge a start and target."""
        targets = {CLEAN: [CLEAN], "views": list(views)}.get(self.target, [self.target])
        starts = {CONSENSUS: CONSENSUS} if consensus else {v: latent_node(v) for v in self.covered(views)}
        return [
            Edge(_label(name, start, target), node, _target_node(target), attracts=False, prevents_collapse=True)
            for start, node in starts.items()
            for target in targets
            if start != target
        ]

    def forward(self, state: State, edges: Sequence[Edge]) -> dict[str, Tensor]:
        """Decode every start, compare with its target where they share samples."""
        return {edge.name: self._edge(state, edge) for edge in edges if self._shares(state.deal, edge)}

    @staticmethod
    def _shares(deal: Deal, edge: Edge) -> bool:
        ends = edge.source.removeprefix("latent/"), edge.target.removeprefix("view/")
        return CONSENSUS in ends or CLEAN in ends or deal.meet(*ends)

    def _edge(self, state: State, edge: Edge) -> Tensor:
        start, target = edge.source.removeprefix("latent/"), edge.target.removeprefix("view/")
        decoder: Decoder = state.decoders[target]  # pyright: ignore[reportAssignmentType]
        latent, told, places, weight = state.latents[start], None, None, None
        if target == CLEAN:
            truth, valid = state.clean.x, state.clean.valid
            if start != CONSENSUS:
                truth, valid = state.deal.of(truth, start), None if valid is None else state.deal.of(valid, start)
                places, weight = self._damaged(state.views[start], decoder.patches)
        else:
            truth, valid, told = state.views[target].x, state.views[target].valid, state.told(target)
            if start != CONSENSUS:
                latent = Latent(*(_shared(state.deal, v, start, target) for v in latent))
                truth, valid, told = (_shared(state.deal, v, target, start) for v in (truth, valid, told))
        if self.energy.whole:
            return self.energy(decoder.patches.join(decoder(latent, None, told)), truth, valid)
        target = decoder.patches.split(truth)
        if valid is not None:
            present = decoder.patches.split(valid).float().mean(-1)
            present = present if places is None else present.gather(1, places)
            weight = present if weight is None else weight * present
        wanted = target if places is None else pick(target, places)
        return self.energy(decoder(latent, places, told, target), wanted, weight)

    def _damaged(self, view: View, patches: Patches) -> tuple[Tensor | None, Tensor | None]:
        """Patches of the clean sample that lie in the view's hole, or the share of each that does."""
        moved = view.origin is not view.position
        if self.where == "everywhere" or view.removed is None or moved:
            return None, None
        if view.cell is None or view.visible is None or not patches.fits(view.cell):
            return None, patches.split(view.removed).float().mean(-1)
        count = patches.count - patches.count_in(view.visible, view.cell)
        return first_true(patches.wholly(view.removed), count), None


class Agree(Term):
    """Embeddings of the views of a sample, or of the samples of a source, meet pair by pair.

    Args:
        energy: between two batches of embeddings.
        projector: called with the embedding's width, makes the head before the energy; None for none.
        positives: what belongs together: views of the same ``sample``, or everything of the same ``source`` (image,
            recording, author, document), for which one view is enough. Batches then hold several samples of a source
            where ``members_per_source`` says so.
        weight: factor of the term.
        views: views that meet; None for all.
        width: width of the embedding.
        grid: not used.

    Raises:
        ValueError: fewer than two views; another ``positives``, or an energy that knows no sources.
    """

    def __init__(
        self,
        *,
        energy: PairEnergy,
        projector: Callable[[int], nn.Module] | None = None,
        positives: str = "sample",
        weight: float = 1.0,
        views: Sequence[str] | None = None,
        width: int,
        grid: GridSpec | None = None,
    ) -> None:
        super().__init__(weight, views)
        if positives not in ("sample", "source"):
            raise ValueError(f"positives={positives!r} is not known; take sample or source")
        if positives == "source" and not energy.knows_sources:
            raise ValueError(
                f"{type(energy).__name__} compares views of one sample only: take positives=sample, "
                f"or an energy that knows sources (info_nce, align)"
            )
        self.energy, self.by_source = energy, positives == "source"
        self.projector = nn.Identity() if projector is None else projector(width)

    def edges(self, name: str, views: Sequence[str], consensus: bool) -> list[Edge]:
        """One edge a pair of views; a single view meets itself in the other samples of a source."""
        covered = self.covered(views)
        pairs = [*combinations(covered, 2)] or ([(view, view) for view in covered] if self.by_source else [])
        if not pairs:
            raise ValueError(
                f"objective {name} compares views and found {', '.join(covered) or 'none'}: "
                f"give it two, for example corruption=crop+crop"
            )
        return [
            Edge(f"{name}/{a}~{b}", latent_node(a), latent_node(b), True, bool(self.energy.prevents_collapse))
            for a, b in pairs
        ]

    def forward(self, state: State, edges: Sequence[Edge]) -> dict[str, Tensor]:
        """Project every view once, compare pairs on the samples they share."""
        pairs = [(edge.name, *(n.removeprefix("latent/") for n in (edge.source, edge.target))) for edge in edges]
        names = dict.fromkeys(view for _, *pair in pairs for view in pair)
        heads = {view: self.projector(state.latents[view].pooled) for view in names}
        return {name: self._pair(state, heads, a, b) for name, a, b in pairs if self.by_source or state.deal.meet(a, b)}

    def _pair(self, state: State, heads: Mapping[str, Tensor], a: str, b: str) -> Tensor:
        if not self.by_source:
            return self.energy(state.deal.shared(heads[a], a, b), state.deal.shared(heads[b], b, a))
        views = dict.fromkeys((a, b))
        source = [state.deal.of(state.source, view) for view in views]
        return self.energy.by_source(torch.cat([heads[view] for view in views]), torch.cat(source))


class Objective(nn.Module):
    """Weighted sum of terms.

    Args:
        terms: terms by name.
    """

    def __init__(self, terms: Mapping[str, Term]) -> None:
        super().__init__()
        self.terms = nn.ModuleDict(terms)

    def edges(self, views: Sequence[str], consensus: bool) -> dict[str, list[Edge]]:
        """Edges of each term."""
        return {name: term.edges(name, views, consensus) for name, term in self._terms()}

    def forward(self, state: State, edges: Mapping[str, Sequence[Edge]]) -> dict[str, Tensor]:
        """Energies by edge, and their weighted sum as ``loss``."""
        energies, total = {}, torch.zeros((), device=state.clean.x.device)
        for name, term in self._terms():
            parts = term(state, edges[name])
            if parts:  # a term over few views may find none of its pairs among this step's samples
                total = total + term.weight * torch.stack([*parts.values()]).mean()
            energies |= parts
        return {"loss": total, **energies}

    def _terms(self) -> list[tuple[str, Term]]:
        return [*self.terms.items()]  # pyright: ignore[reportReturnType]


def _label(term: str, start: str, target: str) -> str:
    return f"{term}/{start}" if target == CLEAN else f"{term}/{start}>{target}"


def _target_node(target: str) -> str:
    return CLEAN if target == CLEAN else view_node(target)


def _shared(deal: Deal, value: Any, view: str, other: str) -> Any:
    """Rows of a record's field that two views share; fields without rows pass."""
    return deal.shared(value, view, other) if isinstance(value, Tensor) and len(value) > 1 else value
