"""From words KEY=VALUE of a command line to the arguments of a function.

No library reads this form, which is that of ``train``: jsonargparse and tyro want ``--KEY``, take the last of two
values without a word and leave no room for words about data; Hydra and OmegaConf know it, but read a value before they
know its type, so that ``run=2024_10`` is the folder 202410. What would be left to write is longer than this.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ssl_pipeline.cli.process import plain_warnings
from ssl_pipeline.utils.errors import nearest, sentence

USERS_ERRORS = (ValueError, OSError, ModuleNotFoundError)
_YES_NO = {"true": True, "false": False}
_IN_PYTHON = ("labels",)
"""Arguments that belong to objects of Python."""
_KINDS: dict[str, tuple[Callable[[str], Any], str]] = {
    "bool": (lambda word: _YES_NO[word.lower()], "true or false"),
    "int": (int, "a whole number"),
    "float": (float, "a number"),
    "Path": (Path, "a path"),
    "str": (str, "a word"),
}


def call(function: Callable[..., Any], words: list[str]) -> int:
    """Call a function with words KEY=VALUE and print what it returns; ``debug=true`` shows the traceback of an error.

    Returns:
        The exit code.
    """
    if {"-h", "--help"} & set(words):
        print(usage(function))
        return 0
    try:
        with plain_warnings():
            print(function(**parse(function, [word for word in words if not word.startswith("debug=")])))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except Exception as error:
        if "debug=true" in words:
            raise
        print(f"error: {sentence(error, USERS_ERRORS)}", file=sys.stderr)
        return 1
    return 0


def parse(function: Callable[..., Any], words: list[str]) -> dict[str, Any]:
    """Arguments by name, of the first plain type that the function's annotations name; lists are written with commas.

    Where the function takes ``options``, words about data (``data=NAME``, ``data.KEY=VALUE``) are collected there;
    where its default is not None, all that are no arguments of its own. Words that are folders stand for ``run=A,B``.

    Raises:
        ValueError: a word that is none, an unknown or a repeated key, a missing one, or a value of another type.

    >>> def f(run: str | Path, size: int = 3, test: bool = False): ...
    >>> parse(f, ["run=a", "test=true"])
    {'run': 'a', 'test': True}
    """
    parameters = inspect.signature(function).parameters
    takes_data = "options" in parameters
    takes_all = takes_data and parameters["options"].default is not None
    own = parameters.keys() - ({"options", "data", *_IN_PYTHON} if takes_data else set())
    found: dict[str, Any] = {"options": []} if takes_all else {}
    runs = [word for word in words if Path(word).is_dir()]
    words = [*([f"run={','.join(runs)}"] if runs else []), *(word for word in words if word not in runs)]
    for word in words:
        key, mark, value = word.partition("=")
        if not mark:
            raise ValueError(f"cannot read {word!r}: expected KEY=VALUE")
        if takes_data and key not in own and (takes_all or key.partition(".")[0] == "data"):
            found.setdefault("options", []).append(word)
        elif key not in own:
            names = [*own, *(["data"] if takes_data else [])]
            raise ValueError(f"there is no argument {key!r}; {nearest(key.partition('.')[0], names)}")
        elif key in found:
            raise ValueError(f"{key} is given twice")
        else:
            found[key] = _value(key, value, parameters[key].annotation)
    missing = [p.name for p in parameters.values() if p.default is p.empty and p.name not in found]
    if missing:
        raise ValueError(f"expected {', '.join(f'{name}=...' for name in missing)}")
    return found


def _value(key: str, value: str, annotation: Any) -> Any:
    hint = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    if value == "null" and "None" in hint:
        return None
    several = re.search(r"(?:Sequence|tuple)\[(str|int|float)\b", hint)
    names = [several[1]] if several else [name for name in re.findall(r"\w+", hint) if name in _KINDS]
    words = [word for word in value.strip("[]").split(",") if word] if several else [value]
    for read, _ in map(_KINDS.__getitem__, names):
        try:
            read_words = tuple(map(read, words))
        except (KeyError, ValueError):
            continue
        return read_words if several else read_words[0]
    said = " or ".join(_KINDS[name][1] for name in names)
    raise ValueError(f"{key}={value}: expected {said}{', or several with commas between them' if several else ''}")


def usage(function: Callable[..., Any]) -> str:
    """The function's own words, with its arguments and their defaults."""
    arguments = [
        f"  {p.name}={'...' if p.default is p.empty else _word(p.default)}"
        for p in inspect.signature(function).parameters.values()
        if p.name not in ("options", *_IN_PYTHON)
    ]
    lines = ["KEY=VALUE, with defaults:", *arguments, "  debug=False  (true shows the traceback of an error)"]
    return f"{inspect.getdoc(function)}\n\n" + "\n".join(lines)


def _word(default: Any) -> str:
    return ",".join(map(str, default)) if isinstance(default, tuple) else str(default)
