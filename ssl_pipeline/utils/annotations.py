"""Whether plain values are what a signature says of them; of anything else nothing is said.

Own code: beartype looks at one random item of a list and takes True for an int; pydantic takes "8" for an int or, where
it is strict, refuses a list for a tuple, as YAML writes it.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from types import NoneType, SimpleNamespace, UnionType
from typing import Any, Literal, Union, get_args, get_origin

LISTS = (list, tuple, set, frozenset)
PLAIN = (bool, int, float, str, NoneType, *LISTS, dict, Mapping, Sequence, Callable)
"""Kinds of which a number or a string is known not to be, unless it is one."""

SEQUENCES = (list, tuple, set, frozenset, Sequence, Iterable, Collection)

WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    NoneType: "null",
    Callable: "a function",
}
PLURALS = {int: "whole numbers", float: "numbers", str: "texts"}


def misfits(target: Callable[..., Any], options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Options whose plain values (numbers, strings, lists ...) are of a wrong kind, each with what is expected.

    >>> def encoder(width: int = 8, patch: int | list[int] | None = None): ...
    >>> [*misfits(encoder, {"width": "wide", "patch": 0.5})]
    [('width', 'a whole number'), ('patch', 'a whole number, a list of whole numbers or null')]
    """
    try:
        hints = _hints(target.__init__ if inspect.isclass(target) else target)
        defaults = {name: parameter.default for name, parameter in inspect.signature(target).parameters.items()}
    except (TypeError, AttributeError, ValueError):  # written in C
        return
    for name, value in options.items():
        if value is None and defaults.get(name, 0) is None:
            continue  # some say int where they mean int | None
        if name in hints and not fits(value, hints[name]):
            yield name, _words(hints[name])


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    """What is known of the annotations: some names are those of type checkers alone."""
    try:
        return typing.get_type_hints(function)
    except NameError:
        found, names = {}, inspect.unwrap(function).__globals__
        for name, hint in function.__annotations__.items():
            with suppress(NameError):
                found |= typing.get_type_hints(SimpleNamespace(__annotations__={name: hint}), names)
        return found


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
        own = next(one for one in (bool, int, float, str) if isinstance(value, one))  # numpy has floats of its own
        return kind in ((int, float) if own is int else (own,)) or kind not in PLAIN
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
        return _either([word for one in _sorted(get_args(hint)) for word in _alternatives(one)])
    return _either(_alternatives(hint))


def _alternatives(hint: Any) -> list[str]:
    """What may stand for a kind that is no union."""
    kind, inner = get_origin(hint) or hint, [arg for arg in get_args(hint) if arg is not Ellipsis]
    if kind is Literal:
        return [*map(repr, inner)]
    if kind in WORDS:
        return [WORDS[kind]]
    if inspect.isclass(kind) and issubclass(kind, Mapping):
        return ["{...}"]
    if kind not in SEQUENCES:
        return [getattr(kind, "__name__", str(kind))]
    number = f" of {len(inner)}" if kind is tuple and Ellipsis not in get_args(hint) and inner else ""
    if not inner:
        return ["a list"]
    each = PLURALS.get(inner[0])
    if each is None:
        return [f"a list{number}, each {_words(inner[0])}"]
    return [f"a list{number} {each}" if number else f"a list of {each}"]


def _sorted(hints: Sequence[Any]) -> list[Any]:
    """Kinds of a union in a settled order; a whole number is a number, too, and what may be missing comes last."""
    hints = [hint for hint in hints if hint is not int or float not in hints]
    return sorted(hints, key=lambda hint: (hint is NoneType, get_origin(hint) in SEQUENCES))


def _either(words: Sequence[str]) -> str:
    return " or ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
