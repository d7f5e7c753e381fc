"""A trained graph at work: raw samples in, embeddings or restored samples out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ssl_pipeline.data import Codec
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.inference.modules import (
    UNKNOWN,
    Part,
    Relation,
    Source,
    Translator,
    make,
    names,
    parameters,
)
from ssl_pipeline.inference.starts import Marks, Samples, rows_of_starts
from ssl_pipeline.structures.grid import GridSpec


class Model:
    """A trained graph in evaluation mode, with the run's own normalisation inside: raw samples in, raw samples out.

    Args:
        graph: the trained graph.
        config: the run's configuration.
        codec: of the run's data, where it has one.
        held: the one part that an exported folder holds, as ``part`` takes it, with its view; of the graph the rest is
            let go. None: everything.
        data: name of the data set that the graph is of, in a run on several.
        trust: packages whose classes its configuration was allowed to name.
        columns: codecs of what the data set tells of each sample besides itself.

    Attributes:
        encoder_object: the encoder, where it is an object of Python that whoever builds the graph again must be given.
    """

    def __init__(
        self,
        graph: Graph,
        config: dict[str, Any],
        codec: Codec | None = None,
        held: tuple[str, str | None] | None = None,
        data: str | None = None,
        trust: tuple[str, ...] = (),
        columns: Mapping[str, Codec] | None = None,
    ) -> None:
        self.columns = columns or {}
        self.spec, self.views = graph.spec, tuple(graph.corruptions)
        self.config = config
        self.codec = codec
        self.held = held
        self.data = data
        self.trust = trust
        self._graph = graph.eval() if held is None else None
        self.encoder_object = graph.encoder if getattr(graph.encoder, "own", None) is not None else None
        self._parts: dict[tuple[str, str], Part] = {}
        if held is not None:
            self._parts[held[0], held[1] or UNKNOWN] = make(graph.eval(), *held)

    def __repr__(self) -> str:
        part, view = self.held or (", ".join(names(self.graph)), None)
        axes = ", ".join(f"{axis.name} {axis.size}" for axis in self.grid.axes)
        low, high = self.grid.range
        cell = f"{self.grid.vocab} symbols" if self.grid.discrete else f"{self.grid.channels} x {low:g} to {high:g}"
        lines = (
            f"{type(self).__name__} on {self.device}",
            f"  views: {', '.join(self.views)}",
            f"  grid: {axes}; {cell}",
            f"  parts: {part}{f' of view {view}' if view else ''}",
        )
        return "\n".join(lines)

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

    def to(self, device: str | torch.device) -> Model:
        """The same model on another device.

        Raises:
            ValueError: there is none of that name here.
        """
        try:
            torch.zeros(1, device=device)
        except (RuntimeError, AssertionError) as error:
            why = str(error).partition("\n")[0].partition(". ")[0]
            raise ValueError(f"device={device}: {why[:100]}: take another, such as cpu") from None
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
            held, asked = (f"{part} (view {of})" if of else part for part, of in (self.held, (name, view)))
            raise ValueError(f"this folder holds the part {held} alone, not {asked}: export that part from the run")
        if (name, view or UNKNOWN) not in self._parts:
            self._parts[name, view or UNKNOWN] = make(self.graph, name, view)
        return self._parts[name, view or UNKNOWN]

    def embed(
        self,
        x: Samples,
        valid: Marks = None,
        batch_size: int = 500,
        teacher: bool = False,
        view: str = UNKNOWN,
        mask: Marks = None,
    ) -> Tensor:
        """Embeddings (B, D) of raw samples.

        Args:
            x: (B, C, *grid) uint8 or floats in the grid's range, or (B, *grid) int64 on a discrete grid, as array or
                tensor; or what the run's data is made of, one or a list: texts, waveforms, images, paths of files.
            valid: (B, *grid) bool, False = padding; None: there is none, or, with a list, it is found.
            batch_size: samples in a pass.
            teacher: embed with the slow copy of the encoder, of a run with ``teacher=ema``.
            view: their corruption, ``unknown`` for none or another than those of the run.
            mask: see ``restore``.

        Raises:
            ValueError: the samples do not lie on the model's grid or clearly outside its range, they are not finite,
                the run's data has no codec that reads them, or there is no teacher.
        """
        part = self.part("teacher" if teacher else "encoder", view)
        return part.in_batches(self._known(part, x, mask, valid), batch_size)

    def restore(
        self,
        x: Samples,
        view: str,
        mask: Marks = None,
        valid: Marks = None,
        batch_size: int = 500,
    ) -> Tensor:
        """The clean form of corrupted samples: the inverse of a corruption, given what is known of it.

        Args:
            x: see ``embed``.
            view: their corruption.
            mask: (B, *grid) or (B, 1, *grid) bool, or 0 and 1 as uint8, true in a hole, of a view with holes,
                whatever stands in them; (*grid) where all samples have the same. Of symbols None for where the symbol
                of a hole stands.
            valid: see ``embed``.
            batch_size: samples in a pass.

        Returns:
            (B, C, *grid) floats in the data's units, which may lie a little outside its range, or (B, *grid) symbols.

        Raises:
            ValueError: see ``embed``; no decoder has learned it; it is not known where the holes are.
        """
        part = self.part(f"restorer:{view}")
        return part.in_batches(self._known(part, x, mask, valid), batch_size)

    def translate(
        self,
        x: Samples,
        view: str,
        to: str,
        mask: Marks = None,
        valid: Marks = None,
        batch_size: int = 500,
        **corruption_params: float | Tensor,
    ) -> Tensor:
        """Samples of one corruption as they would be of another.

        Args:
            x: see ``embed``.
            view: their corruption.
            to: the corruption that they are to have.
            mask: see ``restore``.
            valid: see ``embed``.
            batch_size: samples in a pass.
            corruption_params: parameters of that corruption, one number or (B,): ``factor=2``, ``sigma=0.1``; of a
                chain ``**{"lowres.factor": 2}``.

        Returns:
            See ``restore``.

        Raises:
            ValueError: see ``restore``; a parameter too few or too many, or one that is no finite number.
        """
        part = Translator(self.graph, view, to) if self.held is None else self.part(f"translator:{view}-{to}")
        assert isinstance(part, Translator)
        rows = self._known(part, x, mask, valid)
        rows |= parameters(to, part.corruption_params, corruption_params, len(rows["x"]))
        return part.in_batches(rows, batch_size)

    def relate(
        self,
        edge: str,
        starts: Mapping[str, Samples],
        mask: Marks | Mapping[str, Marks] = None,
        valid: Marks | Mapping[str, Marks] = None,
        batch_size: int = 500,
        corruption_params: Mapping[str, float | Tensor] | None = None,
    ) -> Tensor:
        """What an edge leads to from given parts of samples: ``relate("edge", {"crop": images})``.

        Args:
            edge: its name, ``edge`` for the only one.
            starts: samples, see ``embed``, by the views and columns of the data that the edge starts from.
            mask: holes of the view that the edge starts from, see ``restore``; of several views by name.
            valid: see ``embed``; where there are several starts, by name.
            batch_size: samples in a pass.
            corruption_params: of an edge to a view, the parameters of that corruption, see ``translate``.

        Returns:
            (B, C, *grid) floats in the units of what it leads to, or (B, *grid) symbols, of which
            ``columns[NAME].decode`` makes texts.

        Raises:
            ValueError: no such edge; other starts than its own, or starts of different numbers of samples.
        """
        part = self.part(f"edge:{edge}")
        assert isinstance(part, Relation)
        codecs = {name: self.columns.get(name) if name in self.spec.columns else self.codec for name in part.sources}
        rows = rows_of_starts(part, starts, codecs, mask, valid)
        count = len(next(iter(rows.values())))
        rows |= parameters(part.target, part.corruption_params, corruption_params or {}, count)
        return part.in_batches(rows, batch_size)

    def split(self, at: str = "latent", view: str = UNKNOWN) -> tuple[Part, Part]:
        """Two halves, each the other's inverse: from samples to what passes a cut, and from there to the clean form.

        Args:
            at: ``latent``, ``encoder.NUMBER`` or ``decoder.NUMBER``, the block after which it is cut.
            view: their corruption.

        Raises:
            ValueError: no such cut or view; no decoder leads to the clean form.
        """
        return self.part(f"front@{at}", view), self.part(f"back@{at}", view)

    def _known(self, part: Part, x: Samples, mask: Marks, valid: Marks) -> dict[str, Tensor]:
        source: Source = part.source  # pyright: ignore[reportAssignmentType]
        return source.known(x, self.codec, mask, valid)
