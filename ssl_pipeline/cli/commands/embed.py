"""Embed a data set, or a folder of files, into Parquet or NPZ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor
from tqdm import tqdm

from ssl_pipeline.cli.commands.arguments import writable
from ssl_pipeline.cli.commands.dataset import data_of
from ssl_pipeline.cli.commands.files import Files, device_of, files_of
from ssl_pipeline.cli.commands.manifest import begin, weights_of
from ssl_pipeline.data import Dataset, Stream, sequential_batches
from ssl_pipeline.inference.load import load
from ssl_pipeline.inference.model import Model
from ssl_pipeline.inference.modules import UNKNOWN
from ssl_pipeline.structures.batch import Batch

NOTE = "embed.json"


class Rows(NamedTuple):
    """Some samples and what is known of them."""

    x: Tensor
    valid: Tensor | None
    columns: dict[str, list[Any]]


def embed(
    run: Path,
    out: Path,
    source: Path | None = None,
    overrides: list[str] | None = None,
    split: str = "test",
    view: str = UNKNOWN,
    teacher: bool = False,
    batch_size: int = 256,
    device: str = "auto",
    limit: int | None = None,
    rows_per_file: int = 10_000,
    set: str | None = None,
    trust: tuple[str, ...] = (),
) -> None:
    """Embeddings of a data set, or of a folder of files, as a folder of Parquet files or as one NPZ.

    Samples are read, embedded and written file by file; the same command goes on where it was stopped (not NPZ).

    Args:
        run: folder of the run, or of an exported encoder.
        out: a folder for Parquet files with columns id, embedding and, where known, label and source; or FILE.npz.
        source: folder of images, recordings or videos of your own. Recordings and videos are cut into windows, with ids
            FILE@SECOND.
        overrides: written data=NAME data.root=... as in training: another data set than the run's own.
        split: train, test or all of a data set.
        view: their corruption; none by default.
        teacher: embed with the slow copy of the encoder.
        batch_size: samples in a pass.
        device: cpu, cuda ... or auto.
        limit: number of samples at most.
        rows_per_file: of Parquet; each file is written whole or not at all.
        set: name of the data set whose model is wanted, of a run on several.
        trust: packages of your own whose classes the run may name, with commas between them.
    """
    if split not in ("train", "test", "all"):
        raise ValueError(f"split={split}: expected train, test or all")
    if out.suffix not in ("", ".npz"):
        raise ValueError(f"out={out}: expected a folder for Parquet files, or a file ending in .npz")
    if out.suffix == ".npz":
        if out.exists():
            raise ValueError(f"out={out} is there already: take another file, or remove it")
        writable(out, folder=False).parent.mkdir(parents=True, exist_ok=True)
    if min(batch_size, rows_per_file, 1 if limit is None else limit) < 1:
        raise ValueError("expected batch_size, rows_per_file and limit of at least 1")
    if source is not None and overrides:
        raise ValueError("expected one of source (a folder of files) and data (a data set), got both")
    model = load(run, set, trust=trust).to(device_of(device))
    model.part("teacher" if teacher else "encoder", view)
    files = None if source is None else files_of(model, source)
    parts = {} if files is not None else _parts(model, overrides or [], split)
    made = {"run": str(run.resolve()), "source": source and str(source.resolve()), "data": overrides, "set": set}
    made |= {"split": split, "view": view, "teacher": teacher, "rows_per_file": rows_per_file}
    made |= {"weights": weights_of(run)}

    def rows(start: int) -> Iterator[Rows]:
        some = _of_files(files, batch_size) if files is not None else _of_parts(parts, batch_size, limit)
        return _between(some, start, limit)

    def embedded(some: Rows) -> dict[str, Any]:
        found = model.embed(some.x, some.valid, batch_size, teacher, view).float().cpu().numpy()
        return {**some.columns, "embedding": found}

    with tqdm(total=_count(files, parts, limit), unit=" samples") as bar:
        if out.suffix == ".npz":
            table = _table(_counted(rows(0), bar), embedded)
            arrays: dict[str, Any] = {name: np.array(column) for name, column in table.items()}
            np.savez(out, **arrays)
        else:
            _write_parts(out, made, rows_per_file, rows, embedded, bar)
    print(f"{bar.n:,} embeddings in {out}")
    if files is not None:
        files.check(out if out.suffix == "" else out.parent)


def _write_parts(out: Path, made: dict[str, Any], size: int, rows: Any, embedded: Any, bar: Any) -> None:
    """Go on after the whole files that are there.

    Raises:
        ValueError: the folder holds something made otherwise.
    """
    if not (out / NOTE).is_file() and out.is_dir() and any(out.iterdir()):
        raise ValueError(f"{out} holds other things: take another folder")
    begin(out, NOTE, made, "part-*.parquet")
    number = 0
    while (file := out / f"part-{number:05}.parquet").is_file() and pq.read_metadata(file).num_rows == size:
        number += 1
    for later in sorted(out.glob("part-*.parquet"))[number:]:
        later.unlink()
    bar.update(number * size)
    waiting: list[dict[str, Any]] = []
    for some in _counted(rows(number * size), bar):
        waiting.append(embedded(some))
        if sum(len(table["embedding"]) for table in waiting) < size:
            continue
        table = _joined(waiting)
        whole = len(table["embedding"]) // size
        for start in range(0, whole * size, size):
            _write(
                out / f"part-{number:05}.parquet",
                {name: column[start : start + size] for name, column in table.items()},
            )
            number += 1
        waiting = [{name: column[whole * size :] for name, column in table.items()}]
    if waiting and len((table := _joined(waiting))["embedding"]):
        _write(out / f"part-{number:05}.parquet", table)


def _write(file: Path, table: dict[str, Any]) -> None:
    vectors = table["embedding"]
    columns = {name: pa.array(column) for name, column in table.items() if name != "embedding"}
    columns["embedding"] = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])
    temporary = file.with_suffix(".unfinished")
    pq.write_table(pa.table(columns), temporary)
    temporary.rename(file)


def _table(some: Iterator[Rows], embedded: Any) -> dict[str, Any]:
    tables = [embedded(one) for one in some]
    if not tables:
        raise ValueError("there is no sample to embed")
    return _joined(tables)


def _joined(tables: list[dict[str, Any]]) -> dict[str, Any]:
    """One below the other."""
    columns = {name: [one for table in tables for one in table[name]] for name in tables[0] if name != "embedding"}
    return columns | {"embedding": np.concatenate([table["embedding"] for table in tables])}


def _counted(some: Iterator[Rows], bar: Any) -> Iterator[Rows]:
    for rows in some:
        yield rows
        bar.update(len(rows.x))


def _between(some: Iterator[Rows], start: int, limit: int | None) -> Iterator[Rows]:
    """From one sample on, up to a limit."""
    before = 0
    for rows in some:
        n = len(rows.x)
        first, last = max(0, start - before), n if limit is None else min(n, limit - before)
        before += n
        if first < last:
            valid = None if rows.valid is None else rows.valid[first:last]
            yield Rows(rows.x[first:last], valid, {name: column[first:last] for name, column in rows.columns.items()})
        if limit is not None and before >= limit:
            return


def _count(files: Files | None, parts: dict[str, Dataset | Stream], limit: int | None) -> int | None:
    """Number of samples, where it is known before they are read."""
    if (files is not None and (files.sound or files.video)) or any(isinstance(part, Stream) for part in parts.values()):
        return limit
    count = len(files.files) if files is not None else sum(len(part) for part in parts.values())  # pyright: ignore
    return count if limit is None else min(count, limit)


def _of_files(files: Files, batch_size: int) -> Iterator[Rows]:
    windows = files.windows()
    while some := [*islice(windows, batch_size)]:
        masks = [torch.ones_like(one.x[:, 0], dtype=torch.bool) if one.valid is None else one.valid for one in some]
        valid = None if all(one.valid is None for one in some) else torch.cat(masks)
        yield Rows(torch.cat([one.x for one in some]), valid, {"id": [one.name for one in some]})


def _of_parts(parts: dict[str, Dataset | Stream], batch_size: int, limit: int | None) -> Iterator[Rows]:
    for name, part in parts.items():
        first = 0
        for batch in sequential_batches(part, batch_size, limit):
            yield _rows(batch, name, first, getattr(part, "paths", None))
            first += len(batch.x)


def _rows(batch: Batch, part: str, first: int, paths: Sequence[str] | None) -> Rows:
    columns: dict[str, list[Any]] = {"id": [f"{part}/{first + i}" for i in range(len(batch.x))]}
    columns["source"] = batch.source.tolist()
    if paths is not None:
        columns["path"] = [paths[source] for source in columns["source"]]
    if batch.label is not None:
        columns["label"] = batch.label.tolist()
    return Rows(batch.x, batch.valid, columns)


def _parts(model: Model, overrides: list[str], split: str) -> dict[str, Dataset | Stream]:
    """The wanted parts of a data set."""
    data = data_of(model, overrides)
    asked = {"train": data.train, "test": data.test}
    found = {name: part for name, part in asked.items() if part is not None and split in (name, "all")}
    if not found:
        raise ValueError("this data set has no test part: set split=train")
    return found
