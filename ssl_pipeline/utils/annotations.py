"""Whether plain values are what a signature says of them; of anything else nothing is said.

Own code: beartype looks at one random item of a list and takes True for an int; pydantic takes "8" for an int or, where
it is strict, refuses a list for a tuple, as YAML writes it.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

LISTS = (list, tuple, set, frozenset)
PLAIN = (bool, int, float, str, NoneType, *LISTS, dict, Mapping, Sequence, Callable)
"""Kinds of which a number or a string is known not to be, unless it is one."""

SPELT = dict.fromkeys(["Sequence", "tuple", "Iterable", "Collection"], "list")
SPELT |= dict.fromkeys(["dict", "Mapping"], "{...}")
"""Kinds by the names that YAML has for them."""


def misfits(target: Callable[..., Any], options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Options whose plain values (numbers, strings, lists ...) are of a wrong kind, each with what is expected.

    >>> def encoder(width: int = 8, patch: int | list[int] | None = None): ...
    >>> [*misfits(encoder, {"width": "wide", "patch": 0.5})]
    [('width', 'int'), ('patch', 'int | list[int] | null')]
    """
    try:
        hints = typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
        defaults = {name: parameter.default for name, parameter in inspect.signature(target).parameters.items()}
    except (NameError, TypeError, AttributeError, ValueError):  # names that only type checkers know, or written in C
        return
    for name, value in options.items():
        if value is None and defaults.get(name, 0) is None:
            continue  # some say int where they mean int | None
        if name in hints and not fits(value, hints[name]):
            yield name, _words(hints[name])


def fits(value: Any, hint: Any) -> bool:
    """Whether a plain value is of a kind; lists may stand for tuples, whole numbers for others.

    >>> fits([1, 0.5], tuple[float, float]), fits(True, float), fits("x", int | None), fits(None, int | None)
    (True, False, False, True)
    """
    kind, inner = get_origin(hint) or hint, get_args(hint)
    if kind in (Union, UnionType):
        return any(fits(value, one) for one in inner)
    if kind is Literal:
        return value in inner
    if kind in (Any, object) or isinstance(kind, typing.TypeVar):
        return True
    if value is None:
        return kind in (None, NoneType)
    if isinstance(value, bool | int | float | str):
        numbers = (float,) if isinstance(value, int) and not isinstance(value, bool) else ()
        return kind in (type(value), *numbers) or kind not in PLAIN
    if not inspect.isclass(kind):
        return True
    if isinstance(value, list | tuple):
        return _list_fits(value, kind, inner)
    if isinstance(value, dict):
        each = inner[1] if len(inner) == 2 else Any
        return issubclass(dict, kind) and all(fits(item, each) for item in value.values())
    return True


def _list_fits(value: Sequence[Any], kind: type, inner: tuple[Any, ...]) -> bool:
    if not any(issubclass(some, kind) for some in LISTS):
        return False
    if kind is tuple and inner and Ellipsis not in inner:
        return len(value) == len(inner) and all(map(fits, value, inner))
    return all(fits(item, inner[0] if inner else Any) for item in value)


def _words(hint: Any) -> str:
    """A kind as users read it."""
    if get_origin(hint) in (Union, UnionType):
        return " | ".join(sorted(map(_words, get_args(hint)), key=lambda word: (word == "null", word)))
    if get_origin(hint) is Literal:
        return " | ".join(map(repr, get_args(hint)))
    if hint is NoneType:
        return "null"
    inner = [arg for arg in get_args(hint) if arg is not Ellipsis]
    name = getattr(get_origin(hint) or hint, "__name__", str(hint))
    name = SPELT.get(name, name)
    return f"{name}[{', '.join(map(_words, inner))}]" if inner and name == "list" else name
