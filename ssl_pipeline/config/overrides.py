"""Choices in Python as the command line writes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePath
from typing import Any

from ssl_pipeline.config.compose import quoted

OptionsLike = Mapping[str, Any] | Sequence[str]
"""``{"data.root": "path"}``, or as on the command line, ``["data.root=path"]``."""


def overrides_of(options: OptionsLike | None) -> list[str]:
    """Each option as ``KEY=VALUE``; those that are None are left out.

    >>> overrides_of({"encoder": None, "seed": 1, "corruption.mask.cell": [None, 4]})
    ['seed=1', 'corruption.mask.cell=[null,4]']
    >>> overrides_of({"data.root": PurePath("a,b")})
    ["data.root='a,b'"]
    """
    if not isinstance(options, Mapping):
        return [*(options or ())]
    return [f"{key}={_written(value)}" for key, value in options.items() if value is not None]


def _written(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, list | tuple):
        return "[" + ",".join(_written(item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_written(item)}" for key, item in value.items()) + "}"
    return quoted(str(value)) if isinstance(value, str | PurePath) else str(value)
