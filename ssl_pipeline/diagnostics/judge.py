"""From numbers to sentences: what is wrong, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf, log10
from typing import NamedTuple

from ssl_pipeline.diagnostics.collapse import Signs, collapsed
from ssl_pipeline.diagnostics.edges import LossGradients
from ssl_pipeline.diagnostics.layers import Passed
from ssl_pipeline.diagnostics.step import Moved

END = "latent"
"""Name under which the latent's tokens stand behind the layers that lead to them."""

VANISHED = 1e-3
"""Share of the input below which what a layer gives is nearly the same for every sample."""

NARROW, NARROW_FROM = 0.1, 8
"""Share of the effective rank that comes in, of at least so many, below which a layer is a bottleneck."""

_HUGE = 4.0
"""log10 of an activation's root mean square from which numbers are about to overflow."""

UNEVEN = 5.0
"""Powers of ten between the largest and the smallest gradient of an encoder's layers."""

_JUMPS = 0.2
"""Change of activations of the same samples, by other samples in the batch, above which a layer has no firm ground."""

_LEAPS = 0.1
"""Share of a weight that one step may move at most."""

_DEAD = 1e-4
"""Share of the strongest pull below which a loss teaches the encoder nothing."""

_REMEDY = {
    "constant": "add negatives (objective=...+info_nce), a variance term (+vicreg) or a predictor to a teacher, "
    "raise its weight, or lower optimizer.lr",
    "line": "add what keeps dimensions apart (objective=...+vicreg), negatives (+info_nce), or raise its weight",
    "vanished": "give the network norms and residual links before it (encoder=conv and vit have them), lower "
    "optimizer.lr, or add a loss that needs the input (objective=...+reconstruct)",
    "narrow": "widen it, or leave it as it is if the bottleneck is meant",
    "huge": "put a norm before it, or lower optimizer.lr",
    "uneven": "give the network norms and residual links, or optimizer=lamb, which sets each layer's step by itself",
    "jumps": "normalise without batch statistics (encoder.norm=group, a LayerNorm), or raise batch_size",
    "leaps": "lower optimizer.lr, raise optimizer.warmup, or set trainer.gradient_clip_val",
    "dead": "raise its weight, or take it out of objective=",
}


class Numbers(NamedTuple):
    """What one look has found."""

    signs: Mapping[str, Signs]  # by view
    shape: tuple[int, int]  # (N, D) of its embeddings
    passed: Mapping[str, Mapping[str, Passed]] = {}  # by path (a view, or "" beyond the encoder) and layer
    changed: Mapping[str, Mapping[str, float]] = {}  # likewise: by how much since the last look
    jumps: Mapping[str, Mapping[str, float]] = {}  # likewise: by how much where other samples are in the batch
    moved: Mapping[str, Moved] = {}  # by layer
    pulls: LossGradients | None = None
    symbols: bool = False  # decoders give logits, of which most is how frequent a symbol is
    registered: Mapping[str, float] = {}  # see ``register_diagnostic``


class Finding(NamedTuple):
    """One thing that is wrong."""

    place: str  # a view, a layer or a loss
    kind: str
    badness: float  # how wrong, in units of its own: more is worse
    what: str  # a sentence without its end
    path: str = ""  # the view for which it is wrong

    @property
    def key(self) -> tuple[str, str, str]:
        """By which it is the same thing in the next look; where the input is lost may move."""
        return self.path, "" if self.kind == "vanished" else self.place, self.kind

    @property
    def sentence(self) -> str:
        """With what to do."""
        return f"{self.what}: {_REMEDY[self.kind]}"


def findings(numbers: Numbers) -> Iterator[Finding]:
    """All that is wrong."""
    for view, found in numbers.signs.items():
        for kind, what in collapsed(found, *numbers.shape).items():
            badness = 1 / max(found.spread if kind == "constant" else found.rank, 1e-9)
            yield Finding(view, kind, badness, f"the embeddings of {view} {what}")
    for view, layers in numbers.passed.items():
        if view or not numbers.symbols:
            yield from _passage(view, layers)
    yield from _jumps(numbers.jumps)
    yield from _steps(numbers.moved)
    if numbers.pulls is not None:
        yield from _pulls(numbers.pulls)


def _passage(view: str, layers: Mapping[str, Passed]) -> Iterator[Finding]:
    """The layers from which on the input is lost, those that are too narrow, and the first that explodes."""
    of = f" of {view}" if view else ""
    for names in [[*layers]] if view else _decoders(layers):
        lost = ""
        for name in reversed(names):
            if not layers[name].share < VANISHED:
                break
            lost = name
        if lost:
            most = max(layers[name].share for name in names[names.index(lost) :])
            what = f"from {lost} on, only {most:.0e} of what comes{of} depends on the sample"
            yield Finding(lost, "vanished", 1 / max(most, 1e-30), what, view)
    for name, passed in layers.items():
        if view and passed.rank_in >= NARROW_FROM and passed.rank < NARROW * passed.rank_in:
            through = f"an effective rank of {passed.rank:.1f}, where {passed.rank_in:.1f} came in"
            yield Finding(name, "narrow", passed.rank_in / passed.rank, f"{name} lets{of} pass {through}", view)
    huge = next((name for name, passed in layers.items() if passed.magnitude > _HUGE), None)
    if huge is not None:
        size = layers[huge].magnitude
        yield Finding(huge, "huge", size, f"the activations of {huge} are of the size 1e{size:.0f}{of}", view)


def _decoders(layers: Mapping[str, Passed]) -> list[list[str]]:
    """The layers of each decoder; the last of them gives the sample."""
    found: dict[str, list[str]] = {}
    for name in layers:
        if name.startswith("decoders."):
            found.setdefault(name.split(".")[1], []).append(name)
    return [*found.values()]


def _jumps(jumps: Mapping[str, Mapping[str, float]]) -> Iterator[Finding]:
    """The first layer that does, with the view for which it does so most."""
    names = [name for layers in jumps.values() for name, by in layers.items() if by > _JUMPS]
    if names:
        view = max(jumps, key=lambda view: jumps[view].get(names[0], 0.0))
        by = jumps[view][names[0]]
        what = f"{by:.0%} of what {names[0]} gives of {view} depends on the other samples of the batch"
        yield Finding(names[0], "jumps", by, what)


def _steps(moved: Mapping[str, Moved]) -> Iterator[Finding]:
    for name, of in moved.items():
        if of.update > _LEAPS:
            yield Finding(name, "leaps", of.update, f"one step moves the weights of {name} by {of.update:.0%}")
    encoder = {name: of.gradient for name, of in moved.items() if name.startswith("encoder.")}
    if encoder:
        least, most = min(encoder, key=encoder.__getitem__), max(encoder, key=encoder.__getitem__)
        powers = encoder[most] - encoder[least]
        if powers > UNEVEN:
            what = f"the gradient of {least} is 1e-{powers:.0f} of that of {most}"
            yield Finding(least, "uneven", powers, what)


def _pulls(pulls: LossGradients) -> Iterator[Finding]:
    norms = dict(zip(pulls.names, pulls.norms.tolist(), strict=True))
    strongest = max(norms, key=norms.__getitem__)
    if norms[strongest] == 0:
        yield Finding("encoder", "dead", inf, "no loss teaches the encoder anything")
        return
    for name, norm in norms.items():
        if norm < _DEAD * norms[strongest]:
            share = norm / norms[strongest]
            what = f"{name} teaches the encoder nothing ({share:.0e} of the pull of {strongest})"
            yield Finding(name, "dead", -log10(max(share, 1e-30)), what)
