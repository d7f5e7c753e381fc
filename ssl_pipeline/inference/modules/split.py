"""A graph cut in two: halves that undo each other."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.inference.modules.base import Part
from ssl_pipeline.inference.modules.source import UNKNOWN, Source
from ssl_pipeline.models.decoders import Decoder
from ssl_pipeline.structures.batch import Latent
from ssl_pipeline.structures.nodes import CLEAN
from ssl_pipeline.utils.errors import nearest

Given = Tensor | np.ndarray


def cuts(graph: Graph) -> list[str]:
    """The places at which a graph can be cut in two, from the first block of the encoder to the last of the decoder."""
    decoder = graph.decoders_by_target.get(CLEAN.name)
    depth = decoder.depth if isinstance(decoder, Decoder) else 0
    within = [f"encoder.{i}" for i in range(graph.encoder.depth)]
    return [*within, "latent", *(f"decoder.{i}" for i in range(depth))]


class Front(Part):
    """From samples to what passes a cut: the first of two halves, each the other's inverse.

    ``outputs`` are ``z``, the tokens (B, N, D) of the encoder or the latent, with those that are ``valid`` where masked
    ones are left out; behind a block of the decoder ``z`` is what comes out of it, and the latent's ``tokens`` pass
    next to it where further blocks read them. Of a latent that keeps finer levels these pass, too, as ``level_0``, the
    view itself, ``level_1`` and so on.

    Args:
        graph: trained.
        at: ``latent``, ``encoder.NUMBER`` or ``decoder.NUMBER``, the block after which it is cut.
        view: their corruption.

    Raises:
        ValueError: no such cut or view.
    """

    def __init__(self, graph: Graph, at: str, view: str = UNKNOWN) -> None:
        side, block = _cut(graph, at)
        super().__init__(graph, [view], [CLEAN.name] if side == "decoder" else ())
        self.source = Source(graph, view)
        self.side, self.block, self.inputs = side, block, self.source.inputs
        if side == "encoder":
            self.encoder, _ = self.encoder.halves(block)
            del self.latent
        elif side == "decoder":
            self.decoders[CLEAN.name], _ = self.decoder().halves(block)
        with torch.no_grad():
            self.outputs = tuple(self.wires(**self.source.zeros(1, self.device)))

    def forward(self, x: Given, mask: Given | None = None, valid: Given | None = None) -> Tensor | tuple[Tensor, ...]:
        """Of samples, see ``Embedder``; arrays will do.

        Raises:
            ValueError: they do not lie on the grid.
        """
        passing = tuple(self.wires(x, mask, valid).values())
        return passing[0] if len(passing) == 1 else passing

    def wires(self, x: Given, mask: Given | None = None, valid: Given | None = None) -> dict[str, Tensor]:
        """What passes the cut, by name."""
        latent = self.reach(x, mask, valid)
        known = {} if latent.valid is None else {"valid": latent.valid}
        levels = {f"level_{i}": level for i, level in enumerate(latent.finer)}
        if self.side != "decoder":
            return {"z": latent.tokens, **known, **levels}
        decoder = self.decoder()
        state = decoder.enter(latent)
        for block in range(self.block + 1):
            state = decoder.step(block, state, latent)
        return {"z": state, **known, "tokens": latent.tokens, **levels} if decoder.rereads else {"z": state}

    def reach(self, x: Given, mask: Given | None = None, valid: Given | None = None) -> Latent:
        """The latent, or the encoder's tokens at a cut within it."""
        x, mask, valid = self.source.taken(x, mask, valid, self.device)
        name, view = self.source.name, self.source(x, mask, valid)
        if self.side != "encoder":
            return self.latents({name: view})[name]
        latent = self.encoder.enter(name, self.normalized({name: view})[name])
        for block in range(self.block + 1):
            latent = self.encoder.step(block, latent)
        return latent


class Back(Part):
    """From what passes a cut to the clean form: the second half.

    Args:
        graph: trained.
        at: see ``Front``.
        view: likewise.

    Raises:
        ValueError: no such cut or view; no decoder leads to the clean form.
    """

    outputs = ("x",)
    passing: dict[str, Tensor]
    coords: Tensor | None

    def __init__(self, graph: Graph, at: str, view: str = UNKNOWN) -> None:
        super().__init__(graph, targets=[CLEAN.name])
        front = Front(graph, at, view)
        self.side, self.block, self.inputs = front.side, front.block, front.outputs
        if self.side == "encoder":
            _, self.encoder = graph.encoder.halves(self.block)
            self.latent = graph.latent
        elif self.side == "decoder":
            _, self.decoders[CLEAN.name] = self.decoder().halves(self.block)
        with torch.no_grad():
            empty = front.source.zeros(1, self.device)
            latent, self.passing = front.reach(**empty), front.wires(**empty)
        self.dense_shape = latent.dense_shape
        self.register_buffer("coords", latent.coords, persistent=False)

    def forward(self, *passing: Tensor, **named: Tensor) -> Tensor:
        """Of what the front half gives, in its order or by name.

        Raises:
            ValueError: not all of it, or more.
        """
        known = {**dict(zip(self.inputs, passing, strict=False)), **named}
        if len(passing) + len(named) != len(self.inputs) or known.keys() != {*self.inputs}:
            given = f"{len(passing)} in order and {', '.join(named) or 'none'} by name"
            raise ValueError(f"expected {', '.join(self.inputs)}, got {given}")
        z = known["z"]
        tokens = known.get("tokens", z)
        levels = tuple(known[name] for name in self.inputs if name.startswith("level_"))
        mean = tokens.flatten(2).mean(1)
        latent = Latent(tokens, mean, self.coords, known.get("valid"), self.dense_shape, levels)
        if self.side == "encoder":
            for block in range(self.block + 1, self.encoder.depth):
                latent = self.encoder.step(block, latent)
            latent = self.latent(self.encoder.leave(latent))
        if self.side != "decoder":
            return self.decode(latent)
        decoder = self.decoder()
        for block in range(self.block + 1, decoder.depth):
            z = decoder.step(block, z, latent)
        return self.joined(decoder.leave(z, latent))


class NextSymbol(Part):
    """One step of a decoder that writes symbol after symbol: logits (B, vocab) of the symbol at a place.

    Args:
        graph: trained, with such a decoder.
        view: see ``Front``.
    """

    outputs = ("logits",)

    def __init__(self, graph: Graph, view: str = UNKNOWN) -> None:
        super().__init__(graph, targets=[CLEAN.name])
        front = Front(graph, "latent", view)
        self.inputs = (*front.outputs, "symbols", "place")
        with torch.no_grad():
            self.passing = front.wires(**front.source.zeros(1, self.device))

    def forward(self, z: Tensor, symbols: Tensor, place: Tensor, valid: Tensor | None = None) -> Tensor:
        """From the latent (B, K, D) and symbols (B, L), of which those from ``place`` (B,) on do not count."""
        logits = self.decoder()(Latent(z, z.mean(1), valid=valid), target=symbols.unsqueeze(-1))
        return logits.gather(1, place.view(-1, 1, 1).expand(-1, 1, logits.shape[-1])).squeeze(1)


def _cut(graph: Graph, at: str) -> tuple[str, int]:
    """Side and block of a cut.

    Raises:
        ValueError: no such cut.
    """
    if at not in cuts(graph):
        raise ValueError(f"it cannot be cut at {at!r}; {nearest(at, cuts(graph))}")
    side, _, block = at.partition(".")
    return side, int(block or 0)
