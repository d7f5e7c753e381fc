"""From plain dictionaries to objects: ``type: NAME`` is a registered part, the other keys are its options.

A file can name registered parts of the kind that its place asks for, and plain values, nothing else. A class that is
not registered is written ``_target_: package.Class``, or as ``type`` with a dot in it, and code of a package runs only
where the caller says ``trust``: it is an argument of every function that builds, and no file ever gives it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

from ssl_pipeline.config.options import check_names, check_values, option_names
from ssl_pipeline.config.registry import DEFERRED, Entry, lookup
from ssl_pipeline.config.trust import check_imports, trusted
from ssl_pipeline.utils.errors import keys_at, option_keys

_SAYS = ("type", "_target_")


def build_part(kind: str, node: Any, *, at: str = "", trust: tuple[str, ...] = ()) -> Any:
    """The part that a node describes, inner parts first; None of an empty node.

    Args:
        kind: of the part.
        node: ``{type: NAME, option: value ...}`` in plain values, or the name alone.
        at: dotted key of the node in the configuration, for errors.
        trust: packages, modules or names of which dotted names may be.

    Returns:
        The part; of the kinds in ``DEFERRED`` a ``functools.partial``.

    Raises:
        ValueError: a name that is not registered, an option that it lacks or one it needs, a value of another kind.

    >>> build_part("loss", {"type": "smooth_l1", "beta": 0.5}).beta, build_part("loss", "mse")
    (0.5, MSE())
    """
    if node is None or node == {}:
        return None
    if isinstance(node, str):
        node = {"type": node}
    if not is_part(node):
        raise ValueError(f"{at or kind}={node}: expected a {kind} as {{type: NAME, ...}}")
    entry = _entry(kind, node, at, trust)
    options = {key: value for key, value in node.items() if key not in _SAYS}
    return construct(entry, options, at=at, trust=trust)


def build_parts(kind: str, nodes: Any, *, at: str, trust: tuple[str, ...] = ()) -> dict[str, Any]:
    """Parts by name, such as the views of ``corruption``; their names become names of files, so they are plain words.

    Raises:
        ValueError: see ``build_part``; a name with other signs than letters, digits, ``_``, ``-`` and ``+``.
    """
    if not isinstance(nodes or {}, Mapping):
        raise ValueError(f"{at}={nodes}: expected {{NAME: {{type: ..., ...}}}}")
    for name in nodes or {}:
        if not re.fullmatch(r"[\w+-]+", str(name)):
            raise ValueError(f"{at} has a part called {name!r}: expected letters, digits, _, - and + in a name")
    return {name: build_part(kind, node, at=f"{at}.{name}", trust=trust) for name, node in (nodes or {}).items()}


def construct(entry: Entry, options: Mapping[str, Any], *, at: str = "", trust: tuple[str, ...] = ()) -> Any:
    """Check options and call what they are for.

    Raises:
        ValueError: see ``build_part``.
    """
    what, target, deferred = f"{entry.kind} {entry.name}", entry.target, entry.kind in DEFERRED
    if "trust" in options:
        raise ValueError(f"{at or what}: trust is no option of a part, the caller says it")
    check_names(what, target, options, complete=not deferred)
    inner = {key: kind for key in options if (kind := entry.kind_of(key)) is not None}
    check_values(at or entry.name, target, {key: value for key, value in options.items() if key not in inner})
    for key in entry.imports:
        check_imports(f"{at or entry.name}.{key}", options.get(key), trust)
    made = dict(options) | {
        key: _inner(kind, options[key], f"{at or entry.name}.{key}", trust) for key, kind in inner.items()
    }
    if deferred:
        return partial(target, **made)
    with _as_typed(entry, at):
        return target(**made)


def _as_typed(entry: Entry, at: str) -> AbstractContextManager[None]:
    """Where errors name options as they are typed."""
    if not at:
        return nullcontext()
    return (keys_at if entry.kind == "data" else option_keys)(at, option_names(entry.target))


def is_part(node: Any) -> bool:
    """Whether a node names a part."""
    return isinstance(node, Mapping) and any(key in node for key in _SAYS)


def part_name(node: Mapping[str, Any]) -> Any:
    """What a node says as its name; None where it says none."""
    return next((node[key] for key in _SAYS if key in node), None)


def _entry(kind: str, node: Mapping[str, Any], at: str, trust: tuple[str, ...]) -> Entry:
    if all(key in node for key in _SAYS):
        raise ValueError(f"{at or kind} says type={node['type']} and _target_={node['_target_']}: drop one of them")
    if not isinstance(name := part_name(node), str):
        raise ValueError(f"{at or kind}: expected the name of a {kind} as type, got {name!r}")
    if "_target_" in node or "." in name:
        return Entry(kind, name, trusted(name, kind, trust))
    try:
        return lookup(kind, name)
    except ValueError as error:
        raise ValueError(f"{at}: {error}" if at else str(error)) from None


def _inner(kind: str, value: Any, at: str, trust: tuple[str, ...]) -> Any:
    """A part, parts by name, or a list of parts."""
    if isinstance(value, list | tuple):
        return [_inner(kind, one, f"{at}.{i}", trust) for i, one in enumerate(value)]
    if isinstance(value, Mapping) and value and not is_part(value):
        return build_parts(kind, value, at=at, trust=trust)
    return build_part(kind, value, at=at, trust=trust)
