"""What models by name have in common, be they timm's or torchvision's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

import timm
from torch import nn

from ssl_pipeline.structures.grid import GridSpec


def check_image(grid: GridSpec) -> None:
    """Refuse what is no image.

    Raises:
        ValueError: a grid of symbols, or of another number of axes than two.
    """
    if grid.ndim != 2 or grid.discrete:
        raise ValueError(f"image backbones need a continuous grid of two axes, got {grid.names}; take encoder=vit")


def is_plain(value: object) -> bool:
    """Whether a configuration can hold a value."""
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return value is None or isinstance(value, bool | int | float | str)


def create(
    make: Callable[..., nn.Module],
    name: str,
    options: Mapping[str, Any],
    fitting: Mapping[str, Any],
    **fixed: Any,
) -> nn.Module:
    """A model with options.

    Args:
        make: of a name and options makes the model.
        name: of the model.
        options: the user's.
        fitting: what would make it fit the data; of these it gets those that it has and that the user has not set.
        fixed: further arguments.

    Raises:
        ValueError: an option that the model has not, or a value that it refuses.
    """
    extra = {key: value for key, value in fitting.items() if key not in options}
    while True:
        try:
            return make(name, **{**fixed, **extra, **options})
        except TypeError as error:
            found = re.search(r"(\w+)\.__init__\(\) got (?:an )?unexpected keyword argument(.*)", str(error))
            unknown = [] if found is None else re.findall(r"'(\w+)'", found[2])
            if found and (wrong := [key for key in unknown if key not in extra]):
                what = f"encoder.options.{wrong[0]}: {name} is a {found[1]}, which has no such option"
                raise ValueError(what) from error
            if found and unknown:
                extra = {key: value for key, value in extra.items() if key not in unknown}
                continue
            raise ValueError(_cannot(name, options, error)) from error
        except (AssertionError, RuntimeError, ValueError) as error:
            raise ValueError(_cannot(name, options, error)) from error


def _cannot(name: str, options: Mapping[str, Any], error: Exception) -> str:
    return f"encoder.options={dict(options)}: {name} cannot be made with them ({' '.join(str(error).split())})"


def check_timm_name(name: str) -> None:
    """Refuse a name that timm does not know, or one that asks for weights.

    Raises:
        ValueError: likewise.
    """
    model, _, weights = name.partition(".")
    if weights:
        raise ValueError(
            f"encoder.name={name} asks for timm's weights {weights!r}, which are not loaded here: set "
            f"encoder.name={model} to train from scratch, or give the model as an object from Python"
        )
    if not timm.is_model(name):
        near = ", ".join(get_close_matches(name, timm.list_models(), 5)) or "see timm.list_models()"
        raise ValueError(f"timm has no model {name!r}; nearest: {near}")
