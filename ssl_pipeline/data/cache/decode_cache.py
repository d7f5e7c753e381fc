"""What is decoded once: into memory, or into files that are mapped and found again by the next run."""

from __future__ import annotations

import json
import shutil
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from errno import EIO, EMFILE, ENFILE, ENOSPC, ESTALE
from itertools import chain
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from ssl_pipeline.data.cache.folder import is_whole, whole_or_nothing
from ssl_pipeline.data.io.remarks import Remarks
from ssl_pipeline.data.memory import MappedDataset, MemoryDataset

PATIENCE = 2.0  # seconds of decoding that need no file
MEMORY_LIMIT = 2 * 1024**3  # bytes of samples that are kept in memory for want of a file

DecodedRows = dict[str, Tensor]
"""Samples by the name ``x``, and by other names what is known of each of them."""


class FileProblems(NamedTuple):
    """Files that are not as they should be, by their numbers."""

    unreadable: dict[int, str]  # and why
    remarks: Remarks  # of others, how they were read

    def leave_out(self, number: int, name: str, error: Exception) -> None:
        """A file that its decoder could not read, for whatever reason; raises where it is the machine that cannot."""
        if passes(error):
            raise error
        reason = getattr(error, "error_string", str(error)) or type(error).__name__  # libsndfile's own words
        self.unreadable[number] = reason.replace(name, "it")


_PASSING = {EIO, EMFILE, ENFILE, ESTALE}


def passes(error: BaseException) -> bool:
    """Whether it is the machine that cannot read, and not the file that cannot be read."""
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno in _PASSING)


Decode = Callable[[FileProblems], Iterator[DecodedRows]]
"""Decodes everything from the beginning, some at a time; fills the problems on the way."""


class Decoded(NamedTuple):
    """What has been decoded."""

    rows: DecodedRows  # of all files; nothing where none can be read
    problems: FileProblems
    place: Path | None = None  # folder of the mapped files

    def dataset(
        self,
        labels: Int64[Tensor, "N"] | None = None,
        source: Int64[Tensor, "N"] | None = None,
        paths: tuple[str, ...] | None = None,
    ) -> MemoryDataset:
        """The samples, with what is known of them."""
        if self.place is None:
            return MemoryDataset(self.rows["x"], labels, source, paths=paths)
        return MappedDataset(self.place / "x.npy", labels, source, paths)


def decoded_once(
    decode: Decode,
    place: Path,
    in_memory: bool | str,
    needed: int = 0,
    refuse: Callable[[FileProblems], None] = lambda _: None,
) -> Decoded:
    """Decode, unless a run before has done so.

    Args:
        decode: does it.
        place: folder of the mapped files, its name the same for the same result.
        in_memory: true: in memory; false: in a mapped file; "auto": in such a file if decoding takes over 2 s.
            Where none can be written, "auto" keeps up to 2 GiB in memory after all, and says so.
        needed: bytes of the samples, where they are known.
        refuse: raises where there are too many problems; what is refused is not kept.

    Raises:
        OSError: the file cannot be written.
    """
    if in_memory is True:
        return _to_memory(decode)
    if is_whole(place):
        return _find(place)
    problems = FileProblems({}, {})
    parts, first = decode(problems), []
    if in_memory == "auto":
        began = time.monotonic()
        for part in parts:
            first.append(part)
            if time.monotonic() - began > PATIENCE:
                break
        else:
            return Decoded(_joined(first), problems)
    try:
        with whole_or_nothing(place) as temporary:
            if temporary is not None:
                _write(chain(first, parts), temporary, needed)
                refuse(problems)
                (temporary / "troubles.json").write_text(json.dumps(problems._asdict()))
    except OSError as error:
        where = f"what is decoded cannot be kept in {str(place.parent)!r} ({error.strerror or error})"
        trouble = OSError(f"{where}: set cache.folder to one with more room, or set cache.in_memory=true")
        if in_memory is False or needed >= MEMORY_LIMIT:
            raise trouble from error
        warnings.warn(f"{where}, so every start decodes anew: set cache.folder to another one", stacklevel=4)
        return _to_memory(decode, trouble)
    return _find(place)


def _to_memory(decode: Decode, too_large: OSError | None = None) -> Decoded:
    """Everything; or the error, if there is one to be raised from 2 GiB on."""
    problems, parts, size = FileProblems({}, {}), [], 0
    for part in decode(problems):
        parts.append(part)
        size += part["x"].nbytes
        if too_large is not None and size >= MEMORY_LIMIT:
            raise too_large
    return Decoded(_joined(parts), problems)


def _joined(parts: list[DecodedRows]) -> DecodedRows:
    """All rows of the parts, which are given up one by one, so that memory holds them once."""
    if not parts:
        return {}
    count = sum(len(part["x"]) for part in parts)
    rows = {name: some.new_empty(count, *some.shape[1:]) for name, some in parts[0].items()}
    begin = 0
    parts.reverse()
    while parts:
        part = parts.pop()
        for name, some in part.items():
            rows[name][begin : begin + len(some)] = some
        begin += len(part["x"])
    return rows


def _write(parts: Iterable[DecodedRows], folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed >= free:
        raise OSError(ENOSPC, f"{needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are left")
    with ExitStack() as stack:
        files: dict[str, tuple[BinaryIO, np.ndarray, int]] = {}  # with the end of the header
        count = 0
        for part in parts:
            count += len(part["x"])
            for name, some in part.items():
                rows = some.numpy()
                if name not in files:
                    file = stack.enter_context((folder / f"{name}.npy").open("wb"))
                    files[name] = file, rows, _head(file, rows, 0)
                files[name][0].write(np.ascontiguousarray(rows).data)
        for file, rows, begin in files.values():
            assert _head(file, rows, count) == begin


def _head(file: BinaryIO, rows: np.ndarray, count: int) -> int:
    """Write the header, and tell where it ends."""
    # The number of rows is known in the end only; numpy leaves room in the header for the first size to grow.
    file.seek(0)
    kind = {"descr": np.lib.format.dtype_to_descr(rows.dtype), "fortran_order": False}
    np.lib.format.write_array_header_1_0(file, {**kind, "shape": (count, *rows.shape[1:])})
    return file.tell()


def _find(place: Path) -> Decoded:
    rows = {
        file.stem: torch.from_numpy(np.load(file, allow_pickle=False))
        for file in place.glob("*.npy")
        if file.stem != "x"
    }
    said = json.loads((place / "troubles.json").read_text())
    problems = FileProblems(
        _numbered(said["unreadable"]), {kind: _numbered(of) for kind, of in said["remarks"].items()}
    )
    return Decoded(rows, problems, place)


def _numbered(found: Mapping[str, str]) -> dict[int, str]:
    """By number again: JSON has texts as keys."""
    return {int(number): reason for number, reason in found.items()}
