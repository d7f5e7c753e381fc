"""What a folder holds, and which data set reads it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from ssl_pipeline.data.folders.image_folder import IMAGE_ENDINGS
from ssl_pipeline.data.folders.text_files import TEXT_ENDINGS
from ssl_pipeline.data.io.sound import SOUND_ENDINGS
from ssl_pipeline.data.io.video_frames import VIDEO_ENDINGS

_KINDS = {"folder": IMAGE_ENDINGS, "audio_folder": SOUND_ENDINGS, "video_folder": VIDEO_ENDINGS}


def reader_of(root: Path) -> str:
    """Name of the data set that reads a folder: of images, recordings or videos, whichever are most, else of texts.

    Raises:
        FileNotFoundError: there is nothing of these in it.
    """
    found = Counter(path.suffix.lower() for path in root.rglob("*") if path.name[0] != ".")
    counts = {kind: sum(found[ending] for ending in endings) for kind, endings in _KINDS.items()}
    if any(counts.values()):  # texts next to them are notes
        return max(counts, key=lambda kind: counts[kind])
    if not any(found[ending] for ending in TEXT_ENDINGS):
        raise FileNotFoundError(f"there is no image, recording, video or text in {str(root)!r}: give another folder")
    return "text_files"
