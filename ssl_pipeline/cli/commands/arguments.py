"""From words of a command line to the arguments of a function."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile
from types import NoneType
from typing import Any, get_args, get_type_hints

from ssl_pipeline.utils.errors import nearest, sentence

EXPECTED = (ValueError, OSError, ModuleNotFoundError)
YES_NO = {"true": True, "false": False}


def command(function: Callable[..., Any], words: list[str]) -> int:
    """Call a function with words KEY=VALUE; returns the exit code. ``debug=true`` shows the traceback of an error."""
    if {"-h", "--help"} & set(words):
        print(usage(function))
        return 0
    debug = "debug=true" in words
    try:
        function(**parse(function, [word for word in words if not word.startswith("debug=")]))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if debug:
            raise
        print(f"error: {sentence(error, EXPECTED)}", file=sys.stderr)
        return 1
    return 0


def parse(function: Callable[..., Any], words: list[str]) -> dict[str, Any]:
    """Arguments by name, of the types that the function's annotations name.

    Where the function takes ``overrides``, words about data (``data=NAME``, ``data.KEY=VALUE``) are collected there;
    where it needs them, all that are no arguments of its own. Words that are paths stand for ``run=A,B``.

    Raises:
        ValueError: a word that is none, an unknown or a repeated key, a missing one, or a value of another type.

    >>> def f(run: Path, size: int = 3, test: bool = False): ...
    >>> parse(f, ["run=a", "test=true"])
    {'run': PosixPath('a'), 'test': True}
    """
    parameters, hints = inspect.signature(function).parameters, get_type_hints(function)
    found: dict[str, Any] = {}
    needs = "overrides" in parameters and parameters["overrides"].default is inspect.Parameter.empty
    if needs:
        found["overrides"] = []
    runs = [word for word in words if Path(word).is_dir()]
    words = [*([f"run={','.join(runs)}"] if runs else []), *(word for word in words if word not in runs)]
    for word in words:
        key, mark, value = word.partition("=")
        if not mark:
            raise ValueError(f"cannot read {word!r}: expected KEY=VALUE")
        own = key in parameters and key != "overrides"
        if "overrides" in parameters and (key.partition(".")[0] == "data" or (needs and not own)):
            found.setdefault("overrides", []).append(word)
            continue
        if key not in parameters or key == "overrides":
            names = ["data" if name == "overrides" else name for name in parameters]
            raise ValueError(f"there is no argument {key!r}; {nearest(key.partition('.')[0], names)}")
        if key in found:
            raise ValueError(f"{key} is given twice")
        found[key] = _value(key, value, hints[key])
    missing = [p.name for p in parameters.values() if p.default is p.empty and p.name not in found]
    if missing:
        raise ValueError(f"expected {', '.join(f'{name}=...' for name in missing)}")
    return found


def _value(key: str, value: str, hint: Any) -> Any:
    if hint == tuple[str, ...]:
        return tuple(word for word in value.strip("[]").split(",") if word)
    kinds = [kind for kind in get_args(hint) if kind is not NoneType] or [hint]
    if value == "null" and NoneType in get_args(hint):
        return None
    for kind in kinds:
        try:
            return YES_NO[value.lower()] if kind is bool else kind(value)
        except (KeyError, ValueError):
            continue
    said = {bool: "true or false", Path: "a path", int: "a whole number", float: "a number", str: "a word"}
    names = " or ".join(said[kind] for kind in kinds)
    raise ValueError(f"{key}={value}: expected {names}")


def usage(function: Callable[..., Any]) -> str:
    """The function's own words, with its arguments and their defaults."""
    arguments = [
        f"  {p.name}={'...' if p.default is p.empty else p.default}"
        for p in inspect.signature(function).parameters.values()
        if p.name != "overrides"
    ]
    lines = ["KEY=VALUE, with defaults:", *arguments, "  debug=False  (true shows the traceback of an error)"]
    return f"{inspect.getdoc(function)}\n\n" + "\n".join(lines)


def writable(out: Path, *, folder: bool = True) -> Path:
    """The same place, where something can be written; asked before the work whose results go there.

    Args:
        out: a folder that is there or is to be made; or a file.
        folder: which of both.

    Raises:
        ValueError: nothing can be written there.
    """
    if not folder and out.is_dir():
        raise ValueError(f"out={out} is a folder: name a file, such as {out / 'out.json'}")
    place = out if folder else out.parent
    there = next(one for one in (place, *place.parents) if one.exists())
    if not there.is_dir():
        raise ValueError(f"out={out}: {there} is a file, and a folder is needed: take another place")
    try:
        TemporaryFile(dir=there).close()
    except OSError:
        raise ValueError(f"out={out}: nothing can be written in {there}: take another place") from None
    return out
