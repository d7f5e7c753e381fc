"""From plain dictionaries to objects: ``_target_`` names a class, the other keys are its options."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from functools import partial
from math import isfinite
from typing import Any

from ssl_pipeline.utils.annotations import misfits
from ssl_pipeline.utils.errors import nearest

ALLOWED = ("ssl_pipeline", "torch.nn", "torch.optim", "timm.layers", "timm.optim")
# Where the things that these names stand for may be written.
HOMES = (*ALLOWED, "torch._C._nn")
# What a data set may be made of.
DATA = ("ssl_pipeline.data",)
# They run what they are given, so a file that names them could get past the list above.
REFUSED = (
    "ssl_pipeline.api",
    "ssl_pipeline.cli.main",
    "ssl_pipeline.cli.commands",
    "ssl_pipeline.config.compose",
    "ssl_pipeline.export",
    "ssl_pipeline.config.instantiate",
    "ssl_pipeline.inference.load",
    "ssl_pipeline.report",
    "ssl_pipeline.training.plan",
    "ssl_pipeline.training.runner",
    "ssl_pipeline.training.stages",
    "timm.optim._optim_factory",
)


def instantiate(node: Any, *, at: str = "", trust: tuple[str, ...] = (), allowed: tuple[str, ...] = ALLOWED) -> Any:
    """Build what ``node`` describes, inner parts first; without ``_target_`` it stays a dictionary or a list.

    With ``_partial_: true`` the result is a ``functools.partial``, whose options are checked all the same.

    Args:
        node: plain dictionaries, lists and scalars, interpolations resolved.
        at: dotted key of the node in the configuration, for errors.
        trust: packages, modules or names that may be targets besides ``allowed``.
        allowed: where targets may lie.

    Raises:
        ValueError: a target outside the allow-list, one that does not exist, an option that it lacks or one it needs,
            a value of another kind than the target says.

    >>> instantiate({"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 3})
    Linear(in_features=2, out_features=3, bias=True)
    >>> instantiate({"_target_": "torch.nn.Dropout", "_partial_": True})(p=0.5)
    Dropout(p=0.5, inplace=False)
    """

    def below(key: Any, value: Any) -> Any:
        return instantiate(value, at=f"{at}.{key}" if at else "", trust=trust, allowed=allowed)

    if isinstance(node, (list, tuple)):
        return [below(i, item) for i, item in enumerate(node)]
    if not isinstance(node, Mapping):
        return node
    if "_target_" not in node:
        if "_partial_" in node:
            raise ValueError(f"_partial_ goes with a _target_, which is missing next to {', '.join(map(str, node))}")
        return {key: below(key, value) for key, value in node.items()}
    name, is_partial = node["_target_"], node.get("_partial_", False)
    if not isinstance(name, str) or not isinstance(is_partial, bool):
        raise ValueError(f"expected a dotted name as _target_ and true or false as _partial_, got {name}, {is_partial}")
    target = resolve(name, trust=trust, allowed=allowed)
    keys = [key for key in node if key not in ("_target_", "_partial_")]
    check(name, target, keys, is_partial)
    check_kinds(at or name, target, {key: node[key] for key in keys})
    options = {key: below(key, node[key]) for key in keys}
    return partial(target, **options) if is_partial else target(**options)


def resolve(name: str, *, trust: tuple[str, ...] = (), allowed: tuple[str, ...] = ALLOWED) -> Callable[..., Any]:
    """The class or function with this dotted name.

    Raises:
        ValueError: not in the allow-list, or it does not exist.
    """
    if not _inside(name, (*allowed, *trust)) or _inside(name, REFUSED) or "._" in name:
        raise ValueError(_untrusted(name))
    parts = name.split(".")
    found: Any = None
    for i, part in enumerate(parts, 1):
        found = getattr(found, part) if hasattr(found, part) else _imported(name, ".".join(parts[:i]), found)
    if not callable(found):
        raise ValueError(f"{name} is no class or function, so it cannot be a _target_")
    # A path may lead through a module to what that module imports: `torch.nn.modules.module.torch.load`.
    home = f"{getattr(found, '__module__', None)}.{getattr(found, '__qualname__', None)}"
    if not _inside(home, (*HOMES, *trust)) or _inside(home, REFUSED):
        raise ValueError(_untrusted(name, home))
    return found


def check(name: str, target: Callable[..., Any], keys: list[str], is_partial: bool) -> None:
    """Compare options with a signature.

    Raises:
        ValueError: an option that ``target`` lacks; without ``is_partial`` also one that it needs.
    """
    try:
        parameters = inspect.signature(target).parameters.values()
    except ValueError:  # written in C, without a signature: the call itself will tell
        return
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    names = [p.name for p in named]
    if "trust" in names:
        raise ValueError(f"{name} decides itself what to trust, so it cannot be a _target_")
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        for key in keys:
            if key not in names:
                raise ValueError(f"{name} has no option {key!r}; {nearest(str(key), names)}")
    needed = [p.name for p in named if p.default is p.empty and p.name not in keys]
    if needed and not is_partial:
        raise ValueError(f"{name} needs the option{'s' * (len(needed) > 1)} {', '.join(needed)}")


def check_kinds(at: str, target: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Compare plain values with a signature.

    Raises:
        ValueError: one of another kind.
    """
    plain = {key: value for key, value in options.items() if not _holds_targets(value)}
    for key, value in plain.items():
        numbers = value if isinstance(value, list | tuple) else [value]
        if not all(isfinite(number) for number in numbers if isinstance(number, float)):
            raise ValueError(f"{at}.{key}={value}: expected finite numbers")
    for key, expected in misfits(target, plain):
        raise ValueError(f"{at}.{key}={plain[key]!r}: expected {expected}")


def _holds_targets(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "_target_" in value or any(map(_holds_targets, value.values()))
    return isinstance(value, (list, tuple)) and any(map(_holds_targets, value))


def _imported(target: str, name: str, parent: Any) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        # What the module itself wants to import is another matter: the user must install it.
        if not _inside(name, (str(error.name),)):
            raise
    word = name.rpartition(".")[2]
    names = [] if parent is None else [key for key in dir(parent) if not key.startswith("_")]
    raise ValueError(f"_target_: {target} does not exist: there is no {word!r}; {nearest(word, names)}")


def _inside(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(f"{name}.".startswith(f"{prefix.rstrip('.')}.") for prefix in prefixes)


def _untrusted(name: str, home: str | None = None) -> str:
    what = f"{name} (that is {home})" if home else name
    top = (home or name).split(".")[0]
    return (
        f"_target_: {what} is not on the allow-list ({', '.join(ALLOWED)}): to run its code, pass trust=({top!r},), "
        f"or trust=[{top}] on the command line"
    )
