"""Choices in Python as the command line writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from ssl_pipeline.config.compose import conf_dir, quoted

OptionsLike = Mapping[str, Any] | Sequence[str]
"""``{"data.root": "path"}``, or as on the command line, ``["data.root=path"]``."""


def overrides_of(options: OptionsLike | None) -> list[str]:
    """Each option as ``KEY=VALUE``; None is ``null``, and of a group that can be without a choice ``none``.

    >>> overrides_of({"teacher": None, "data.label": None, "corruption.mask.cell": [None, 4]})
    ['teacher=none', 'data.label=null', 'corruption.mask.cell=[null,4]']
    >>> overrides_of({"data.root": PurePath("a,b")})
    ["data.root='a,b'"]
    """
    if not isinstance(options, Mapping):
        return [*(options or ())]
    return [
        f"{key}={'none' if value is None and _can_be_none(key) else _written(value)}" for key, value in options.items()
    ]


def _can_be_none(group: str) -> bool:
    return (conf_dir() / group / "none.yaml").is_file()


def options_of_data(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``data.*``, without that.

    >>> options_of_data({"data.label": None, "seed": 1})
    {'label': None}
    """
    return {key.removeprefix("data."): value for key, value in options.items() if key.startswith("data.")}


def _written(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, list | tuple):
        return "[" + ",".join(_written(item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_written(item)}" for key, item in value.items()) + "}"
    return quoted(str(value)) if isinstance(value, str | PurePath) else str(value)
