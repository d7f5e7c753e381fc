"""One sentence for each error: what is wrong, and the nearest name that is right."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

_LISTED, _SHOWN = 12, 8
"""Names that are listed in full, and how many are shown of more."""

HINT = " (run again with debug=true for the traceback)"


class Interrupted(KeyboardInterrupt):
    """A signal ended a run after a step of it; everything is saved.

    Attributes:
        code: what the process is to exit with, 128 and the signal's number.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.code = 128 + number


class Finished(ValueError):
    """A run that is to go on has reached its bound and is evaluated; ``resume=auto`` leaves it as it is."""


@contextmanager
def options_of(at: str) -> Iterator[None]:
    """Say of which part the options are, where nothing can be made of them, such as negative sizes.

    Args:
        at: dotted key in the configuration.

    Raises:
        ValueError: in place of what torch says.
    """
    try:
        yield
    except (RuntimeError, ArithmeticError) as error:
        if "allocate" in str(error) or isinstance(error, NotImplementedError | RecursionError):  # not of the options
            raise
        raise ValueError(f"{at} cannot be made with these options: {error}") from error


@contextmanager
def option_keys(at: str, names: Collection[str]) -> Iterator[None]:
    """Have errors that begin with the name of an option name it as it is typed.

    Args:
        at: dotted key of the part in the configuration.
        names: of its options.

    >>> with option_keys("corruption.noise", ["severity"]):
    ...     raise ValueError("severity is a number, got x")
    Traceback (most recent call last):
    ...
    ValueError: corruption.noise.severity is a number, got x
    """
    try:
        yield
    except ValueError as error:
        if str(error).partition(" ")[0] not in names:
            raise
        raise ValueError(f"{at}.{error}") from error


@contextmanager
def keys_at(at: str, names: Iterable[str]) -> Iterator[None]:
    """Have errors name the options of data as they are typed where the data stands elsewhere than at ``data``.

    Args:
        at: dotted key of the data in the configuration.
        names: of its options; other words behind ``data.`` are names of files and modules, and stay.

    >>> with keys_at("data.of", ["root"]):
    ...     raise ValueError("data.csv is no folder: set data.root to another one")
    Traceback (most recent call last):
    ...
    ValueError: data.csv is no folder: set data.of.root to another one
    """
    try:
        yield
    except (ValueError, OSError) as error:
        keys = "|".join(map(re.escape, names))
        typed = re.sub(rf"(?<![\w./\\-])data\.(?=(?:{keys})\b)", f"{at}.", text := str(error))
        if not keys or typed == text or (isinstance(error, OSError) and error.strerror):
            raise
        try:
            renamed = type(error)(typed)
        except TypeError:  # it takes other arguments than a text
            renamed = OSError(typed) if isinstance(error, OSError) else ValueError(typed)
        raise renamed from error


def nearest(word: str, names: Iterable[str]) -> str:
    """The end of a sentence about a misspelt name: those close to it, or what there is, of many names the nearest.

    >>> nearest("sgima", ["sigma", "ratio"])
    'nearest: sigma'
    >>> nearest("blur", ["mask", "crop"])
    'there are: crop, mask'
    >>> nearest("b", [f"a{i}" for i in range(40)]).endswith(" and 32 others")
    True
    """
    names = sorted(set(names))
    close = difflib.get_close_matches(word, names)
    if close:
        return f"nearest: {', '.join(close)}"
    if len(names) <= _LISTED:
        return f"there are: {', '.join(names)}" if names else "there are none"
    some = sorted(difflib.get_close_matches(word, names, n=_SHOWN, cutoff=0))
    return f"there are: {', '.join(some)} and {len(names) - len(some)} others"


