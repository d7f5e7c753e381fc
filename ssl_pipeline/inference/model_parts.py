"""The models in a trained graph by name, or the one that an exported folder holds."""

from __future__ import annotations

from typing import TypeVar

import torch

from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.inference.modules import UNKNOWN, Part, make
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.utils.devices import device_of

_Own = TypeVar("_Own", bound="ModelParts")


class ModelParts:
    """The models in a graph, each made when it is first asked for.

    Args:
        graph: the trained graph, which is brought into evaluation mode.
        held: the one part that is kept, as ``part`` takes it, with its view; the rest of the graph is let go. None: all
            of them.
    """

    def __init__(self, graph: Graph, held: tuple[str, str | None] | None = None) -> None:
        self.spec, self.views, self.held = graph.spec, tuple(graph.corruptions), held
        self._graph = graph.eval() if held is None else None
        self._parts: dict[tuple[str, str], Part] = {}
        if held is not None:
            self._parts[held[0], held[1] or UNKNOWN] = make(graph.eval(), *held)

    @property
    def graph(self) -> Graph:
        """The trained graph.

        Raises:
            ValueError: an exported folder holds none.
        """
        if self._graph is None:
            raise ValueError(
                f"this folder holds the part {self.held and self.held[0]} alone and no graph: load the run's folder"
            )
        return self._graph

    @property
    def grid(self) -> GridSpec:
        """Grid of the samples it takes."""
        return self.spec.grid

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.part().device if self._graph is None else next(self._graph.parameters()).device

    def to(self: _Own, device: str | torch.device) -> _Own:
        """The same model on another device; see ``device_of``."""
        device = device_of(device)
        if self._graph is not None:
            self._graph.to(device)
        for part in self._parts.values():
            part.to(device)
        return self

    def part(self, name: str | None = None, view: str | None = None) -> Part:
        """One of the models in it as a module, which shares its weights.

        Args:
            name: ``encoder``, ``teacher``, ``decoder``, ``restorer:VIEW``, ``translator:VIEW-VIEW``, ``edge:NAME``,
                ``front@CUT`` or ``back@CUT``; None for the one that an exported folder holds.
            view: the corruption of the samples, for an encoder or for halves; None for ``unknown``.

        Raises:
            ValueError: no such part, or it is not held here.
        """
        if self.held is not None and name is None:
            name, view = self.held
        if name is None:
            raise ValueError("this run holds many models: name a part, such as encoder or front@latent")
        if self.held is not None and (name, view or UNKNOWN) != (self.held[0], self.held[1] or UNKNOWN):
            held, asked = (
                f"{part} (view {of})" if of and of != UNKNOWN else part for part, of in (self.held, (name, view))
            )
            raise ValueError(f"this folder holds the part {held} alone, not {asked}: export that part from the run")
        if (name, view or UNKNOWN) not in self._parts:
            self._parts[name, view or UNKNOWN] = make(self.graph, name, view)
        return self._parts[name, view or UNKNOWN]

    def split(self, at: str = "latent", view: str = UNKNOWN) -> tuple[Part, Part]:
        """Two halves, each the other's inverse: from samples to what passes a cut, and from there to the clean form.

        Args:
            at: ``latent``, ``encoder.NUMBER`` or ``decoder.NUMBER``, the block after which it is cut.
            view: their corruption.

        Raises:
            ValueError: no such cut or view; no decoder leads to the clean form.
        """
        return self.part(f"front@{at}", view), self.part(f"back@{at}", view)
