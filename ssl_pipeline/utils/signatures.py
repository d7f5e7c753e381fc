"""Calls from Python against the signature that they go to, so that a mistake ends where it was made."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from ssl_pipeline.utils.annotations import misfits
from ssl_pipeline.utils.errors import nearest

_P = ParamSpec("_P")
_R = TypeVar("_R")
_C = TypeVar("_C", bound=Callable[..., Any])


def checked(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Decorator: refuse arguments that a function does not take, lacks, or whose plain values are of a wrong kind.

    >>> @checked
    ... def train(steps: int | None = None, rate: float = 1.0): ...
    >>> train(steps="ten")
    Traceback (most recent call last):
    ...
    ValueError: train(steps='ten'): expected a whole number or None
    >>> train(step=10)
    Traceback (most recent call last):
    ...
    TypeError: train has no argument 'step'; nearest: steps
    """
    return _checked(function, function.__name__)


def checked_class(cls: _C) -> _C:
    """Decorator: the same for the constructor that a class has, if it has one of its own."""
    if "__init__" in vars(cls):
        setattr(cls, "__init__", _checked(vars(cls)["__init__"], cls.__name__))  # noqa: B010
    return cls


def _checked(function: Callable[_P, _R], name: str) -> Callable[_P, _R]:
    signature = inspect.signature(function)
    several = [p.name for p in signature.parameters.values() if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]

    @wraps(function)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        try:
            found = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise TypeError(_unbound(name, signature, args, kwargs) or f"{name}: {error}") from None
        for key, expected in misfits(function, {key: found[key] for key in found if key not in several}):
            words = expected.replace("null", "None").replace("true or false", "True or False")
            raise ValueError(f"{name}({key}={found[key]!r}): expected {words}")
        return function(*args, **kwargs)

    return call


def _unbound(name: str, signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str | None:
    """What is wrong with the names of arguments; None: something else, such as too many of them."""
    named = [p for p in signature.parameters.values() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    names = [p.name for p in named if p.name != "self"]
    if odd := next((key for key in kwargs if key not in names), None):
        return f"{name} has no argument {odd!r}; {nearest(odd, names)}"
    given = {*kwargs, *list(signature.parameters)[: len(args)]}
    if missing := [p.name for p in named if p.default is p.empty and p.name not in given]:
        return f"{name} needs the argument{'s' * (len(missing) > 1)} {', '.join(missing)}"
    return None
