"""Where a configuration says that data lies."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from glob import glob
from pathlib import Path
from typing import Any

_FOLDERS = ("root", "masks")
"""Options of data sets that are files or folders of the user's."""


def is_place(keys: Sequence[str]) -> bool:
    """Whether an option says where the data lies, whether it is fetched, and where it is kept."""
    return keys[0] == "data" and (keys[-1] in (*_FOLDERS, "download") or "cache" in keys)


def open_places(overrides: Sequence[str]) -> list[str]:
    """Overrides as Hydra takes them: where the data of a resumed run lies is a key of that run's data, not of others'.

    >>> open_places(["resume=outputs/run", "data.root=there", "data.size=8"])
    ['resume=outputs/run', '++data.root=there', 'data.size=8']
    """
    resumed = [one for one in overrides if one.startswith("resume=") and one not in ("resume=auto", "resume=null")]
    opened = [is_place(override.partition("=")[0].split(".")) for override in overrides]
    return [f"++{one}" if resumed and is_open else one for one, is_open in zip(overrides, opened, strict=True)]


def absolute(data: Any) -> Any:
    """Options of data sets whose folders are absolute, so that a run goes on from wherever it is called.

    >>> absolute({"type": "folder", "root": "/pictures", "size": 8})
    {'type': 'folder', 'root': '/pictures', 'size': 8}
    """
    if not isinstance(data, Mapping):
        return data
    return {key: _absolute(value) if key in _FOLDERS else absolute(value) for key, value in data.items()} | _hf(data)


def _absolute(folder: Any) -> Any:
    return os.path.abspath(Path(folder).expanduser()) if isinstance(folder, str) and "://" not in folder else folder


def _hf(data: Mapping[str, Any]) -> dict[str, Any]:
    """Of a data set of the datasets library, whose path may be a folder, a name on the hub or a format of files."""
    path, files = data.get("path"), data.get("data_files")
    if not isinstance(path, str) or "://" in path:
        return {}
    if files is None:
        return {"path": os.path.abspath(path)} if Path(path).is_dir() else {}
    return {} if Path(path).is_dir() or "/" in path else {"data_files": _patterns(files)}


def _patterns(files: Any) -> Any:
    """Patterns of files, be they alone, in lists or by split; as they are where they find nothing here."""
    if isinstance(files, str):
        return os.path.abspath(files) if "://" not in files and glob(files, recursive=True) else files
    if isinstance(files, Mapping):
        return {split: _patterns(some) for split, some in files.items()}
    return [_patterns(some) for some in files] if isinstance(files, list | tuple) else files
