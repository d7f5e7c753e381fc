"""The models that a trained graph holds, each a module of its own: tensors in the data's units in, tensors out."""

from __future__ import annotations

import re
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ssl_pipeline.corruptions import Corruption
from ssl_pipeline.errors import nearest
from ssl_pipeline.graph import Graph
from ssl_pipeline.grid import GridSpec
from ssl_pipeline.records import Latent, View, as_float, clean_view
from ssl_pipeline.seeding import generator
from ssl_pipeline.topology import CLEAN, view_node

UNKNOWN = "unknown"


class Part(nn.Module):
    """A model that a graph holds.

    Args:
        graph: trained; its modules are shared, not copied.

    Attributes:
        inputs: names of what ``forward`` takes, each (B, ...).
        outputs: names of what it gives; of a single one the tensor itself, of several a tuple.
        trained: the graph.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def __init__(self, graph: Graph) -> None:
        super().__init__()
        self.trained = graph

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return next(self.parameters()).device


class Embedder(Part):
    """Embeddings (B, D) of samples.

    Args:
        graph: trained.
        view: the damage that the samples have suffered.
        teacher: the slow copy of the encoder.

    Raises:
        ValueError: the graph has no teacher of its own.
    """

    outputs = ("embeddings",)

    def __init__(self, graph: Graph, view: str = UNKNOWN, teacher: bool = False) -> None:
        super().__init__(graph)
        if teacher and graph.teacher is None:
            raise ValueError("this graph has no teacher of its own: train with teacher=ema, or leave teacher out")
        self.source, self.teacher = Source(graph, view), teacher
        self.inputs = self.source.inputs

    def forward(self, x: Tensor, removed: Tensor | None = None, valid: Tensor | None = None) -> Tensor:
        """Of samples (B, C, *grid) or (B, *grid); where a view with holes has them, and what is no padding."""
        return self.trained.pooled(self.source.name, self.source(x, removed, valid), self.teacher)


class Restorer(Part):
    """The clean form of samples that have suffered a damage.

    Of holes that the decoder has learned to fill, only the holes are filled, and the rest stays as it is.

    Args:
        graph: trained.
        view: the damage.

    Raises:
        ValueError: no decoder leads from this view to the clean form.
    """

    outputs = ("restored",)

    def __init__(self, graph: Graph, view: str) -> None:
        super().__init__(graph)
        _leads(graph, view, CLEAN)
        self.source = Source(graph, view)
        self.inputs = self.source.inputs
        made = self.source.corruption
        self.fills_only = made is not None and self.source.holes and not _moves(made) and graph.fills_only(view)

    def forward(self, x: Tensor, removed: Tensor | None = None, valid: Tensor | None = None) -> Tensor:
        """Of damaged samples, see ``Embedder``."""
        view, removed = self.source(x, removed, valid), self.source.places(x, removed)
        restored = self.trained.restore(self.source.name, view)
        if removed is None or not self.fills_only:
            return restored
        x = as_float(x, self.trained.grid)
        return torch.where(removed if self.trained.grid.discrete else removed.unsqueeze(1), restored, x)


class Translator(Part):
    """A view as another one would be: from the latent of one to the form of the other.

    Args:
        graph: trained.
        view: the damage that the samples have suffered.
        to: the damage that they are to suffer.

    Raises:
        ValueError: no decoder leads from one to the other.
    """

    outputs = ("translated",)

    def __init__(self, graph: Graph, view: str, to: str) -> None:
        super().__init__(graph)
        _known(graph, to)
        _leads(graph, view, to)
        self.source, self.target = Source(graph, view), to
        self.told = graph.corruptions[to].told
        self.inputs = (*self.source.inputs, *(("told",) if self.told else ()))

    def forward(
        self, x: Tensor, removed: Tensor | None = None, valid: Tensor | None = None, told: Tensor | None = None
    ) -> Tensor:
        """Of damaged samples, see ``Embedder``, and the parameters (B, k) of the damage to come."""
        if self.told and told is None:
            raise ValueError(f"a sample of view {self.target} is told {', '.join(self.told)}: pass told, (B, k)")
        view = self.source(x, removed, valid)
        return self.trained.decode(self.trained.latents({self.source.name: view})[self.source.name], self.target, told)


class Source:
    """Samples of a damage as the graph's view of them: what a user knows of it made into a record.

    Args:
        graph: trained.
        name: the view, or ``unknown`` for samples that have suffered none or another.

    Raises:
        ValueError: no such view.
    """

    def __init__(self, graph: Graph, name: str) -> None:
        if name != UNKNOWN:
            _known(graph, name)
        self.corruption: Corruption | None = graph.corruptions.get(name)
        self.name = name
        self.grid = graph.grid if self.corruption is None else self.corruption.output_grid
        self.holes = self.corruption is not None and self.corruption.removes
        self.padded = self.grid.discrete or self.grid.signal or self.grid.log  # texts and sounds may be too short
        self.inputs = ("x", *(("removed",) if self.holes else ()), *(("valid",) if self.padded else ()))

    def __call__(self, x: Tensor, removed: Tensor | None = None, valid: Tensor | None = None) -> View:
        """The view, in the data's units.

        Raises:
            ValueError: a view with holes whose places are not known, or holes in a view that has none.
        """
        if valid is None and self.padded:  # so that as much passes a cut whether or not it is said
            valid = torch.ones_like(x if self.grid.discrete else x[:, 0], dtype=torch.bool)
        view, places = clean_view(self.grid, as_float(x, self.grid), valid), self.places(x, removed)
        return view if places is None or self.corruption is None else self.corruption.with_holes(view, places)

    def places(self, x: Tensor, removed: Tensor | None) -> Tensor | None:
        """Where the holes are, (B, *grid): as it is said, or, of symbols, where the one for holes stands."""
        if not self.holes:
            if removed is not None:
                raise ValueError(f"view {self.name} has no holes: leave out removed, or take a view that is masked")
            return None
        if removed is not None:
            return removed
        if self.grid.mask_token is None:
            raise ValueError(f"view {self.name} has holes: pass removed, (B, *grid) bool, true in a hole")
        return x == self.grid.mask_token

    def zeros(self, batch: int, device: torch.device) -> dict[str, Tensor]:
        """Empty samples, without holes or padding, as ``inputs`` names what is known of them."""
        shape = (batch, *self.grid.shape)
        x = _empty(self.grid, batch)
        known = {"x": x, "removed": torch.zeros(shape, dtype=torch.bool), "valid": torch.ones(shape, dtype=torch.bool)}
        return {name: known[name].to(device) for name in self.inputs}


class Front(Part):
    """From samples to what passes a cut: the first of two halves, each the other's inverse.

    ``outputs`` are ``z``, the tokens (B, N, D) of the encoder or the latent, with those that are ``valid`` where holes
    leave some out; behind a block of the decoder ``z`` is what comes out of it, and the latent's ``tokens`` pass beside
    it where further blocks read them.

    Args:
        graph: trained.
        at: ``latent``, ``encoder.NUMBER`` or ``decoder.NUMBER``, the block after which it is cut.
        view: the damage that the samples have suffered.

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

    def forward(
        self, x: Tensor, removed: Tensor | None = None, valid: Tensor | None = None
    ) -> Tensor | tuple[Tensor, ...]:
        """Of samples, see ``Embedder``."""
        passing = tuple(self.wires(x, removed, valid).values())
        return passing[0] if len(passing) == 1 else passing

    def wires(self, x: Tensor, removed: Tensor | None = None, valid: Tensor | None = None) -> dict[str, Tensor]:
        """What passes the cut, by name."""
        latent = self.reach(x, removed, valid)
        known = {} if latent.valid is None else {"valid": latent.valid}
        if self.side != "decoder":
            return {"z": latent.tokens, **known}
        decoder = self.trained.decoder()
        state = decoder.enter(latent)
        for block in range(self.block + 1):
            state = decoder.step(block, state, latent)
        return {"z": state, **known, "tokens": latent.tokens} if decoder.rereads else {"z": state}

    def reach(self, x: Tensor, removed: Tensor | None = None, valid: Tensor | None = None) -> Latent:
        """The latent, or the encoder's tokens at a cut within it."""
        name, view = self.source.name, self.source(x, removed, valid)
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
    position: Tensor | None

    def __init__(self, graph: Graph, at: str, view: str = UNKNOWN) -> None:
        super().__init__(graph)
        graph.decoder()
        front = Front(graph, at, view)
        self.at, self.view = at, view
        self.side, self.block, self.inputs = front.side, front.block, front.outputs
        with torch.no_grad():
            latent = front.reach(**front.source.zeros(1, self.device))
        self.dense_shape = latent.dense_shape
        self.register_buffer("position", latent.position, persistent=False)

    def forward(self, z: Tensor, valid: Tensor | None = None, tokens: Tensor | None = None) -> Tensor:
        """Of what the front half gives, in its order or by name."""
        known = dict(zip(self.inputs, (some for some in (z, valid, tokens) if some is not None), strict=True))
        tokens = known.get("tokens", z)
        latent = Latent(tokens, tokens.flatten(2).mean(1), self.position, known.get("valid"), self.dense_shape)
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


