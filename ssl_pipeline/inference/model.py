"""A trained graph at work: raw samples in, embeddings or restored samples out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ssl_pipeline.data import Codec
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.inference.model_parts import ModelParts
from ssl_pipeline.inference.modules import UNKNOWN, Embedder, Part, Relation, Source, Translator, names, parameters
from ssl_pipeline.inference.recognizer import Happened, Recognizer, statistics
from ssl_pipeline.inference.starts import Marks, Samples, rows_of_starts


class Model(ModelParts):
    """A trained graph in evaluation mode, with the run's own normalisation inside: raw samples in, raw samples out.

    Args:
        graph: the trained graph.
        config: the run's configuration.
        codec: of the run's data, where it has one.
        held: the one part that an exported folder holds, with its view, see ``ModelParts``.
        data: name of the data set that the graph is of, in a run on several.
        trust: packages whose classes its configuration was allowed to name.
        columns: codecs of what the data set tells of each sample besides itself.
        recognizer: tells what happened to samples; None: nobody has fitted one.

    Attributes:
        encoder_object: the encoder, where it is an object of Python that whoever builds the graph again must be given.
        knows_untrained: whether the graph can be made again as it was before the training.
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
        recognizer: Recognizer | None = None,
    ) -> None:
        super().__init__(graph, held)
        user_module = getattr(graph.encoder, "user_module", None)
        self.encoder_object = None if user_module is None else graph.encoder
        self.knows_untrained = user_module is None or user_module.remembers
        self.config, self.codec, self.data, self.trust, self.columns = config, codec, data, trust, columns or {}
        self.recognizer = recognizer

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

    @torch.no_grad()
    def what_happened(self, x: Samples, valid: Marks = None, batch_size: int = 500) -> Happened:
        """Which corruptions samples have passed, how severe each was, and how unlike those of training they are.

        Args:
            x: see ``embed``.
            valid: see ``embed``.
            batch_size: samples in a pass.

        Raises:
            ValueError: see ``embed``; nothing was fitted to read it off the latent.
        """
        if self.recognizer is None:
            raise ValueError(
                "this model cannot tell what happened: that is learned at the end of a run that restores, within the "
                "time for probes (probe.protocol.recognition, probe.budget), or by ssl-pipeline evaluate run=..."
            )
        encoder = self.part("encoder")
        assert isinstance(encoder, Embedder)
        rows = self._known(encoder, x, None, valid)
        found = encoder.in_batches(rows, batch_size, lambda **some: statistics(encoder.encoded(**some)))
        return self.recognizer(found.cpu())

    def restore(
        self,
        x: Samples,
        view: str = UNKNOWN,
        mask: Marks = None,
        valid: Marks = None,
        batch_size: int = 500,
    ) -> Tensor:
        """The clean form of corrupted samples: the inverse of a corruption, given what is known of it.

        Args:
            x: see ``embed``.
            view: their corruption, ``unknown`` where nobody says.
            mask: (B, *grid) or (B, 1, *grid) bool, or 0 and 1 as uint8, True where a place is hidden, of a
                masked view; values there do not matter. (*grid) where all samples have the same. Of symbols None for
                where the mask token stands.
            valid: see ``embed``.
            batch_size: samples in a pass.

        Returns:
            (B, C, *grid) floats in the grid's units, which may lie a little outside its range, or (B, *grid) symbols;
            ``codec.decode`` makes texts of symbols, and of a table's standardised columns rows in their own units.

        Raises:
            ValueError: see ``embed``; no decoder has learned it; a masked view without its mask.
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
            mask: of the masked view that the edge starts from, see ``restore``; of several views by name.
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

    def _known(self, part: Part, x: Samples, mask: Marks, valid: Marks) -> dict[str, Tensor]:
        source: Source = part.source  # pyright: ignore[reportAssignmentType]
        return source.known(x, self.codec, mask, valid)
