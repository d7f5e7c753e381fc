"""A graph cut in two: halves that undo each other."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.inference.modules.base import Part
from ssl_pipeline.inference.modules.source import UNKNOWN, Source
from ssl_pipeline.structures.batch import Latent
from ssl_pipeline.structures.nodes import CLEAN
from ssl_pipeline.utils.errors import nearest

Given = Tensor | np.ndarray


def cuts(graph: Graph) -> list[str]:
    """The places at which a graph can be cut in two, from the first block of the encoder to the last of the decoder."""
    depth = graph.decoder().depth if CLEAN.name in graph.decoders else 0
    within = [f"encoder.{i}" for i in range(graph.encoder.depth)]
    return [*within, "latent", *(f"decoder.{i}" for i in range(depth))]


class Front(Part):
    """From samples to what passes a cut: the first of two halves, each the other's inverse.

    ``outputs`` are ``z``, the tokens (B, N, D) of the encoder or the latent, with those that are ``valid`` where holes
    leave some out; behind a block of the decoder ``z`` is what comes out of it, and the latent's ``tokens`` pass
    next to it where further blocks read them.

    Args:
        graph: trained.
        at: ``latent``, ``encoder.NUMBER`` or ``decoder.NUMBER``, the block after which it is cut.
        view: their corruption.

    Raises:
        ValueError: no such cut or view.
    """

    def __init__(self, graph: Graph, at: str, view: str = UNKNOWN) -> None:
        super().__init__(graph)
        self.side, self.block = _cut(graph, at)
        self.source = Source(graph, view)
        self.inputs = self.source.inputs
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
        if self.side != "decoder":
            return {"z": latent.tokens, **known}
        decoder = self.trained.decoder()
        state = decoder.enter(latent)
        for block in range(self.block + 1):
            state = decoder.step(block, state, latent)
        return {"z": state, **known, "tokens": latent.tokens} if decoder.rereads else {"z": state}

    def reach(self, x: Given, mask: Given | None = None, valid: Given | None = None) -> Latent:
        """The latent, or the encoder's tokens at a cut within it."""
        x, mask, valid = self.source.taken(x, mask, valid, self.device)
        name, view = self.source.name, self.source(x, mask, valid)
        if self.side != "encoder":
            return self.trained.latents({name: view})[name]
        latent = self.trained.enter(name, view)
        for block in range(self.block + 1):
            latent = self.trained.encoder.step(block, latent)
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
    coords: Tensor | None

    def __init__(self, graph: Graph, at: str, view: str = UNKNOWN) -> None:
        super().__init__(graph)
        graph.decoder()
        front = Front(graph, at, view)
        self.at, self.view = at, view
        self.side, self.block, self.inputs = front.side, front.block, front.outputs
        with torch.no_grad():
            latent = front.reach(**front.source.zeros(1, self.device))
        self.dense_shape = latent.dense_shape
        self.register_buffer("coords", latent.coords, persistent=False)

    def forward(self, z: Tensor, valid: Tensor | None = None, tokens: Tensor | None = None) -> Tensor:
        """Of what the front half gives, in its order or by name."""
        known = dict(zip(self.inputs, (some for some in (z, valid, tokens) if some is not None), strict=True))
        tokens = known.get("tokens", z)
        latent = Latent(tokens, tokens.flatten(2).mean(1), self.coords, known.get("valid"), self.dense_shape)
        if self.side == "encoder":
            encoder = self.trained.encoder
            for block in range(self.block + 1, encoder.depth):
                latent = encoder.step(block, latent)
            latent = self.trained.latent(encoder.leave(latent))
        if self.side != "decoder":
            return self.trained.decode(latent)
        decoder = self.trained.decoder()
        for block in range(self.block + 1, decoder.depth):
            z = decoder.step(block, z, latent)
        return self.trained.joined(decoder.leave(z))


class NextSymbol(Part):
    """One step of a decoder that writes symbol after symbol: logits (B, vocab) of the symbol at a place.

    Args:
        graph: trained, with such a decoder.
        view: see ``Front``.
    """

    outputs = ("logits",)

    def __init__(self, graph: Graph, view: str = UNKNOWN) -> None:
        super().__init__(graph)
        self.decoder, self.view = graph.decoder(), view
        self.inputs = (*Front(graph, "latent", view).outputs, "symbols", "place")

    def forward(self, z: Tensor, symbols: Tensor, place: Tensor, valid: Tensor | None = None) -> Tensor:
        """From the latent (B, K, D) and symbols (B, L), of which those from ``place`` (B,) on do not count."""
        logits = self.decoder(Latent(z, z.mean(1), valid=valid), target=symbols.unsqueeze(-1))
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
