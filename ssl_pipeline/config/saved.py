"""The saved configuration of a run, which may be somebody else's: the only way from a file to a graph or a run.

What a file says is checked by ``build_part`` as what is typed is: registered parts and plain values. Besides, it does
not decide whose code is trusted, what is downloaded, and where anything is written or sent to.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from ssl_pipeline.config.build import is_part
from ssl_pipeline.config.registry import lookup

CONFIG = "config.yaml"
_SINGLE = ("data", "encoder", "latent", "decoder", "teacher", "sampler", "logger")
_NAMED = ("corruption", "objective", "callback")


class Saved(NamedTuple):
    """What there is of a saved configuration.

    Args:
        config: plain dictionaries, ``trust`` as the caller said it.
        ignored: places that the file named and that are not taken from it, as dotted keys.
    """

    config: dict[str, Any]
    ignored: list[str]


def read_saved(folder: Path, trust: tuple[str, ...] = ()) -> Saved:
    """The configuration in a run's folder.

    Args:
        folder: of the run.
        trust: packages that the caller trusts.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it cannot be read.
    """
    file = folder / CONFIG
    if not file.is_file():
        raise FileNotFoundError(f"{folder} is no run's folder and no exported one: it has no {CONFIG}")
    try:
        config = yaml.safe_load(file.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} is damaged ({type(error).__name__}: {' '.join(str(error).split())})") from None
    if not isinstance(config, dict):
        raise ValueError(f"{file} is damaged: expected the keys of a configuration, got {type(config).__name__}")
    ignored: list[str] = []
    for group in _SINGLE:
        if group in config:
            config[group] = _settled(group, config[group], group, ignored)
    for group in _NAMED:
        if isinstance(nodes := config.get(group), Mapping):
            config[group] = {name: _settled(group, node, f"{group}.{name}", ignored) for name, node in nodes.items()}
    return Saved(config | {"trust": [*trust]}, ignored)


def _settled(kind: str, node: Any, at: str, ignored: list[str]) -> Any:
    """A node whose parts have those options settled that a file does not decide."""
    if isinstance(node, str):  # a name alone, which says all where nothing is settled
        settled = _settled(kind, {"type": node}, at, ignored)
        return node if settled == {"type": node} else settled
    if isinstance(node, list):
        return [_settled(kind, one, f"{at}.{i}", ignored) for i, one in enumerate(node)]
    if not isinstance(node, Mapping):
        return node
    if not is_part(node):
        return {name: _settled(kind, one, f"{at}.{name}", ignored) for name, one in node.items()}
    if not isinstance(node.get("type"), str):  # a class that must be trusted, or nonsense, which `build_part` refuses
        return node
    try:
        entry, settled = lookup(kind, node["type"]), dict(node)
    except ValueError:  # `build_part` refuses it where it is needed
        return node
    for option, value in node.items():
        if (inner := entry.kind_of(option)) is not None and option != "type":
            settled[option] = _settled(inner, value, f"{at}.{option}", ignored)
    for place, value in entry.settled.items():
        group, _, option = place.rpartition(".")
        if group and not isinstance(settled.get(group) or {}, Mapping):
            continue  # which `build_part` refuses
        options = dict(settled.get(group) or {}) if group else settled
        if isinstance(options.get(option), str):
            ignored.append(f"{at}.{place}")
        options[option] = value
        if group:
            settled[group] = options
    return settled
