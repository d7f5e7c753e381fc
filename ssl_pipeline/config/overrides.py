"""Choices in Python as the command line writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ssl_pipeline.config.compose import quoted


def overrides_of(choices: Mapping[str, Any]) -> list[str]:
    """Each choice as ``KEY=VALUE``; those that are None are left out.

    >>> overrides_of({"encoder": None, "seed": 1, "corruption.mask.cell": [None, 4]})
    ['seed=1', 'corruption.mask.cell=[null,4]']
    """
    return [f"{key}={_written(value)}" for key, value in choices.items() if value is not None]


def _written(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, list | tuple):
        return "[" + ",".join(_written(item) for item in value) + "]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_written(item)}" for key, item in value.items()) + "}"
    return quoted(value) if isinstance(value, str) else str(value)
