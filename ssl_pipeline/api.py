"""Pretraining from Python, without knowing Hydra."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any


def pretrain(
    data: str,
    *,
    corruption: str = "mask+noise",
    objective: str | None = None,
    encoder: str | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    output: str | None = None,
    options: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Pretrain an encoder; the same as ``train.py`` with these choices.

    Args:
        data: a folder of images, of recordings, of videos or of texts, or the name of a data set such as ``digits``.
        corruption: views, as ``mask+noise`` or ``crop+crop``.
        objective: energies, as ``reconstruct`` or ``reconstruct+alignment``; None for reconstruction.
        encoder: ``conv``, ``vit``, ``timm`` ...; None for the default.
        epochs: passes over the data; None for the default.
        batch_size: over all devices; None for the default.
        seed: of every random number.
        output: folder of the run; None for a new one below ``outputs``.
        options: further keys, as ``{"corruption.noise.sigma": 0.3}``.

    Returns:
        The run's summary, with its folder as ``folder``.

    Raises:
        FileNotFoundError: no such folder, or nothing in it to learn from.
        ValueError: a name, key or value that cannot be; a data set that cannot be read.

    Example:
        ``run = pretrain("path/to/images", corruption="mask+noise", epochs=50)``
    """
    from ssl_pipeline.config.compose import compose, conf_dir
    from ssl_pipeline.training import run

    is_folder = Path(data).is_dir() and not (conf_dir() / "data" / f"{data}.yaml").is_file()
    if not is_folder and "/" in data:
        raise FileNotFoundError(f"there is no folder {data!r}: give a folder or the name of a data set")
    kind = _kind(Path(data)) if is_folder else data
    is_text = kind in ("text_files", "pydoc", "fortunes", "hf_text")
    choices = {
        "data": kind,
        "data.root": str(Path(data).resolve()) if is_folder else None,
        "corruption": corruption,
        "objective": objective or ("cross_entropy" if is_text else None),
        "encoder": encoder or ("vit" if is_text else None),
        "decoder": "cross_attention" if is_text else None,
        "trainer.max_epochs": epochs,
        "batch_size": batch_size,
        "seed": seed,
        **(options or {}),
    }
    config = compose([f"{key}={_plain(value)}" for key, value in choices.items() if value is not None])
    folder = output or f"outputs/pretrain/{datetime.now():%Y-%m-%d_%H-%M-%S}"
    return run(config, folder) | {"folder": folder}


def _kind(root: Path) -> str:
    """The data set for what a folder holds: images, recordings or videos, whichever are most, else texts."""
    from ssl_pipeline.data.folders.image_folder import IMAGE_ENDINGS as IMAGES
    from ssl_pipeline.data.folders.text_files import TEXT_ENDINGS as TEXTS
    from ssl_pipeline.data.io.sound import SOUND_ENDINGS as SOUNDS
    from ssl_pipeline.data.io.video_frames import VIDEO_ENDINGS as VIDEOS

    found = Counter(path.suffix.lower() for path in root.rglob("*") if path.name[0] != ".")
    kinds = {"folder": IMAGES, "audio_folder": SOUNDS, "video_folder": VIDEOS}
    counts = {kind: sum(found[ending] for ending in endings) for kind, endings in kinds.items()}
    if any(counts.values()):  # texts beside them are notes
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
