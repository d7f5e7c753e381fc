"""Embed a data set, or a folder of files, into Parquet or NPZ."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from torch import Tensor
from tqdm import tqdm

from ssl_pipeline.commands.files import Files, device_of, files_of
from ssl_pipeline.config import compose
from ssl_pipeline.datasets import Data, Mixed, Stream
from ssl_pipeline.inference import Model
from ssl_pipeline.instantiate import instantiate
from ssl_pipeline.models import UNKNOWN
from ssl_pipeline.reading import load
from ssl_pipeline.records import Batch


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
) -> None:
    """Embeddings of a data set, or of a folder of files, as a folder of Parquet files or as one NPZ.

    Samples are read, embedded and written part by part; the same command goes on where it was stopped (not NPZ).

    Args:
        run: folder of the run, or of an exported encoder.
        out: a folder for Parquet files with columns id, embedding and, where known, label and source; or FILE.npz.
        source: folder of images or recordings of your own. Long recordings are cut into windows, with ids FILE@SECOND.
        overrides: data=NAME data.root=... as in training: another data set than the run's own.
        split: train, test or all of a data set.
        view: the damage that the samples have suffered; none by default.
        teacher: embed with the slow copy of the encoder.
        batch_size: samples in a pass.
        device: cpu, cuda ... or auto.
        limit: number of samples at most.
        rows_per_file: of Parquet; each file is written whole or not at all.
        set: name of the data set whose model is wanted, of a run on several.
    """
    if split not in ("train", "test", "all"):
        raise ValueError(f"split={split}: expected train, test or all")
    if out.suffix not in ("", ".npz"):
        raise ValueError(f"out={out}: expected a folder for Parquet files, or a file ending in .npz")
    model = load(run, set).to(device_of(device))
    if source is not None and overrides:
        raise ValueError("expected one of source (a folder of files) and data (a data set), got both")
    count, read = _files(model, source) if source is not None else _samples(model, overrides or [], split)
    count = count if limit is None else limit if count is None else min(count, limit)
    model.part("teacher" if teacher else "encoder", view)

    def embedded(rows: Rows) -> np.ndarray:
        return model.embed(rows.x, rows.valid, batch_size, teacher, view).float().cpu().numpy()

    if out.suffix == ".npz":
        _one_file(out, count, read, embedded, batch_size)
    else:
        _parts(out, count, read, embedded, batch_size, rows_per_file)


def _parts(out: Path, count: int | None, read: Any, embedded: Any, batch_size: int, rows_per_file: int) -> None:
    """Write what is not there yet."""
    out.mkdir(parents=True, exist_ok=True)
    with tqdm(total=count, unit=" samples") as bar:
        start = 0
        while count is None or start < count:
            file = out / f"part-{start // rows_per_file:05}.parquet"
            rows = rows_per_file if count is None else min(rows_per_file, count - start)
            if file.is_file():
                bar.update(rows)
                start += rows_per_file
                continue
            table: dict[str, list[Any]] = {}
            vectors: list[np.ndarray] = []
            for some in read(start, rows, batch_size):
                vectors.append(embedded(some))
                for name, column in some.columns.items():
                    table.setdefault(name, []).extend(column)
                bar.update(len(vectors[-1]))
            if not vectors:
                break
            whole = np.concatenate(vectors)
            flat = pa.array(whole.reshape(-1))
            columns = {name: pa.array(column) for name, column in table.items()}
            columns["embedding"] = pa.FixedSizeListArray.from_arrays(flat, whole.shape[1])
            temporary = file.with_suffix(".unfinished")
            pq.write_table(pa.table(columns), temporary)
            temporary.rename(file)
            start += rows_per_file
    print(f"{min(start, bar.n):,} embeddings in {out}")


def _one_file(out: Path, count: int | None, read: Any, embedded: Any, batch_size: int) -> None:
    if count is None:
        raise ValueError("a stream has no end: set limit, or take a folder for Parquet files with a limit")
    table: dict[str, list[Any]] = {}
    vectors: list[np.ndarray] = []
    with tqdm(total=count, unit=" samples") as bar:
        for some in read(0, count, batch_size):
            vectors.append(embedded(some))
            for name, column in some.columns.items():
                table.setdefault(name, []).extend(column)
            bar.update(len(vectors[-1]))
    out.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {name: np.array(column) for name, column in table.items()}
    np.savez(out, embedding=np.concatenate(vectors), **arrays)
    print(f"{len(table['id']):,} embeddings in {out}")


def _files(model: Model, source: Path) -> tuple[int, Any]:
    """Number of windows in a folder's files, and what reads some of them."""
    files: Files = files_of(model, source)
    places = files.windows()

    def read(start: int, rows: int, batch_size: int) -> Iterator[Rows]:
        for first in range(start, start + rows, batch_size):
            some = places[first : min(first + batch_size, start + rows)]
            x, valid = files.read(some)
            yield Rows(x, valid, {"id": [files.name(place) for place in some]})

    return len(places), read


def _samples(model: Model, overrides: list[str], split: str) -> tuple[int | None, Any]:
    """Number of samples of a data set, and what reads some of them."""
    config = compose(overrides)["data"] if overrides else model.config["data"]
    data: Data | Mixed = instantiate(config)
    if isinstance(data, Mixed):
        if model.data is None:
            raise ValueError("this run was trained on several data sets: name one with set=...")
        data = data.sets[model.data]
    mine, theirs = ((g.names, g.shape, g.channels, g.vocab, g.range) for g in (model.grid, data.grid))
    if mine != theirs:
        raise ValueError(
            f"the model takes samples of {model.grid.shape}, and these are of {data.grid.shape} or of another kind: "
            f"set the options of data= as they were in training"
        )
    parts = {"train": [data.train], "test": [data.test], "all": [data.train, data.test]}[split]
    found = [part for part in parts if part is not None]
    if not found:
        raise ValueError("this data set has no test part: set split=train")
    if any(isinstance(part, Stream) for part in found):
        if len(found) > 1:
            raise ValueError("a stream has no end: set split=train or split=test")
        return None, _of_stream(found[0])
    sizes = [len(part) for part in found]  # pyright: ignore[reportArgumentType]

    def read(start: int, rows: int, batch_size: int) -> Iterator[Rows]:
        before = 0
        for part, size in zip(found, sizes, strict=True):
            low, high = max(start - before, 0), min(start + rows - before, size)
            for first in range(low, high, batch_size):
                index = range(first, min(first + batch_size, high))
                yield _rows(part[index], [before + i for i in index])  # pyright: ignore
            before += size

    return sum(sizes), read


def _of_stream(stream: Any) -> Any:
    def read(start: int, rows: int, batch_size: int) -> Iterator[Rows]:
        size = max(k for k in range(1, batch_size + 1) if rows % k == 0 and start % k == 0)
        batches = stream.batches(size, seed=0, step=start // size, rank=0, world=1)
        for number, batch in enumerate(islice(batches, rows // size)):
            first = start + number * size
            yield _rows(batch, list(range(first, first + len(batch.x))))

    return read


def _rows(batch: Batch, ids: list[int]) -> Rows:
    columns: dict[str, list[Any]] = {"id": ids, "source": batch.source.tolist()}
    if batch.label is not None:
        columns["label"] = batch.label.tolist()
    return Rows(batch.x, batch.valid, columns)
