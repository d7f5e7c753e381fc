"""_Names such as ``a+b`` and ``a-b``, made of the files of a group.

``corruption=a+b`` is two views, ``corruption=a-b`` one view made by a chain, ``objective=a+b`` a sum and
``callback=a+b`` both. The parts are the files of the group's folder, whose names therefore have neither sign in them.
"""

from __future__ import annotations

from typing import Any

from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import OmegaConf

from ssl_pipeline.config.parts import CHAIN, numbered

_Names = list[str]

COMBINING_SIGNS = {"corruption": "+-", "objective": "+", "callback": "+"}
"""What joins names, by group."""


class Combination(ConfigSource):
    """Reads ``corruption/a+b`` as a file whose defaults are its parts."""

    @staticmethod
    def scheme() -> str:
        return "combination"

    def available(self) -> bool:
        return True

    def is_group(self, config_path: str) -> bool:
        return config_path in COMBINING_SIGNS

    def is_config(self, config_path: str) -> bool:
        group, _, name = config_path.rpartition("/")
        return any(sign in name for sign in COMBINING_SIGNS.get(group, ""))

    def list(self, config_path: str, results_filter: ObjectType | None) -> _Names:
        return []

    def load_config(self, config_path: str) -> ConfigResult:
        group, _, name = config_path.removesuffix(".yaml").rpartition("/")
        sign = "+" if "+" in name else "-"
        parts = name.split(sign)
        if "" in parts:
            raise ValueError(f"{group}={name}: expected a name on either side of each {sign!r}")
        items = [f"{part}@{key}" for part, key in zip(parts, numbered(parts), strict=True)]
        content: dict[str, Any] = {"defaults": ["_self_", *items]}
        if sign == "-":
            content |= CHAIN
        return ConfigResult(
            config=OmegaConf.create(content),
            path=self.full_path(),
            provider=self.provider,
            header={"package": f"{group}.{name}" if sign == "-" else None},
        )
