"""Parts by kind and name, as timm's ``register_model``: a configuration says ``type: NAME``, its place says the kind.

A package of one's own registers its parts in the same way::

    @register("loss", "log_cosh")
    class LogCosh(ReconstructionLoss): ...
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, TypeVar

from ssl_pipeline.config.plugins import import_plugins
from ssl_pipeline.config.unimported import unimported
from ssl_pipeline.utils.errors import nearest
from ssl_pipeline.utils.signatures import checked_class

_Target = TypeVar("_Target", bound=Callable[..., Any])

_OURS = __name__.partition(".")[0]

DEFERRED = {"estimate", "layer", "optimizer"}
"""Kinds that are made elsewhere, of a grid, of sizes or of weights: building them gives a ``functools.partial``."""

_HOMES = {
    "balance": "ssl_pipeline.losses",
    "codec": "ssl_pipeline.data",
    "consensus": "ssl_pipeline.models.latents",
    "corruption": "ssl_pipeline.corruptions",
    "data": "ssl_pipeline.data",
    "decoder": "ssl_pipeline.models.decoders",
    "encoder": "ssl_pipeline.models.encoders",
    "estimate": "ssl_pipeline.models.estimates",
    "head": "ssl_pipeline.models.layers",
    "latent": "ssl_pipeline.models.latents",
    "layer": "ssl_pipeline.models.layers.mlps",
    "logger": "ssl_pipeline.training.loggers",
    "loss": "ssl_pipeline.losses",
    "objective": "ssl_pipeline.objectives",
    "optimizer": "ssl_pipeline.optim.rules",
    "protocol": "ssl_pipeline.evaluation",
    "segments": "ssl_pipeline.data",
    "teacher": "ssl_pipeline.models.ema_teacher",
    "transition": "ssl_pipeline.models.layers",
}
"""Modules that register our own parts when they are imported; kinds without one belong to plug-ins."""


@dataclass(frozen=True)
class Entry:
    """A registered part.

    Args:
        kind: what it may stand for.
        name: under which a configuration finds it.
        target: the class or function.
        parts: kinds of the parts that its options take, by option, None of plain values; ``*`` stands for all others.
        settled: options that a saved configuration does not decide, each with what stands there instead; an option
            inside a group is written ``group.option``.
        imports: options whose text may name a module, as ``MODULE:NAME``.
    """

    kind: str
    name: str
    target: Callable[..., Any]
    parts: Mapping[str, str | None] = field(default_factory=dict)
    settled: Mapping[str, Any] = field(default_factory=dict)
    imports: Sequence[str] = ()

    def kind_of(self, option: str) -> str | None:
        """Kind of the part that an option takes; None: plain values only."""
        return self.parts.get(option, self.parts.get("*"))


_ENTRIES: dict[str, dict[str, Entry]] = {}


def register(
    kind: str,
    name: str,
    *,
    parts: Mapping[str, str | None] | None = None,
    settled: Mapping[str, Any] | None = None,
    imports: Sequence[str] = (),
) -> Callable[[_Target], _Target]:
    """Decorator: enter a class or function; for one of another package, call what it returns.

    Args:
        kind: one of ours or a new one.
        name: short, lower case.
        parts: see ``Entry``.
        settled: see ``Entry``. What a part writes to, or sends to, belongs here.
        imports: see ``Entry``.

    Raises:
        ValueError: the name is taken by another part of the kind.

    >>> register("gate", "and")(all) is all, part_names("gate")
    (True, ['and'])
    """

    def enter(target: _Target) -> _Target:
        entry = Entry(kind, name, target, parts or {}, settled or {}, imports)
        taken = _ENTRIES.setdefault(kind, {}).setdefault(name, entry).target
        if (taken.__module__, taken.__qualname__) != (target.__module__, target.__qualname__):
            raise ValueError(f"{kind} {name!r} is {taken.__module__}.{taken.__qualname__} already: take another name")
        _ENTRIES[kind][name] = entry
        if _is_our_class(target):
            checked_class(target)
        return target

    return enter


def _is_our_class(target: Any) -> bool:
    return isinstance(target, type) and target.__module__.partition(".")[0] == _OURS


def part_names(kind: str) -> list[str]:
    """Names of the registered parts of a kind, those of plug-ins among them.

    Raises:
        ValueError: there is no such kind.
    """
    import_plugins()
    if kind not in {*_HOMES, *_ENTRIES}:
        raise ValueError(f"there is no kind {kind!r} of parts; {nearest(kind, {*_HOMES, *_ENTRIES})}")
    return sorted(_own(kind))


def lookup(kind: str, name: str) -> Entry:
    """A registered part; plug-ins are imported where our own parts have no such name.

    Raises:
        ValueError: no part of this kind has the name, with the nearest that one has.

    >>> lookup("corruption", "mask").target.__name__
    'Mask'
    """
    if name in (own := _own(kind)):
        return own[name]
    known = part_names(kind)
    if name not in known:
        raise ValueError(f"there is no {kind} {name!r}; {_advice(kind, name, known)}")
    return _ENTRIES[kind][name]


def _advice(kind: str, name: str, known: list[str]) -> str:
    if found := unimported(kind, name, _HOMES.get(kind)):
        return found
    text = nearest(name, known)
    own = "one of your own must be registered in a module that is imported, see docs/extending.md"
    return text if text.startswith("nearest") else f"{text}; {own}"


def _own(kind: str) -> dict[str, Entry]:
    if kind in _HOMES:
        import_module(_HOMES[kind])
    return _ENTRIES.get(kind, {})
