"""Pictures that are decoded once."""

import importlib
import os
import pickle
import platform
import time
from types import SimpleNamespace

import pytest
import torch
import torch.distributed as dist
from helpers.caches import entries
from helpers.images import check_contract, picture
from helpers.processes import in_two_processes

from ssl_pipeline.data import MappedDataset, MemoryDataset, folder

decoded_module = importlib.import_module("ssl_pipeline.data.cache.images")
once_module = importlib.import_module("ssl_pipeline.data.cache.decode_cache")


def test_mapped_folder_equals_the_one_in_memory(image_tree, tmp_path, monkeypatch):
    (image_tree / "cat" / "broken.png").write_bytes(b"not a picture")
    cache = tmp_path / "cache"
    options = {"size": 8, "split": {"holdout": 0}}
    with pytest.warns(UserWarning):
        memory = folder(str(image_tree), **options)
        mapped = folder(str(image_tree), **options, cache={"in_memory": False, "folder": str(cache)})
    check_contract(mapped)
    assert isinstance(mapped.train.dataset, MappedDataset)
    assert torch.equal(memory.train[range(20)].x, mapped.train[range(20)].x)
    copy = pickle.loads(pickle.dumps(mapped.train))  # as a worker process gets it
    assert "x" not in mapped.train.dataset.__getstate__()  # the pixels do not travel
    assert torch.equal(copy[[3, 1]].x, mapped.train[[3, 1]].x)
    assert len(entries(cache)) == 1

    def refuse(*_):
        raise AssertionError("decoded again")

    monkeypatch.setattr(decoded_module, "read_image", refuse)
    with pytest.warns(UserWarning, match=r"broken.png"):
        again = folder(str(image_tree), **options, cache={"in_memory": False, "folder": str(cache)})
    assert torch.equal(again.train[range(20)].x, memory.train[range(20)].x)
    monkeypatch.undo()
    picture("RGB", (50, 50)).save(image_tree / "cat" / "broken.png")
    assert len(folder(str(image_tree), **options, cache={"in_memory": False, "folder": str(cache)}).train) == 21


@pytest.fixture
def impatient(monkeypatch, tmp_path):
    """Decoding always takes too long to be done again; the folder of the files that are kept therefore."""
    monkeypatch.setattr(once_module, "PATIENCE", -1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "ssl_pipeline"


def test_what_decodes_quickly_needs_no_file(image_tree, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert type(folder(str(image_tree), size=8, split={"holdout": 0}).train) is MemoryDataset
    assert not (tmp_path / "ssl_pipeline").exists()


def test_what_takes_its_time_is_decoded_once(image_tree, impatient, monkeypatch):
    monkeypatch.setattr(decoded_module, "_CHUNK", 3)
    first = folder(str(image_tree), size=8, split={"holdout": 0}, cache={"workers": 2})
    assert isinstance(first.train, MappedDataset) and len(entries(impatient)) == 1
    memory = folder(str(image_tree), size=8, split={"holdout": 0}, cache={"in_memory": True})
    assert type(memory.train) is MemoryDataset
    assert torch.equal(first.train.x, memory.train.x) and first.train.paths == memory.train.paths
    with monkeypatch.context() as patch:
        patch.setattr(decoded_module, "read_image", lambda *_: pytest.fail("decoded again"))
        again = folder(str(image_tree), size=8, split={"holdout": 0})
        assert torch.equal(again.train.x, first.train.x)
    picture("L", (30, 30)).save(image_tree / "cat" / "0.png")
    changed = folder(str(image_tree), size=8, split={"holdout": 0}).train
    assert (changed.x[0] == 90).all() and torch.equal(changed.x[1:], first.train.x[1:])
    assert len(entries(impatient)) == 2


def test_without_a_cache_auto_goes_on_in_memory(image_tree, impatient, monkeypatch):
    impatient.write_text("a file where the folder should be")
    with pytest.warns(
        UserWarning, match=r"cannot be kept in '.*ssl_pipeline' \(.+\), so every start decodes anew: set cache"
    ):
        data = folder(str(image_tree), size=8, split={"holdout": 0})
    assert type(data.train) is MemoryDataset and len(data.train) == 20
    with pytest.raises(OSError, match=r"cannot be kept .*: set cache.folder to .* or set cache.in_memory=true"):
        folder(str(image_tree), size=8, cache={"in_memory": False})
    monkeypatch.setattr(once_module, "MEMORY_LIMIT", 20 * 3 * 8 * 8)
    with pytest.raises(OSError, match=r"set cache\.in_memory=true"):
        folder(str(image_tree), size=8, split={"holdout": 0})


def test_full_disk_is_noticed_before(image_tree, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(OSError, match=r"0\.0 GB are needed, 0\.0 GB are left.*set cache"):
        folder(str(image_tree), size=8, cache={"in_memory": False, "folder": str(tmp_path / "cache")})
    assert not entries(tmp_path / "cache")


def decode_and_count(rank, queue, image_tree, cache):
    read, numbers = decoded_module.read_image, []

    def counted(*arguments):
        numbers.append(arguments)
        time.sleep(0.02)  # so that the other process comes while this one decodes
        return read(*arguments)

    decoded_module.read_image = counted
    dist.barrier()
    data = folder(image_tree, size=8, split={"holdout": 0}, cache={"in_memory": False, "folder": cache})
    queue.put((rank, len(numbers), data.train.x.sum().item()))


@pytest.mark.slow
def test_two_processes_at_once_decode_once(image_tree, tmp_path):
    (_, here, a), (_, there, b) = in_two_processes(decode_and_count, str(image_tree), str(tmp_path / "cache"))
    assert sorted([here, there]) == [0, 20] and a == b > 0


def test_what_a_killed_process_left_is_removed(image_tree, tmp_path):
    cache = tmp_path / "cache"
    folder(str(image_tree), size=8, cache={"in_memory": False, "folder": str(cache)})
    (whole,) = entries(cache)
    left = cache / f".unfinished-{whole.name}-{platform.node()}"
    os.rename(whole, left)
    (left / "x.npy").write_bytes(b"half of it")
    assert (
        len(
            folder(
                str(image_tree), size=8, split={"holdout": 0}, cache={"in_memory": False, "folder": str(cache)}
            ).train
        )
        == 20
    )
    assert entries(cache) == [whole]
