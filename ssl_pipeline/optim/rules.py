"""The optimisers that a recipe may make: torch's and timm's, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from timm.optim.adan import Adan
from timm.optim.lamb import Lamb
from timm.optim.lars import Lars
from timm.optim.lion import Lion
from timm.optim.muon import Muon

from ssl_pipeline.config.build import construct
from ssl_pipeline.config.registry import Entry, register
from ssl_pipeline.optim.recipe import Recipe

_RULES = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adan": Adan,
    "lamb": Lamb,
    "lars": Lars,
    "lion": Lion,
    "muon": Muon,
    "nadam": torch.optim.NAdam,
    "radam": torch.optim.RAdam,
    "rmsprop": torch.optim.RMSprop,
    "sgd": torch.optim.SGD,
}
for _name, _rule in _RULES.items():
    register("optimizer", _name)(_rule)

_RECIPE = Entry("recipe", "optimizer", Recipe, parts={"make": "optimizer"})


def make_recipe(options: Mapping[str, Any], *, trust: tuple[str, ...] = ()) -> Recipe:
    """The recipe that the group ``optimizer`` of a configuration describes.

    Raises:
        ValueError: see ``build_part``.

    >>> make_recipe({"make": {"type": "sgd", "momentum": 0.9}, "lr": 0.1}).name
    'SGD'
    """
    return construct(_RECIPE, options, at="optimizer", trust=trust)
