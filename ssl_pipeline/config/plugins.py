"""Plug-ins: installed packages that announce themselves under the entry point group ``ssl_pipeline.plugins``.

In the ``pyproject.toml`` of a plug-in::

    [project.entry-points."ssl_pipeline.plugins"]
    my_plugin = "my_plugin"

The module is imported when a part is looked up that we do not have, and registers its own. The folder ``conf`` next to
it, where there is one, is searched for YAML files after our own.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

_GROUP = "ssl_pipeline.plugins"


def modules() -> tuple[str, ...]:
    """Dotted names of the plug-ins that are installed."""
    return tuple(point.module for point in _points())


@cache
def import_plugins() -> None:
    """Import the plug-ins, once, so that what they register is there; stderr names one that cannot be imported."""
    for point in _points():
        try:
            import_module(point.module)
        except Exception as error:
            why = f"{type(error).__name__}: {' '.join(str(error).split())}"
            print(
                f"warning: the plug-in {point.name} cannot be imported, so its parts are missing ({why})",
                file=sys.stderr,
            )


@cache
def config_folders() -> dict[str, Path]:
    """The folder of YAML files of each plug-in that has one, by the plug-in's name."""
    found = {}
    for point in _points():
        spec = find_spec(point.module)
        for place in (spec and spec.submodule_search_locations) or ():
            if (folder := Path(place).resolve() / "conf").is_dir():
                found[point.name] = folder
    return found


@cache
def _points() -> tuple:
    return tuple(sorted(entry_points(group=_GROUP)))
