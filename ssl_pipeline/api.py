"""Pretraining from Python, without knowing Hydra."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssl_pipeline.config.compose import compose, is_further_rank
from ssl_pipeline.config.names import list_encoders, path_of_data
from ssl_pipeline.config.overrides import options_of_data, overrides_of
from ssl_pipeline.config.saved import read_saved
from ssl_pipeline.config.suitable import IN_PYTHON
from ssl_pipeline.utils.claims import own_folder
from ssl_pipeline.utils.signatures import checked

if TYPE_CHECKING:
    from torch import nn

    from ssl_pipeline.data import Data
    from ssl_pipeline.inference.model import Model
    from ssl_pipeline.structures.grid import GridSpec


@dataclass(frozen=True)
class Run:
    """A run that has ended.

    Attributes:
        folder: where everything lies that it made.
        summary: its numbers, as ``summary.json`` has them.
        encoder: an encoder of the object that was pretrained, where one was given; ``load`` takes it, too.
        trust: packages whose classes its configuration was allowed to name.
    """

    folder: Path
    summary: dict[str, Any]
    encoder: nn.Module | None = None
    trust: tuple[str, ...] = ()

    @cached_property
    def model(self) -> Model:
        """The trained model: raw samples in, embeddings or restored samples out."""
        from ssl_pipeline.inference.load import load

        return load(self.folder, trust=self.trust, encoder=self.encoder)

    def __repr__(self) -> str:
        return "\n".join([f"Run in {self.folder}: {self._facts()}", *(f"  {row}" for row in self._rows())])

    def _facts(self) -> str:
        loss = f", loss {self.summary['loss']:.4g}" if "loss" in self.summary else ""
        return f"{self.summary.get('steps', 0):,} steps, {self.summary.get('seconds', 0):.0f} s{loss}"

    def _repr_html_(self) -> str:
        head, *rows = self._table()
        cells = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows)
        body = "".join(f"<tr>{row}</tr>" for row in cells)
        page = self.folder / "report.html"
        link = f'<p><a href="{escape(str(page))}">report</a></p>' if page.is_file() else ""
        top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
        table = f"<table><tr>{top}</tr>{body}</table>" if rows else ""
        corrupted = f"<p>{escape(line)}</p>" if (line := self._corrupted()) else ""
        return f"<p>Run in <code>{escape(str(self.folder))}</code>: {self._facts()}</p>{table}{corrupted}{link}"

    def _table(self) -> list[list[str]]:
        from ssl_pipeline.report.probe_table import probe_table

        table = probe_table(self.summary)
        return [list(map(str, row)) for row in (table.head, *table.rows)]

    def _corrupted(self) -> str:
        from ssl_pipeline.report.corrupted_table import corrupted_line

        return corrupted_line(self.summary)

    def _rows(self) -> list[str]:
        rows = self._table()
        cells = ("".join(f"{cell:<{20 if k == 0 else 14}}" for k, cell in enumerate(row)).rstrip() for row in rows)
        return [*(cells if len(rows) > 1 else ()), *filter(None, [self._corrupted()])]


@checked
def pretrain(
    data: Any,
    method: str | None = None,
    *,
    labels: Any = None,
    corruption: str | None = None,
    objective: str | None = None,
    encoder: str | nn.Module | None = None,
    decoder: str | None = None,
    epochs: int | None = None,
    steps: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    output: str | Path | None = None,
    options: Mapping[str, Any] | None = None,
) -> Run:
    """Pretrain an encoder; the same as ``train.py`` with these choices.

    Args:
        data: a folder of images, recordings, videos, texts or tables, a table in a file, the name of a data set as
            ``digits``, or data itself: a tensor, an array, a ``Dataset``, a ``DataLoader``, a ``LightningDataModule``.
        method: a whole recipe, see ``list_methods()``; None: two views, ``mask+noise``, that are reconstructed.
        labels: one for each sample of a tensor, an array or a ``Dataset``, for probes alone.
        corruption: views, as ``mask+noise`` or ``crop+crop``; None: what the method says, as the next three.
        objective: losses, as ``reconstruct`` or ``reconstruct+align``.
        encoder: ``conv``, ``vit`` ..., the name of a model of timm's or torchvision's, or an object: a model of timm's,
            or any module that ``sslp.ModuleEncoder`` takes, with the weights that it has; the object itself is trained.
        decoder: ``conv``, ``cross_attention`` or ``autoregressive``.
        epochs: passes over the data; None: what the method says.
        steps: of the optimiser, instead of ``epochs``.
        batch_size: over all devices; None: what the loader or the method says.
        seed: of every random number.
        output: folder of the run; None for a new one below ``outputs``.
        options: further keys, as ``{"corruption.noise.sigma": 0.3}``.

    Returns:
        The run: its folder, its numbers and the trained model.

    Raises:
        FileNotFoundError: no such folder, or nothing in it to learn from.
        ValueError: a name, key or value that cannot be; data that cannot be read; something that is named twice.
    """
    from ssl_pipeline.models.encoders import encoder_choice
    from ssl_pipeline.training import run

    more = dict(options or {})
    _check_end(epochs, steps)
    said = {"experiment": method, "corruption": corruption, "objective": objective, "decoder": decoder}
    said |= {"trainer.max_steps": steps, "trainer.max_epochs": epochs}
    said |= {} if batch_size is None else {"batch_size": batch_size}
    if twice := [key for key, one in (said | {"encoder": encoder}).items() if one is not None and key in more]:
        raise ValueError(f"{twice[0]} is named twice, as an argument and in options: drop one")
    passed, choices = _data(data, labels, more)
    keys, own = ({}, None) if encoder is None else encoder_choice(encoder, list_encoders())
    choices |= said | keys | {"seed": seed} | ({} if steps is None else {"trainer.max_epochs": -1})
    config = compose(overrides_of({key: value for key, value in choices.items() if value is not None} | more))
    folder = Path(config["resume"] or output or _new_folder())
    return Run(folder, run(config, str(folder), passed, own), own, tuple(config["trust"]))


def _check_end(epochs: int | None, steps: int | None) -> None:
    """Refuse an end that is named twice, or none.

    Raises:
        ValueError: likewise.
    """
    if epochs is not None and steps is not None:
        raise ValueError(f"the end is named twice, {epochs=} and {steps=}: drop one")
    for bound in (epochs, steps):
        if bound is not None and bound < 1:
            raise ValueError(f"expected at least one epoch or step, got {bound}")


def _new_folder() -> Path:
    """Named after this second, of this process alone."""
    folder = Path(f"outputs/pretrain/{datetime.now():%Y-%m-%d_%H-%M-%S}")
    return folder if is_further_rank() else own_folder(folder)


def _data(data: Any, labels: Any, options: Mapping[str, Any]) -> tuple[Data | None, dict[str, Any]]:
    """The data, where it was passed itself, and the choices that name it or say what it was."""
    if not isinstance(data, str | Path):
        from ssl_pipeline.data.in_python import python_data

        found = python_data(data, labels, options_of_data(options), _saved_grid(options.get("resume")))
        return found.data, {
            "data": f"{IN_PYTHON}_{found.kind}",
            "data.description": found.description,
            "batch_size": found.batch_size,
        }
    if labels is not None:
        raise ValueError(f"labels= belong to data that is passed itself, and data={str(data)!r} has its own: drop them")
    path = path_of_data(data, options)
    if path is None:
        return None, {"data": str(data)}
    from ssl_pipeline.data.folders.contents import reader_of

    return None, {"data": reader_of(path), "data.root": str(path.resolve())}


def _saved_grid(resume: str | Path | None) -> GridSpec | None:
    """Of the run that goes on; None where none does, or it is of several data sets."""
    if resume is None or not Path(resume).is_dir():
        return None
    from ssl_pipeline.structures.data_spec import DataSpec

    spec = read_saved(Path(resume)).config.get("spec")
    return None if spec is None else DataSpec.from_plain(spec).grid
