"""Packages that only some kinds of data or of output need."""

from __future__ import annotations

from importlib.util import find_spec


def require(package: str, extra: str, what: str) -> None:
    """Ask for a package before it is needed.

    Args:
        package: that is imported.
        extra: of this package that installs it.
        what: needs it.

    Raises:
        ModuleNotFoundError: it is not installed.

    >>> require("torch", "audio", "data=audio_folder")
    """
    if find_spec(package) is None:
        raise ModuleNotFoundError(f"{what} needs {package}: pip install 'ssl_pipeline[{extra}]'", name=package)
