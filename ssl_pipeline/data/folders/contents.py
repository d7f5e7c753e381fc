"""What a folder or a file holds, and which data set reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ssl_pipeline.data.folders.csv_tables import TABLE_ENDINGS
from ssl_pipeline.data.folders.image_folder import IMAGE_ENDINGS
from ssl_pipeline.data.folders.text_files import TEXT_ENDINGS
from ssl_pipeline.data.folders.tree import entries_below
from ssl_pipeline.data.io.sound import SOUND_ENDINGS
from ssl_pipeline.data.io.video_frames import VIDEO_ENDINGS

_MEDIA = {"folder": IMAGE_ENDINGS, "audio_folder": SOUND_ENDINGS, "video_folder": VIDEO_ENDINGS}
_OTHERS = {"text_files": {*TEXT_ENDINGS} - {*TABLE_ENDINGS}, "csv": TABLE_ENDINGS}


def reader_of(root: Path) -> str:
    """Name of the data set that reads a folder, or a table in a file.

    A folder is one of images, recordings or videos, whichever are most; where there are none, of texts or of tables.

    Raises:
        FileNotFoundError: there is nothing of these in it.
        ValueError: a file that is no table.
    """
    if root.is_file() and not root.name.lower().endswith(TABLE_ENDINGS):
        endings = ", ".join(TABLE_ENDINGS)
        raise ValueError(f"{str(root)!r} is a file and no table ({endings}): give the folder it lies in")
    if root.is_file():
        return "csv"
    names = [entry.name.lower() for entry in entries_below(root)]
    counts = _counts(_MEDIA, names) or _counts(_OTHERS, names)  # texts and tables next to pictures are about them
    if not counts:
        raise FileNotFoundError(
            f"there is no image, recording, video, text or table in {str(root)!r}: give another folder"
        )
    return max(counts, key=lambda kind: counts[kind])


def _counts(kinds: Mapping[str, Iterable[str]], names: Iterable[str]) -> dict[str, int]:
    """How many files are of each kind; empty where none is."""
    counts = {kind: sum(name.endswith(tuple(endings)) for name in names) for kind, endings in kinds.items()}
    return counts if any(counts.values()) else {}
