"""Embeddings with their columns, as a folder of Parquet files or as one NPZ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from torch import Tensor
from tqdm import tqdm

from ssl_pipeline.inference.files.manifest import begin_results
from ssl_pipeline.inference.files.reader import Files
from ssl_pipeline.inference.files.rows import Rows, RowSource

NOTE, PARTS = "_embed.json", "part-*.parquet"  # readers of Parquet pass by names that begin with _
_Table = dict[str, Any]
Encode = Callable[[Tensor, Tensor | None], Tensor]
"""Samples and their mask of padding to embeddings (B, D)."""


def write_table(out: Path, source: RowSource, encode: Encode, made: Mapping[str, Any], size: int) -> None:
    """Embeddings of all rows into ``out``, a folder of Parquet files or an NPZ.

    Args:
        out: the folder, or FILE.npz.
        source: of the samples.
        encode: makes the embeddings.
        made: what the embeddings depend on, see ``begin_results``.
        size: rows of a file of Parquet.

    Raises:
        ValueError: see ``write_npz`` and ``write_parquet``; no file could be read.
    """
    one, files = out.suffix == ".npz", source.source
    if one:
        write_npz(out, source, encode)
    else:
        write_parquet(out, source, encode, made, size)
    if isinstance(files, Files):
        files.check(out.parent if one else out)


def write_npz(out: Path, source: RowSource, encode: Encode) -> None:
    """One file with an array for each column.

    Raises:
        ValueError: there is no sample.
    """
    with tqdm(total=source.count, unit=" samples") as bar:
        tables = [_table(some, encode, bar) for some in source.rows()]
    if not tables and isinstance(source.source, Files):
        source.source.check(out.parent)
    if not tables:
        raise ValueError("there is no sample to embed")
    arrays: dict[str, Any] = {name: np.array(column) for name, column in _joined(tables).items()}
    np.savez(out, **arrays)


def write_parquet(out: Path, source: RowSource, encode: Encode, made: Mapping[str, Any], size: int) -> None:
    """Files of ``size`` rows, each written whole or not at all; goes on after the whole files that are there.

    Raises:
        ValueError: the folder holds other things, or something made otherwise.
    """
    begin_results(out, NOTE, made, PARTS)
    number = 0
    while (file := out / f"part-{number:05}.parquet").is_file() and pq.read_metadata(file).num_rows == size:
        number += 1
    for later in sorted(out.glob(PARTS))[number:]:
        later.unlink()
    with tqdm(total=source.count, unit=" samples", initial=number * size) as bar:
        tables = (_table(some, encode, bar) for some in source.rows(number * size))
        for i, table in enumerate(_cut(tables, size), number):
            _write(out / f"part-{i:05}.parquet", table)


def _table(some: Rows, encode: Encode, bar: Any) -> _Table:
    table = {**some.columns, "embedding": encode(some.x, some.valid).float().cpu().numpy()}
    bar.update(len(some.x))
    return table


def _cut(tables: Iterator[_Table], size: int) -> Iterator[_Table]:
    """The same rows in tables of one size; the last one may be smaller."""
    waiting: list[_Table] = []
    for table in tables:
        waiting.append(table)
        if sum(len(one["embedding"]) for one in waiting) < size:
            continue
        table = _joined(waiting)
        whole = len(table["embedding"]) // size * size
        for start in range(0, whole, size):
            yield {name: column[start : start + size] for name, column in table.items()}
        waiting = [{name: column[whole:] for name, column in table.items()}]
    if waiting and len((table := _joined(waiting))["embedding"]):
        yield table


def _joined(tables: list[_Table]) -> _Table:
    """One below the other."""
    columns = {name: [one for table in tables for one in table[name]] for name in tables[0] if name != "embedding"}
    return columns | {"embedding": np.concatenate([table["embedding"] for table in tables])}


def _write(file: Path, table: _Table) -> None:
    vectors = table["embedding"]
    columns = {name: pa.array(column) for name, column in table.items() if name != "embedding"}
    columns["embedding"] = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])
    temporary = file.with_name(f"_{file.stem}.unfinished")
    pq.write_table(pa.table(columns), temporary)
    temporary.rename(file)
