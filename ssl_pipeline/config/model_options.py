"""Models that the user chooses: options that are theirs alone, and those that an experiment meant for another one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ssl_pipeline.config.places import open_places

_GROUPS = ("encoder", "decoder", "latent")


def open_options(overrides: Sequence[str]) -> list[str]:
    """Overrides as Hydra takes them: a backbone's own options, and places of a resumed run's data, need no sign.

    >>> open_options(["encoder=timm", "encoder.options.patch_size=8", "+encoder.options.depth=2"])
    ['encoder=timm', '++encoder.options.patch_size=8', '+encoder.options.depth=2']
    """
    opened = open_places(overrides)
    return [re.sub(r"^((columns\.\w+\.)?encoder\.options\.)", r"++\1", override) for override in opened]


def left_over(
    config: Mapping[str, Any], overrides: Sequence[str], composed: Callable[[list[str]], Mapping[str, Any]]
) -> dict[str, list[str]]:
    """Options that an experiment gave to a model in whose place the user chose another one, by group; deletes them.

    Args:
        config: composed of the overrides.
        overrides: the user's.
        composed: the configuration of other overrides.

    Returns:
        Names of options by the choice, ``encoder=timm``.
    """
    found: dict[str, list[str]] = {}
    if not any(override.startswith("experiment=") for override in overrides):
        return found
    for choice in overrides:
        group, _, name = choice.partition("=")
        if group not in _GROUPS or not name:
            continue
        known = composed([choice])[group] or {}
        said = [override.lstrip("+~").partition("=")[0] for override in overrides]
        for key in [key for key in config[group] if key not in known]:
            if not any(f"{one}.".startswith(f"{group}.{key}.") for one in said):
                del config[group][key]
                found.setdefault(choice, []).append(key)
    return found