def unknown_key(key: str, tree: dict[str, Any]) -> str:
    """The sentence about a dotted key that the configuration lacks.

    >>> unknown_key("traner.max_setps", {"trainer": {"max_steps": -1}})
    'there is no option traner.max_setps; nearest: trainer.max_steps'
    >>> unknown_key("noise.sigma", {"corruption": {"noise": {"sigma": 1}}})
    'there is no option noise.sigma; nearest: corruption.noise.sigma'
    >>> unknown_key("corruption.any.severity", {"corruption": {"any": {"noise": {"severity": 1}}}})
    'there is no option corruption.any.severity; nearest: corruption.any.noise.severity'
    """
    missing, found, node = f"there is no option {key}", [], tree
    for part in key.split("."):
        names = [name for name in node if not name.startswith("_")] if isinstance(node, dict) else []
        close = [part] if part in names else difflib.get_close_matches(part, names, n=1)
        above = [name for name in names if isinstance(node[name], dict) and part in node[name]]
        if not close and above:
            rest = key.split(".")[len(found) :]
            return f"{missing}; nearest: {'.'.join([*found, above[0], *rest])}"
        if not close:
            text = f"{missing}: {'.'.join(found) or 'the configuration'} has no {part!r}; {nearest(part, names)}"
            # A + adds an option to what is there; for a view that is not there it would only make a ghost.
            return f"{text}; a new option is written +{key}=..." if 0 < len(found) == key.count(".") else text
        found, node = [*found, close[0]], node[close[0]]
    if ".".join(found) == key:  # so it was another job that lacks it
        return f"{missing} in one job of the sweep: a sweep sets only options that each of its jobs has"
    return f"{missing}; nearest: {'.'.join(found)}"


def explain(error: BaseException, options: Callable[[str], list[str]], tree: Callable[[], dict[str, Any]]) -> str:
    """The sentence for an error of Hydra or OmegaConf.

    Args:
        options: names to choose from in a group.
        tree: the configuration without the overrides of single options, groups as keys.
    """
    text = str(error)
    if missing := getattr(error, "missing_cfg_file", None):
        group, _, name = missing.removesuffix(".yaml").rpartition("/")
        return f"there is no {group or 'configuration'} {name!r}; {nearest(name, options(group))}"
    if found := re.match(r"Could not override '([^'@]+)'", text):
        inner = re.search(rf"full_key: ({re.escape(found[1])}\.\S+)", str(error.__cause__))  # KEY={inner: ...}
        return unknown_key(inner[1] if inner else found[1], tree())
    if found := re.match(r"In '(.+?)': \w+ raised while composing config:\n((?s:.+))", text):
        return _in_file(found[1], found[2], tree)
    if not text and error.__cause__ is not None:
        return explain(error.__cause__, options, tree)
    return _of_text(text, error)


def _in_file(name: str, text: str, tree: Callable[[], dict[str, Any]]) -> str:
    """The sentence about a file that cannot be composed."""
    key = re.search(r"full_key: (\S+)", text)
    if key and re.match(r"Key '.*' not in", text):
        return f"{name}.yaml: {unknown_key(key[1], tree())}"
    return f"{name}.yaml: {_first_line(text)}" + (f" (at {key[1]})" if key else "")


def _of_text(text: str, error: BaseException) -> str:
    """The sentence for what an error says; what is not known stays as it is."""
    if found := re.match(r"Error merging override (\S+)", text):
        return f"{found[1]}: {_first_line(str(error.__cause__))}"
    if found := re.match(r"(?:Ambiguous value for argument|Sweep parameters) '(.+?)'", text):
        return f"{found[1]} names several values: add --multirun to sweep over them, or write a list as [a,b]"
    if override := getattr(error, "override", None):
        return f"cannot read the override {override!r}: expected key=value, with quotes round special characters"
    if text.startswith("Config group override must be a string"):
        return "a group takes the name of one of its files: write ~GROUP to go without it"
    if found := re.match(r"Missing mandatory value: (?s:.*)full_key: (\S+)", text):
        return f"{found[1]} has no value: set {found[1]}=..."
    if found := re.match(r"\w+ raised while resolving interpolation: (.+)", text):
        return found[1]
    return _first_line(text)


def sentence(error: BaseException, expected: tuple[type[BaseException], ...]) -> str:
    """What the command line prints of an error; one that is not of an ``expected`` type is named as well.

    >>> sentence(ValueError("ratio lies in [0, 1), got -1"), (ValueError,))
    'ratio lies in [0, 1), got -1'
    >>> sentence(KeyError("x"), (ValueError,))
    "KeyError: 'x' (run again with debug=true for the traceback)"
    """
    text = " ".join(str(error).split())
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        text = f"{error.filename}: {error.strerror}"
    if isinstance(error, expected):
        return text or type(error).__name__
    return f"{type(error).__name__}: {text}{HINT}"


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]
