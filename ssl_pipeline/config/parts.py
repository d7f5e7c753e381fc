"""The parts of a combination such as ``corruption=crop+crop+lowres-noise``, in plain dictionaries."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ssl_pipeline.config.build import is_part, part_name
from ssl_pipeline.utils.errors import nearest

CHAIN = {"type": "chain"}
EDGE = {"type": "cross_modal"}


def numbered(names: list[str]) -> list[str]:
    """Names made unique: those that come more than once are counted.

    >>> numbered(["crop", "mask", "crop"])
    ['crop_1', 'mask', 'crop_2']
    """
    total, seen = Counter(names), Counter()
    keys = []
    for name in names:
        seen[name] += 1
        keys.append(name if total[name] == 1 else f"{name}_{seen[name]}")
    return keys


def unnumbered(names: list[str]) -> list[str]:
    """Names as they were before they were counted.

    >>> unnumbered(["crop_1", "mask", "crop_2"]), unnumbered(["crop_1"])
    (['crop', 'mask', 'crop'], ['crop_1'])
    """
    plain = [re.sub(r"_\d+$", "", name) for name in names]
    return plain if numbered(plain) == names else names


def prune(parts: dict[str, Any], group: str, files: Callable[[], list[str]], overrides: list[str]) -> list[str]:
    """Delete what is left of parts that were replaced: options without a name. Returns their names.

    An experiment that says ``corruption: {noise: {sigma: 0.2}}`` leaves such a ghost when the user chooses other views.

    Args:
        files: gives the names of the group's files, which are sought only where a ghost is; what is not made of them
            is a misspelt name.
        overrides: the user's, none of which may address a ghost.

    Raises:
        ValueError: a misspelt name, an override of a ghost, a file without its header.
    """
    if is_part(parts):
        raise ValueError(f"the file chosen for {group} lacks its first line: '# @package {group}.NAME', NAME its own")
    ghosts = [name for name, part in parts.items() if not is_part(part)]
    real = [name for name in parts if name not in ghosts]
    known = files() if ghosts else []
    for name in ghosts:
        for override in overrides:
            key = override.lstrip("+~").partition("=")[0]
            if f"{key}.".startswith(f"{group}.{name}."):
                raise ValueError(f"{override}: {group} has no {name!r}; {nearest(name, real)}")
        for part in name.split("-"):
            stem, _, number = part.rpartition("_")
            if part not in known and not (number.isdigit() and stem in known):
                raise ValueError(f"{group}.{name} stands for no part: there is no {part!r}; {nearest(part, known)}")
        del parts[name]
    return ghosts


def check_drawn(parts: Mapping[str, Any], at: str, overrides: list[str]) -> None:
    """Refuse options of parts that ``any.of`` does not draw.

    Args:
        parts: by name.
        at: dotted key of the parts.
        overrides: the user's.

    Raises:
        ValueError: such an option among the overrides.

    >>> node = {"type": "any", "of": ["noise"], "noise": {"type": "noise"}, "jpeg": {"type": "jpeg"}}
    >>> check_drawn({"any": node}, "corruption", ["corruption.any.jpeg.quality=5"])
    Traceback (most recent call last):
    ...
    ValueError: corruption.any.jpeg.quality=5: corruption.any.of leaves out 'jpeg', so its options do nothing
    """
    for name, node in parts.items():
        if not isinstance(node, Mapping):
            continue
        key = f"{at}.{name}"
        for inner in _undrawn(node):
            for override in overrides:
                said = override.lstrip("+").partition("=")[0]
                if f"{said}.".startswith(f"{key}.{inner}."):
                    raise ValueError(f"{override}: {key}.of leaves out {inner!r}, so its options do nothing")
        check_drawn(node, key, overrides)


def _undrawn(node: Mapping[str, Any]) -> list[str]:
    """The parts of ``any`` that its ``of`` leaves out."""
    if part_name(node) != "any":
        return []
    parts, of = [name for name, part in node.items() if is_part(part)], node.get("of")
    drawn = [of] if isinstance(of, str) else of
    if not isinstance(drawn, list) or not all(name in parts for name in drawn):
        return []  # all of them, those that suit the data, or what building refuses
    return [name for name in parts if name not in drawn]


def is_ghost(part: Mapping[str, Any] | None, group: str, overrides: list[str]) -> bool:
    """Whether all that there is of a group is options that an experiment gave to what the user has taken out.

    Raises:
        ValueError: an override of such an option.
    """
    if not part or is_part(part):
        return False
    if asked := [o for o in overrides if o.lstrip("+").startswith(f"{group}.")]:
        raise ValueError(f"{asked[0]} is an option of a {group}, and there is none: choose one with {group}=")
    return True


def edges(asked: Any, terms: Iterable[str] = ()) -> dict[str, Any]:
    """The terms that ``edge={from: ..., to: ...}`` asks for, or several such by name.

    Args:
        asked: from a configuration.
        terms: names of the objective's terms, which an edge must not take.

    Raises:
        ValueError: an edge without its ends, or with the name of a term.

    >>> edges({"from": "crop", "to": "text", "weight": 0.1})["edge"]["start"]
    'crop'
    """
    if not isinstance(asked, Mapping):
        raise ValueError(f"edge={asked}: expected {{from: ..., to: ...}}, or several such by name")
    found = {}
    for name, edge in ({"edge": asked} if {"from", "to"} & asked.keys() else asked).items():
        if not isinstance(edge, Mapping) or not {"from", "to"} <= edge.keys():
            raise ValueError(f"edge.{name}={edge}: expected {{from: ..., to: ...}}, of views and columns of the data")
        if name in terms:
            raise ValueError(f"edge.{name} has the name of a term of the objective: give it another one")
        found[name] = {**EDGE, "start": edge["from"], **{key: value for key, value in edge.items() if key != "from"}}
    return found


def columns(asked: Any) -> dict[str, Any]:
    """The models of columns that ``columns={NAME: {encoder: ..., decoder: ...}}`` asks for.

    Raises:
        ValueError: something else, or an option that a column has not.
    """
    kinds = ("encoder", "decoder")
    if not isinstance(asked, Mapping) or not all(isinstance(own, Mapping) for own in asked.values()):
        raise ValueError(f"columns={asked}: expected {{NAME: {{encoder: ..., decoder: ...}}}} of columns of the data")
    for name, own in asked.items():
        if wrong := own.keys() - {*kinds}:
            raise ValueError(f"columns.{name} has no option {min(wrong)!r}; {nearest(min(wrong), kinds)}")
        for kind, node in own.items():
            if not is_part(node):
                raise ValueError(f"columns.{name}.{kind} is no model: choose one with +{kind}@columns.{name}.{kind}=")
    return dict(asked)


def check_config(config: dict[str, Any]) -> None:
    """Refuse early what needs no class to see.

    Raises:
        ValueError: a batch or a number of views that cannot be; an option of a part that a chain lacks.
    """
    if (size := config["batch_size"]) < 1:
        raise ValueError(f"batch_size counts the samples of a step over all devices: expected at least 1, got {size}")
    views, per_step = config["corruption"], config["views_per_step"]
    if per_step != "all" and not (type(per_step) is int and 1 <= per_step <= len(views)):
        raise ValueError(
            f"views_per_step: expected all, or a whole number up to that of the views "
            f"({len(views)}: {', '.join(views)}), got {per_step}"
        )
    for name, every in (
        ("checkpoint.every_n_steps", config["checkpoint"]["every_n_steps"]),
        ("trainer.log_every_n_steps", config["trainer"]["log_every_n_steps"]),
    ):
        if not isinstance(every, int) or every < 1:
            raise ValueError(f"{name} counts steps: expected at least 1, got {every}")
    _check_looks(config["diagnostics"], config["report"])
    for name, view in views.items():
        parts = {key: part for key, part in view.items() if isinstance(part, dict)}
        real = [key for key, part in parts.items() if is_part(part)]
        for key in parts if view.get("type") == CHAIN["type"] else ():
            if key not in real:
                raise ValueError(f"corruption.{name} is a chain without {key!r}; {nearest(key, real)}")


def _check_looks(diagnostics: Mapping[str, Any], report: Mapping[str, Any]) -> None:
    """Refuse what diagnostics and the report cannot be.

    Raises:
        ValueError: an interval, a number of samples or a name that cannot be.
    """
    if diagnostics["every"] < 0 or diagnostics["samples"] < 2:
        raise ValueError(
            f"diagnostics: expected every (steps) of at least 0 and samples of at least 2, "
            f"got {diagnostics['every']} and {diagnostics['samples']}"
        )
    if diagnostics["on_alarm"] not in ("warn", "stop"):
        raise ValueError(
            f"diagnostics.on_alarm={diagnostics['on_alarm']!r} is not known; "
            f"{nearest(diagnostics['on_alarm'], ('warn', 'stop'))}"
        )
    if report["map"] not in ("pca", "umap"):
        raise ValueError(f"report.map={report['map']!r} is not known; {nearest(report['map'], ('pca', 'umap'))}")
    if report["samples"] < 3:
        raise ValueError(f"report.samples={report['samples']}: expected at least 3, or report.page=false")