def make(graph: Graph, part: str, view: str | None = None) -> Part:
    """A model by its name.

    Args:
        graph: trained.
        part: ``encoder``, ``teacher``, ``decoder``, ``restorer:VIEW``, ``translator:VIEW-VIEW``, ``front@CUT`` or
            ``back@CUT``.
        view: the damage that the samples have suffered, of an encoder or of halves; ``unknown`` where not given.

    Raises:
        ValueError: no such part, or the graph does not hold it.
    """
    kind, mark, what = re.match(r"(\w*)([:@]?)(.*)", part).groups()  # pyright: ignore[reportOptionalMemberAccess]
    seen = view or UNKNOWN
    if mark and kind in ("restorer", "translator") and view not in (None, UNKNOWN):
        raise ValueError(f"{part} says itself which view it takes: leave out view={view}")
    makers: dict[tuple[str, str], Callable[[], Part]] = {
        ("encoder", ""): lambda: Embedder(graph, seen),
        ("teacher", ""): lambda: Embedder(graph, seen, teacher=True),
        ("decoder", ""): lambda: NextSymbol(graph, seen) if graph.decoder().causal else Back(graph, "latent", seen),
        ("restorer", ":"): lambda: Restorer(graph, what),
        ("translator", ":"): lambda: Translator(graph, *_two(graph, what)),
        ("front", "@"): lambda: Front(graph, what, seen),
        ("back", "@"): lambda: Back(graph, what, seen),
    }
    if (kind, mark) not in makers:
        raise ValueError(
            f"there is no part {part!r}: expected encoder, teacher, decoder, restorer:VIEW, translator:VIEW-VIEW, "
            f"front@CUT or back@CUT"
        )
    return makers[kind, mark]().eval()


