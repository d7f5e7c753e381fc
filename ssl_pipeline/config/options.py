"""Options against the signature that is to take them: their names, and the kinds of their values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from math import isfinite
from typing import Any

from ssl_pipeline.utils.annotations import misfits
from ssl_pipeline.utils.errors import nearest


def check_names(name: str, target: Callable[..., Any], keys: Collection[str], *, complete: bool = True) -> None:
    """Compare the names of options with a signature.

    Args:
        name: of the target, for errors.
        target: a class or a function.
        keys: names of the options.
        complete: whether all that the target needs must be there.

    Raises:
        ValueError: an option that ``target`` lacks, or one that it needs.
    """
    try:
        parameters = inspect.signature(target).parameters.values()
    except ValueError:  # written in C, without a signature: the call itself will tell
        return
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    names = [p.name for p in named]
    if _inherits_init(target) or not any(p.kind is p.VAR_KEYWORD for p in parameters):
        for key in keys:
            if key not in names:
                raise ValueError(f"{name} has no option {key!r}; {nearest(str(key), names)}")
    needed = [p.name for p in named if p.default is p.empty and p.name not in keys]
    if needed and complete:
        raise ValueError(f"{name} needs the option{'s' * (len(needed) > 1)} {', '.join(needed)}")


def option_names(target: Callable[..., Any]) -> list[str]:
    """Names of the options that a class or a function takes; none where nobody knows them."""
    try:
        parameters = inspect.signature(target).parameters.values()
    except ValueError:  # written in C, without a signature
        return []
    return [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]


def _inherits_init(target: Callable[..., Any]) -> bool:
    """Whether a class has no constructor of its own, so that it takes no options, whatever its library's base takes."""
    if not inspect.isclass(target):
        return False
    owner = next(base for base in target.__mro__ if "__init__" in vars(base))
    return owner.__module__.partition(".")[0] != target.__module__.partition(".")[0]


def check_values(at: str, target: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Compare plain values with a signature.

    Args:
        at: dotted key of the options in the configuration, for errors.
        target: a class or a function.
        options: by name.

    Raises:
        ValueError: a value of another kind, a number that is not finite.
    """
    for key, value in options.items():
        numbers = value if isinstance(value, list | tuple) else [value]
        if not all(isfinite(number) for number in numbers if isinstance(number, float)):
            raise ValueError(f"{at}.{key}={value}: expected finite numbers")
    for key, expected in misfits(target, options):
        raise ValueError(f"{at}.{key}={options[key]!r}: expected {expected}")
