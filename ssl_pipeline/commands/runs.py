"""Runs as commands take them: by their folder, as a ``Run``, or as a ``Model`` in memory."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssl_pipeline.api import Run

if TYPE_CHECKING:
    from ssl_pipeline.inference.model import Model


def folder_of(run: str | Path | Run | Model) -> Path | None:
    """A run's folder; None of a model in memory.

    Raises:
        ValueError: nothing is named, or an object of another type.
    """
    from ssl_pipeline.inference.model import Model

    if isinstance(run, Run):
        return run.folder
    if isinstance(run, Model):
        return None
    check_run(run)
    return Path(run)


def saved_folder_of(run: str | Path | Run) -> Path:
    """A run's folder, where it must have one.

    Raises:
        ValueError: nothing is named, or an object of another type, such as a model in memory.
    """
    if isinstance(run, Run):
        return run.folder
    if not isinstance(run, str | Path) or not str(run):
        raise ValueError(f"expected run to be the folder of a run or a Run, got {run!r}")
    return Path(run)


def one_or_several(run: Any) -> list[Any]:
    """Runs as a list, be they passed as one or as a list or tuple."""
    return [*run] if isinstance(run, list | tuple) else [run]


def check_run(run: object) -> None:
    """Refuse what is no folder's name.

    Raises:
        ValueError: nothing is named, or an object of another type.
    """
    if not isinstance(run, str | Path) or not str(run):
        raise ValueError(f"expected run to be the folder of a run, a Run or a Model, got {run!r}")


def open_model(
    run: str | Path | Run | Model, set: str | None = None, trust: tuple[str, ...] = (), device: str = "auto"
) -> Model:
    """The model of a run.

    Args:
        run: a folder, a ``Run``, or a model, which stays where it is unless a device is named.
        set: name of the data set, of a run on several.
        trust: packages of the caller's own whose classes the run may name.
        device: by name, or ``auto``.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: see ``load``; the model is of another data set; no such device.
    """
    from ssl_pipeline.inference.load import load
    from ssl_pipeline.inference.model import Model

    if isinstance(run, Model):
        if set not in (None, run.data):
            raise ValueError(f"set={set}: this model is of {run.data or 'a run on one data set'}: load that of {set}")
        return run if device == "auto" else run.to(device)
    if isinstance(run, Run):
        return load(run.folder, set, trust=(*run.trust, *trust), encoder=run.encoder).to(device)
    check_run(run)
    return load(run, set, trust=trust).to(device)