def cuts(graph: Graph) -> list[str]:
    """The places at which a graph can be cut in two, from the first block of the encoder to the last of the decoder."""
    depth = graph.decoder().depth if CLEAN in graph.decoders else 0
    within = [f"encoder.{i}" for i in range(graph.encoder.depth)]
    return [*within, "latent", *(f"decoder.{i}" for i in range(depth))]


def _cut(graph: Graph, at: str) -> tuple[str, int]:
    """Side and block of a cut.

    Raises:
        ValueError: no such cut.
    """
    if at not in cuts(graph):
        raise ValueError(f"it cannot be cut at {at!r}; {nearest(at, cuts(graph))}")
    side, _, block = at.partition(".")
    return side, int(block or 0)


def _two(graph: Graph, names: str) -> tuple[str, str]:
    """Two views parted by a dash, of whose names each may hold dashes."""
    words, views = names.split("-"), graph.corruptions
    splits = [("-".join(words[:i]), "-".join(words[i:])) for i in range(1, len(words))]
    found = [(a, b) for a, b in splits if a in views and b in views]
    if len(found) != 1:
        what = "which can be read in several ways" if found else f"and views are {', '.join(views)}"
        raise ValueError(f"translator:{names}: expected two views parted by -, {what}")
    return found[0]


def _known(graph: Graph, view: str) -> None:
    if view not in graph.corruptions:
        raise ValueError(f"there is no view {view!r}; {nearest(view, graph.corruptions)}")


def _leads(graph: Graph, view: str, target: str) -> None:
    """Refuse what no decoder has learned."""
    if view != UNKNOWN:
        _known(graph, view)
    node = CLEAN if target == CLEAN else view_node(target)
    starts = graph.leading(node)
    if not starts:
        to, term = (target, f"objective.reconstruct.to={target}") if target != CLEAN else ("the clean form", "...")
        raise ValueError(f"no decoder leads to {to}: train with objective=...+reconstruct ({term})")
    if view != UNKNOWN and view not in starts:
        raise ValueError(f"no decoder has learned to lead from {view} to {target}; it has from {', '.join(starts)}")


def _moves(corruption: Corruption) -> bool:
    """Whether cells lie elsewhere in the damaged sample than in the clean one."""
    view = corruption(clean_view(corruption.grid, _empty(corruption.grid, 1)), generator("cpu", 0))
    return view.origin is not view.position


def _empty(grid: GridSpec, batch: int) -> Tensor:
    """Samples of nothing."""
    shape = (batch, *grid.shape)
    return torch.zeros(shape, dtype=torch.long) if grid.discrete else torch.zeros((batch, grid.width, *grid.shape))
