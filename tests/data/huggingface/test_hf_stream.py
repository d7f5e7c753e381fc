"""Streams of pictures."""

import warnings
from contextlib import nullcontext
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from threading import Thread

import pytest
import torch
from helpers.images import pictures

from ssl_pipeline.data import Dataset, Stream, hf, statistics, train_loader


@pytest.fixture(params=[1, 4])
def shards(request, tmp_path, class_label):
    """40 samples in one file or in four."""
    set_ = pictures(40, class_label)
    for number in range(request.param):
        set_.shard(request.param, number).to_parquet(tmp_path / f"{number}.parquet")
    return {"data_files": {"train": str(tmp_path / "*.parquet")}, "image": "picture", "size": 8, "streaming": True}


def reds(batches, n):
    """Red, which is the number of the sample, of all samples in the next ``n`` batches."""
    return torch.cat([batch.x[:, 0, 0, 0] for batch in islice(batches, n)]).tolist()


@pytest.mark.usefixtures("hub")
def test_stream(shards):
    data = hf("parquet", **shards, buffer=40)
    assert isinstance(data.train, Stream) and not isinstance(data.train, Dataset)
    assert data.test is None and data.classes == ("even", "odd")
    batch = next(data.train.batches(8, seed=0, step=2, rank=0, world=1))
    assert batch.x.shape == (8, 3, 8, 8) and batch.x.dtype == torch.uint8
    assert batch.source.tolist() == list(range(16, 24))
    assert (batch.label == batch.x[:, 0, 0, 0] % 2).all()


@pytest.mark.usefixtures("hub")
def test_stream_epochs_are_complete_and_differ(shards):
    stream = hf("parquet", **shards, buffer=40).train
    got = reds(stream.batches(8, 0, 0, 0, 1), 10)
    assert sorted(got[:40]) == sorted(got[40:]) == list(range(40))
    assert got[:40] != got[40:] and got[:40] != list(range(40))
    assert got != reds(stream.batches(8, 1, 0, 0, 1), 10)


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("step", [0, 3, 7])
def test_stream_resumes_at_any_step(shards, step):
    stream = hf("parquet", **shards).train
    whole = reds(stream.batches(8, 0, 0, 0, 1), 10)
    assert reds(stream.batches(8, 0, step, 0, 1), 3) == whole[8 * step : 8 * step + 24]


@pytest.mark.usefixtures("hub")
def test_stream_ranks_are_disjoint(shards):
    stream = hf("parquet", **shards).train
    parts = [reds(stream.batches(8, 0, 0, rank, 2), 5) for rank in (0, 1)]
    assert len(parts[0]) == 20 and sorted(parts[0] + parts[1]) == list(range(40))


@pytest.mark.usefixtures("hub")
def test_stream_from_a_server(tmp_path, class_label):
    """As from an object store: addresses of files, read through fsspec."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    for part in range(2):
        pictures(10, class_label).to_parquet(tmp_path / f"{part}.parquet")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        files = [f"http://127.0.0.1:{server.server_port}/{part}.parquet" for part in range(2)]
        stream = hf("parquet", data_files=files, image="picture", size=8, streaming=True).train
        assert stream.rows.num_shards == 2
        parts = [reds(stream.batches(10, 0, 0, rank, 2), 2) for rank in (0, 1)]
        server.shutdown()
    assert [sorted(part) for part in parts] == [list(range(10))] * 2


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(("world", "warned"), [(1, False), (2, None), (3, None), (5, True)])
def test_stream_says_when_its_shards_cannot_be_shared(shards, world, warned):
    stream = hf("parquet", **shards).train
    warned = bool(stream.rows.num_shards % world) if warned is None else warned
    expected = rf"{stream.rows.num_shards} shards for {world} processes.*multiple of {world} shards"
    with pytest.warns(UserWarning, match=expected) if warned else nullcontext():
        next(stream.batches(2 * world, 0, 0, 0, world))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        next(stream.batches(2 * world, 0, 0, world - 1, world)) if world > 1 else None


@pytest.mark.usefixtures("hub")
def test_stream_in_a_worker_process(shards):
    stream = hf("parquet", **shards).train
    loader = train_loader(stream, batch_size=8, seed=0, start=lambda: 2, workers=1)
    assert reds(iter(loader), 3) == reds(stream.batches(8, 0, 2, 0, 1), 3)


@pytest.mark.usefixtures("hub")
def test_stream_with_a_test_split(tmp_path, class_label):
    for part, n in (("train", 10), ("test", 5)):
        pictures(n, class_label).to_parquet(tmp_path / f"{part}.parquet")
    files = {part: str(tmp_path / f"{part}.parquet") for part in ("train", "test")}
    data = hf("parquet", data_files=files, image="picture", size=8, streaming=True, split={"test": "test"})
    assert data.test[range(5)].x[:, 0, 0, 0].tolist() == list(range(5))
    assert data.test.labels.tolist() == [0, 1, 0, 1, 0]
    mean, _ = statistics(data.train, data.grid, limit=10)
    assert mean[0].item() == pytest.approx(4.5 / 255)


@pytest.mark.usefixtures("hub")
def test_stream_refuses_an_empty_buffer(shards):
    with pytest.raises(ValueError, match="at least 1 sample"):
        hf("parquet", **shards, buffer=0)


@pytest.mark.usefixtures("hub")
def test_stream_of_a_saved_set(tmp_path):
    pictures(10, None).save_to_disk(tmp_path / "saved")
    stream = hf(str(tmp_path / "saved"), image="picture", size=8, streaming=True).train
    assert sorted(reds(stream.batches(5, 0, 0, 0, 1), 2)) == list(range(10))
