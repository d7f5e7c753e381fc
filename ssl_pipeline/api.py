"""Pretraining from Python, without knowing Hydra."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from ssl_pipeline.inference.model import Model


@dataclass(frozen=True)
class Run:
    """A run that has ended.

    Attributes:
        folder: where everything lies that it made.
        summary: its numbers, as ``summary.json`` has them.
        encoder: the object that was pretrained, where one was given.
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
        steps = f"{self.summary.get('steps', 0):,} steps, {self.summary.get('seconds', 0):.0f} s"
        return "\n".join([f"Run in {self.folder}: {steps}", *(f"  {row}" for row in self._rows())])

    def _repr_html_(self) -> str:
        head, *rows = self._table()
        cells = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows)
        body = "".join(f"<tr>{row}</tr>" for row in cells)
        page = self.folder / "report.html"
        link = f'<p><a href="{escape(str(page))}">report</a></p>' if page.is_file() else ""
        top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
        return f"<p>Run in <code>{escape(str(self.folder))}</code></p><table><tr>{top}</tr>{body}</table>{link}"

    def _table(self) -> list[list[str]]:
        from ssl_pipeline.report.headline import probes

        table = probes(self.summary)
        return [list(map(str, row)) for row in (table.head, *table.rows)]

    def _rows(self) -> list[str]:
        rows = self._table()
        if len(rows) == 1:
            return []
        return ["".join(f"{cell:<{20 if k == 0 else 14}}" for k, cell in enumerate(row)).rstrip() for row in rows]


def pretrain(
    data: str | Path,
    method: str | None = None,
    *,
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
        data: a folder of images, of recordings, of videos or of texts, or the name of a data set such as ``digits``.
        method: a whole recipe, see ``list_methods()``; None: two views, ``mask+noise``, that are reconstructed.
        corruption: views, as ``mask+noise`` or ``crop+crop``; None: what the method says, as the next three.
        objective: losses, as ``reconstruct`` or ``reconstruct+align``.
        encoder: ``conv``, ``vit`` ..., the name of a model of timm's, or an object: a model of timm's, or any module
            that ``sslp.ModuleEncoder`` takes, with the weights that it has; the object itself is trained.
        decoder: ``conv``, ``cross_attention`` or ``autoregressive``.
        epochs: passes over the data; None: what the method says.
        steps: of the optimiser, in place of ``epochs``.
        batch_size: over all devices; None: what the method says.
        seed: of every random number.
        output: folder of the run; None for a new one below ``outputs``.
        options: further keys, as ``{"corruption.noise.sigma": 0.3}``.

    Returns:
        The run: its folder, its numbers and the trained model.

    Raises:
        FileNotFoundError: no such folder, or nothing in it to learn from.
        ValueError: a name, key or value that cannot be; a data set that cannot be read; a method that is named twice.

    Example:
        ``run = pretrain("path/to/images", "simclr", epochs=50)``
    """
    from ssl_pipeline.config.compose import compose
    from ssl_pipeline.models.encoders import encoder_choice
    from ssl_pipeline.training import run

    more = dict(options or {})
    if method is not None and "experiment" in more:
        raise ValueError(
            f"the method is named twice, method={method!r} and experiment={more['experiment']!r}: drop one"
        )
    is_folder, kind = _data(str(data))
    # A method has models that suit its data; without one, texts need others than images do.
    is_text = method is None and "experiment" not in more and kind in ("text_files", "pydoc", "fortunes", "hf_text")
    keys, own = ({}, None) if encoder is None else encoder_choice(encoder, list_encoders())
    choices = {
        "experiment": method,
        "data": kind,
        "data.root": str(Path(data).resolve()) if is_folder else None,
        "corruption": corruption,
        "objective": objective or ("cross_entropy" if is_text else None),
        "encoder": "vit" if is_text else None,
        "decoder": decoder or ("cross_attention" if is_text or (own is not None and method is None) else None),
        "trainer.max_epochs": epochs if steps is None else -1,
        "trainer.max_steps": steps,
        "batch_size": batch_size,
        "seed": seed,
        **keys,
        **more,
    }
    config = compose([f"{key}={_plain(value)}" for key, value in choices.items() if value is not None])
    folder = Path(output or f"outputs/pretrain/{datetime.now():%Y-%m-%d_%H-%M-%S}")
    return Run(folder, run(config, str(folder), own), own, tuple(config["trust"]))


def _data(data: str) -> tuple[bool, str]:
    """Whether it is a folder, and the name of the data set that reads it."""
    is_folder = Path(data).is_dir() and data not in list_data()
    if not is_folder and "/" in data:
        raise FileNotFoundError(f"there is no folder {data!r}: give a folder or the name of a data set")
    return is_folder, _kind(Path(data)) if is_folder else data


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


def _names(group: str) -> list[str]:
    from ssl_pipeline.config.compose import group_names

    return [name for name in group_names(group) if name != "none"]


def _kind(root: Path) -> str:
    """The data set for what a folder holds: images, recordings or videos, whichever are most, else texts."""
    from ssl_pipeline.data.folders.image_folder import IMAGE_ENDINGS as IMAGES
    from ssl_pipeline.data.folders.text_files import TEXT_ENDINGS as TEXTS
    from ssl_pipeline.data.io.sound import SOUND_ENDINGS as SOUNDS
    from ssl_pipeline.data.io.video_frames import VIDEO_ENDINGS as VIDEOS

    found = Counter(path.suffix.lower() for path in root.rglob("*") if path.name[0] != ".")
    kinds = {"folder": IMAGES, "audio_folder": SOUNDS, "video_folder": VIDEOS}
    counts = {kind: sum(found[ending] for ending in endings) for kind, endings in kinds.items()}
    if any(counts.values()):  # texts next to them are notes
        return max(counts, key=lambda kind: counts[kind])
    if not any(found[ending] for ending in TEXTS):
        raise FileNotFoundError(f"there is no image, recording, video or text in {str(root)!r}: give another folder")
    return "text_files"


def _plain(value: Any) -> str:
    """A value as Hydra's command line writes it."""
    from ssl_pipeline.config.compose import quoted

    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_plain(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_plain(item)}" for key, item in value.items()) + "}"
    return quoted(value) if isinstance(value, str) else str(value)
