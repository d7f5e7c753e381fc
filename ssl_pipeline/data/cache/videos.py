"""Video files decoded once into clips: into memory, or into a file that is mapped and found again by the next run."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from ssl_pipeline.data.cache.decode_cache import Decoded, DecodedRows, FileProblems, decoded_once, passes
from ssl_pipeline.data.cache.folder import cache_folder, fingerprint
from ssl_pipeline.data.codecs.video import Clips
from ssl_pipeline.data.io.remarks import noting, warn_remarks
from ssl_pipeline.data.io.squares import squared
from ssl_pipeline.data.io.unreadable import check_unreadable, refuse_unreadable
from ssl_pipeline.data.io.video_frames import frames_of
from ssl_pipeline.data.options import Cache

_log = logging.getLogger(__name__)

_VERSION = 2  # of the decoding: raise it when the same file comes out differently


def decoded_videos(
    files: Sequence[Path],
    codec: Clips,
    step: int,
    cache: Cache = Cache(),
    limit: float | int = 0.05,
) -> Decoded:
    """All clips of the files, and of each the number of its ``video`` and the second of its ``start``.

    Args:
        files: the videos.
        codec: of the clips.
        step: frames from the start of a clip to the next one's.
        cache: how they are decoded and kept.
        limit: largest fraction of unreadable files to leave out before stopping.

    Raises:
        ValueError: too many files cannot be read, or are shorter than a clip.
        OSError: no room for the mapped file.
    """
    found = decoded_once(
        partial(_decode, files, codec, step, cache.threads),
        cache_folder(cache.folder) / fingerprint(files, f"videos {_VERSION} {codec} {step}"),
        cache.in_memory,
        refuse=lambda problems: refuse_unreadable(files, problems.unreadable, limit, "video"),
    )
    check_unreadable(files, dict(sorted(found.problems.unreadable.items())), limit, "video")
    warn_remarks(files, found.problems.remarks, "video")
    return found


def _decode(
    files: Sequence[Path], codec: Clips, step: int, workers: int, problems: FileProblems
) -> Iterator[DecodedRows]:
    """Clip after clip: a film of hours need not fit into memory."""
    _log.info("decoding %d videos", len(files))
    for number, file in enumerate(files):
        count = 0
        try:
            for clip in clips_of(file, codec, step, workers):
                yield {
                    "x": clip[None],
                    "video": torch.tensor([number]),
                    "start": torch.tensor([count * step / codec.fps], dtype=torch.float32),
                }
                count += 1
        except Exception as error:  # decoders raise whatever they like; every reason is named and counted
            if passes(error):
                raise
            if count:
                noting(problems.remarks, number)("cut_short", "")
            else:
                problems.unreadable[number] = " ".join(str(error).split()).replace(str(file), "it")
            continue
        if not count:
            problems.unreadable[number] = f"it is shorter than a clip of {codec.frames / codec.fps:g} seconds"


def clips_of(file: Path, codec: Clips, step: int, workers: int = 1) -> Iterator[UInt8[Tensor, "C T H W"]]:
    """Clips of a file; what is left at its end is left out.

    Args:
        file: the video.
        codec: of the clips.
        step: frames from the start of a clip to the next one's.
        workers: threads of the decoder.

    Raises:
        OSError: it cannot be decoded; at its beginning, or after some clips.
        ValueError: it holds no pictures.
    """
    held: list[Tensor] = []
    skip = 0
    for frame in frames_of(file, codec.fps, codec.channels, workers):
        if skip:
            skip -= 1
            continue
        held.append(squared(np.ascontiguousarray(frame)[None], codec.size)[0])
        if len(held) == codec.frames:
            yield torch.stack(held, dim=1)
            held, skip = held[step:], max(0, step - codec.frames)
