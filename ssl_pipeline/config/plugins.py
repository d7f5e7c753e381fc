"""Plug-ins: installed packages that announce themselves under the entry point group ``ssl_pipeline.plugins``.

In the ``pyproject.toml`` of a plug-in::

    [project.entry-points."ssl_pipeline.plugins"]
    my_plugin = "my_plugin"

The folder ``conf`` of that package, where it has one, is searched for YAML files after our own.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

_GROUP = "ssl_pipeline.plugins"


def modules() -> tuple[str, ...]:
    """Dotted names of the plug-ins that are installed."""
    return tuple(point.module for point in _points())


def load() -> None:
    """Import the plug-ins, so that what they register is there."""
    for name in modules():
        import_module(name)


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
