"""Code that is registered nowhere: it is found by a dotted name, and only in packages that the caller trusts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from ssl_pipeline.utils.errors import nearest

_OURS = __name__.partition(".")[0]


def trusted(name: str, kind: str, trust: tuple[str, ...]) -> Callable[..., Any]:
    """The class or function with this dotted name.

    Args:
        name: of it.
        kind: of the part that it is to be, for errors.
        trust: packages, modules or names.

    Raises:
        ValueError: it is not trusted, or it does not exist.
    """
    if _inside(name, (_OURS,)):
        raise ValueError(f"{name}: parts of {_OURS} have names of their own, as in {{type: NAME}}")
    if not _inside(name, trust) or "._" in name:
        raise ValueError(_untrusted(name, kind))
    found: Any = None
    words = name.split(".")
    for i, word in enumerate(words, 1):
        found = getattr(found, word) if hasattr(found, word) else _imported(name, ".".join(words[:i]), found)
    if not callable(found):
        raise ValueError(f"{name} is no class or function")
    # A path may lead through a module to what that module imports: `my_package.os.system`.
    home = f"{getattr(found, '__module__', None)}.{getattr(found, '__qualname__', None)}"
    if not _inside(home, trust) or _inside(home, (_OURS,)):
        raise ValueError(_untrusted(f"{name} (that is {home})", kind))
    return found


def _imported(target: str, name: str, parent: Any) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        # What the module itself wants to import is another matter: the user must install it.
        if not _inside(name, (str(error.name),)):
            raise
    word = name.rpartition(".")[2]
    names = [] if parent is None else [key for key in dir(parent) if not key.startswith("_")]
    raise ValueError(f"{target} does not exist: there is no {word!r}; {nearest(word, names)}")


def check_imports(at: str, value: Any, trust: tuple[str, ...]) -> None:
    """Refuse text that would have a module imported.

    Raises:
        ValueError: the module is not trusted.
    """
    if isinstance(value, Mapping | list | tuple):
        for one in value.values() if isinstance(value, Mapping) else value:
            check_imports(at, one, trust)
    elif isinstance(value, str) and ":" in value and not _inside(value.partition(":")[0], trust):
        raise ValueError(f"{at}={value!r} names a module that would be imported, and it is not one that is trusted")


def _inside(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(f"{name}.".startswith(f"{prefix.rstrip('.')}.") for prefix in prefixes)


def _untrusted(what: str, kind: str) -> str:
    return f"{what} is neither a registered {kind} nor of a package that is trusted, so it is not made"
