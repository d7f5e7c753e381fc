"""Names that the groups of a configuration take."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ssl_pipeline.utils.errors import nearest

SEARCHPATH = "hydra.searchpath"
"""Option that names further folders of configurations."""


def list_methods() -> list[str]:
    """Names of whole recipes, as ``pretrain(method=NAME)`` and ``experiment=NAME`` take them."""
    return _names("experiment")


def list_corruptions() -> list[str]:
    """Names that ``corruption=`` takes; ``a+b`` makes two views, ``a-b`` one by both."""
    return _names("corruption")


def list_encoders() -> list[str]:
    """Names that ``encoder=`` takes."""
    return [name for name in _names("encoder") if name != "module"]  # which takes an object


def list_decoders() -> list[str]:
    """Names that ``decoder=`` takes."""
    return _names("decoder")


def list_objectives() -> list[str]:
    """Names that ``objective=`` takes; ``a+b`` is their sum."""
    return _names("objective")


def list_optimizers() -> list[str]:
    """Names that ``optimizer=`` takes."""
    return _names("optimizer")


def list_data() -> list[str]:
    """Names that ``data=`` takes."""
    return _names("data")


def path_of_data(data: str | Path, options: Iterable[str] = ()) -> Path | None:
    """The folder or file that ``data=`` means; None where it means a data set by name.

    A text that is both is the name, and ``./NAME`` the folder; a ``Path`` is one first.

    Args:
        data: folder, file or name.
        options: further ones, ``KEY`` or ``KEY=VALUE``, which may name a folder of configurations that has the name.

    Raises:
        FileNotFoundError: a path to nothing.
        ValueError: a name of neither, or an empty one.
    """
    if not str(data):
        raise ValueError("expected data to be a folder, a table or the name of a data set, got an empty name")
    named = isinstance(data, str) and data in list_data()
    if not named and Path(data).exists():
        return Path(data)
    if named:
        return None
    if isinstance(data, Path) or "/" in data:
        raise FileNotFoundError(f"there is no {str(data)!r}: give a folder, a table or the name of a data set")
    if any(option.partition("=")[0].lstrip("+") == SEARCHPATH for option in options):
        return None
    near = nearest(data, list_data())
    raise ValueError(f"there is neither a folder or table nor a data set of the name {data!r}; {near}")


def _names(group: str) -> list[str]:
    from ssl_pipeline.config.compose import group_names  # Hydra, which only this needs

    return [name for name in group_names(group) if name != "none"]
