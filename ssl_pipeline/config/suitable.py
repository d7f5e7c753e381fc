"""Encoder, decoder and objective where nobody names them: those that suit the samples of the data.

``train.yaml`` chooses ``encoder: suitable``, which is ``for_${data}``, and a decoder that suits the encoder, too,
``for_${data}.${encoder}``. This source of Hydra answers such names, so that an experiment and the command line choose
others as ever. What the samples of a data set are is said in the head of its YAML file, ``# @samples symbols``; where
nothing is said, they are ``numbers``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, is_dataclass
from inspect import signature
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import DictConfig, OmegaConf

from ssl_pipeline.config.registry import lookup

_Names = list[str]

SUITABLE = {
    "numbers": {"encoder": "conv", "decoder": "conv", "objective": "reconstruct"},
    "symbols": {"encoder": "vit", "decoder": "cross_attention", "objective": "cross_entropy"},
    "features": {"encoder": "vit", "decoder": "cross_attention", "objective": "reconstruct"},
    "several_kinds": {"encoder": "vit", "decoder": "cross_attention", "objective": "reconstruct+cross_entropy"},
}
"""By what samples are: numbers on axes along which neighbours are alike (images, sound, video), symbols (texts),
features whose neighbours have nothing in common (tables), or several of these."""

FROM_OUTSIDE = {name: {"decoder": "cross_attention"} for name in ("timm", "torchvision", "module")}
"""By encoders of which only the data say whether their latent covers the grid: what any latent can feed."""

IN_PYTHON = "in_python"
"""``data=in_python_KIND`` stands for data of a kind that is passed in Python, see ``ssl_pipeline.data.in_python``."""

_FOR, _ENCODER, _BY_DATA = "for_", "suitable", "encoder/by_data"


class Suitable(ConfigSource):
    """Reads ``encoder/for_pydoc`` as the encoder that suits the samples of ``data/pydoc``."""

    @staticmethod
    def scheme() -> str:
        return "suitable"

    def available(self) -> bool:
        return True

    def is_group(self, config_path: str) -> bool:
        return False

    def is_config(self, config_path: str) -> bool:
        group, _, name = config_path.removesuffix(".yaml").rpartition("/")
        if group == "data":
            return name in {f"{IN_PYTHON}_{kind}" for kind in SUITABLE}
        known = group in (*SUITABLE["numbers"], _BY_DATA) and name.startswith(_FOR)
        return known or (group, name) == ("encoder", _ENCODER)

    def list(self, config_path: str, results_filter: ObjectType | None) -> _Names:
        return []

    def load_config(self, config_path: str) -> ConfigResult:
        group, _, name = config_path.removesuffix(".yaml").rpartition("/")
        if group == "data":
            content = _options_in_python()
        elif name == _ENCODER:
            content = {"defaults": [{"by_data@_here_": f"{_FOR}${{data}}"}]}
        elif group == _BY_DATA:
            content = {"defaults": [f"/encoder/{_suitable('encoder', name)}@_here_"]}
        else:
            chosen = _suitable(group, name)
            parts = [f"{part}@{part}" for part in chosen.split("+")] if group == "objective" else [chosen]
            content = {"defaults": parts}
        return ConfigResult(
            config=OmegaConf.create(content),
            path=self.full_path(),
            provider=self.provider,
            header={"package": None},
        )


def _options_in_python() -> dict[str, Any]:
    """``data.*`` of data that is passed in Python, with the defaults of the class that is registered for it."""
    defaults = {name: one.default for name, one in signature(lookup("data", IN_PYTHON).target).parameters.items()}
    options = {
        name: asdict(one) if is_dataclass(one) and not isinstance(one, type) else one for name, one in defaults.items()
    }
    return options | {"type": IN_PYTHON, "description": "???"}


def _suitable(group: str, name: str) -> str:
    """What ``for_DATA`` or ``for_DATA.ENCODER`` is."""
    data, _, encoder = name.removeprefix(_FOR).partition(".")
    return (SUITABLE[kind_of(data)] | FROM_OUTSIDE.get(encoder, {}))[group]


def kind_of(data: str) -> str:
    """What the samples of ``data=NAME`` are, a key of ``SUITABLE``; a file that does not say it is asked for its type.

    Raises:
        ValueError: the file says a kind that there is not.
    """
    if data.startswith(f"{IN_PYTHON}_"):
        return data.removeprefix(f"{IN_PYTHON}_")
    for name in (data, _found(data, r"type: *(\w+)")):
        kind = name and _found(name, r"# *@samples +(\w+)")
        if kind:
            if kind not in SUITABLE:
                raise ValueError(f"data={data} says @samples {kind}: expected one of {', '.join(SUITABLE)}")
            return kind
    return "numbers"


def check_choices(choices: Mapping[str, str | None], cfg: DictConfig) -> None:
    """Refuse names of this source that nobody can mean.

    Args:
        choices: name of the file by group, as Hydra has them.
        cfg: as Hydra composed it.

    Raises:
        ValueError: models that suit other data, or data that is passed in Python where there is none.
    """
    data = choices.get("data") or ""
    for group in SUITABLE["numbers"]:
        name = str(choices.get(group))
        if re.fullmatch(rf"{_FOR}\w+", name) and name != f"{_FOR}{data}":
            raise ValueError(f"there is no {group} {name!r}: leave it out for the one that suits data={data}")
    if data.startswith(f"{IN_PYTHON}_") and OmegaConf.is_missing(cfg.data, "description"):
        raise ValueError(f"there is no data {data!r} by name: data of this kind is passed in Python, pretrain(data)")


def note(choices: Mapping[str, str | None]) -> str | None:
    """What was chosen for the user, as a sentence; None where it is what images take, or all was named.

    Args:
        choices: name of the file by group, as Hydra has them.
    """
    data = choices.get("data") or ""
    kind, names = kind_of(data), dict(choices)
    if names.get("encoder") == _ENCODER:
        names["encoder"] = f"{_FOR}{data}"
    open_ = [group for group in SUITABLE[kind] if str(names.get(group)).startswith(_FOR)]
    chosen = [f"{group}={_suitable(group, str(names[group]))}" for group in open_]
    if kind == "numbers" or not chosen:
        return None
    return f"samples are {kind.replace('_', ' ')}: {', '.join(chosen)}; name others to change it"


def _found(data: str, pattern: str) -> str | None:
    """What a pattern finds in a line of the data set's YAML file, wherever Hydra looks for files."""
    for folder in _folders():
        if (file := folder / f"data/{data}.yaml").is_file():
            found = re.search(rf"(?m)^{pattern}", file.read_text(encoding="utf-8"))
            return found and found[1]
    return None


def _folders() -> Iterator[Path]:
    for element in GlobalHydra.instance().config_loader().get_search_path().get_path():
        path = str(element.path or "").removeprefix("file://")
        if "://" not in path:
            yield Path(path)
