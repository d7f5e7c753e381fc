"""OptionsLike of Python as words of the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

OptionsLike = Mapping[str, Any] | Sequence[str]
"""``{"data.root": "path"}``, or words as on the command line, ``["data.root=path"]``."""


def hydra_value(value: Any) -> str:
    """A value as Hydra's command line writes it.

    >>> hydra_value([1, None, "a b"])
    "[1,null,'a b']"
    """
    from ssl_pipeline.config.compose import quoted

    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(hydra_value(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{hydra_value(item)}" for key, item in value.items()) + "}"
    return quoted(value) if isinstance(value, str) else str(value)


def option_words(options: OptionsLike | None) -> list[str]:
    """Overrides of a configuration.

    >>> option_words({"data": "digits", "data.size": 8})
    ["data='digits'", 'data.size=8']
    """
    if isinstance(options, Mapping):
        return [f"{key}={hydra_value(value)}" for key, value in options.items()]
    return [*(options or ())]
