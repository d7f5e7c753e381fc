import gzip
import importlib
import inspect
import os
import pickle
import platform
import shutil
import subprocess
import sys
import time
import warnings
from contextlib import nullcontext
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.distributed as dist
import yaml
from helpers.caches import entries
from helpers.paths import CONF
from helpers.processes import in_two_processes
from PIL import Image

from ssl_pipeline.data import (
    Dataset,
    MappedDataset,
    MemoryDataset,
    Stream,
    Subset,
    cifar10,
    digits,
    fashion_mnist,
    folder,
    hf,
    holdout,
    statistics,
    train_loader,
)
from ssl_pipeline.data.codecs.image import to_pixels
from ssl_pipeline.data.named.fashion_mnist import read_idx
from ssl_pipeline.structures.batch import as_float
from ssl_pipeline.structures.grid import GridSpec

# `ssl_pipeline.data.cifar10` is the function; its module goes by this way.
cifar10_module = importlib.import_module("ssl_pipeline.data.named.cifar10")
decoded_module = importlib.import_module("ssl_pipeline.data.cache.images")
once_module = importlib.import_module("ssl_pipeline.data.cache.decode_cache")
DEBIAN = Path("/usr/share/datasets/fashion-mnist")


def check_contract(data):
    """What the engine relies on, for either part of any set."""
    for part in (data.train, data.test):
        if part is None:
            continue
        assert isinstance(part, Dataset) and not isinstance(part, Stream)
        n = len(part)
        for index in ([n - 1, 0], torch.tensor([n - 1, 0])):
            batch = part[index]
            assert batch.x.dtype == torch.uint8
            assert batch.x.shape == (2, data.grid.channels, *data.grid.shape)
            assert batch.source.dtype == torch.int64 and batch.source.shape == (2,)
            assert torch.equal(batch.x[1:], part[[0]].x)
            if data.classes is None:
                assert part.labels is None and batch.label is None
            else:
                assert part.labels.dtype == torch.int64 and part.labels.shape == (n,)
                assert part.labels.min() >= 0 and part.labels.max() < len(data.classes)
                assert torch.equal(batch.label, part.labels[[n - 1, 0]])
    assert data.grid.names == ("y", "x") and data.grid.range == (0, 1)


# ---------------------------------------------------------------- data.py, memory.py


def test_holdout_is_disjoint_complete_and_seeded():
    dataset = MemoryDataset(torch.zeros(100, 1, 2, 2), labels=torch.arange(100))
    train, test = holdout(dataset, 0.25, seed=1)
    assert (len(train), len(test)) == (75, 25)
    assert sorted([*train.labels.tolist(), *test.labels.tolist()]) == list(range(100))
    assert train[range(75)].source.tolist() == train.labels.tolist()
    assert holdout(dataset, 0.25, seed=1)[1].labels.tolist() == test.labels.tolist()
    assert holdout(dataset, 0.25, seed=2)[1].labels.tolist() != test.labels.tolist()
    assert holdout(dataset, 0) == (dataset, None)


@pytest.mark.parametrize(
    ("n", "fraction", "words"), [(10, 1.0, "from 0 up to"), (10, -0.1, "from 0"), (1, 0.1, "cannot be split")]
)
def test_holdout_refuses(n, fraction, words):
    with pytest.raises(ValueError, match=words):
        holdout(MemoryDataset(torch.zeros(n, 1)), fraction)


def test_subset_of_a_subset():
    dataset = MemoryDataset(torch.arange(10), labels=torch.arange(10) * 2)
    inner = Subset(Subset(dataset, [9, 7, 5, 3]), torch.tensor([3, 0]))
    assert inner.labels.tolist() == inner[[0, 1]].label.tolist() == [6, 18]
    assert inner[[1]].source.tolist() == [9]


def test_memory_dataset_takes_any_modality():
    text = MemoryDataset(torch.arange(12).view(3, 4), source=torch.tensor([7, 7, 8]), valid=torch.ones(3, 4).bool())
    batch = text[[2, 0]]
    assert batch.x.tolist() == [[8, 9, 10, 11], [0, 1, 2, 3]]
    assert batch.source.tolist() == [8, 7] and batch.valid.shape == (2, 4) and batch.label is None
    with pytest.raises(ValueError, match="labels for each of the 3 samples, got 2"):
        MemoryDataset(torch.zeros(3, 4), labels=torch.zeros(2).long())


def test_statistics_follow_the_grid():
    pixels = np.random.default_rng(0).integers(0, 256, (300, 3, 4, 5), dtype=np.uint8)
    pixels[:, 2] = 51
    grid = GridSpec.of(("y", 4), ("x", 5), channels=3, range=(-1.0, 1.0))
    mean, std = statistics(MemoryDataset(torch.from_numpy(pixels)), grid)
    floats = pixels / 255 * 2 - 1
    assert mean.dtype == torch.float32
    np.testing.assert_allclose(mean, floats.mean((0, 2, 3)), atol=1e-6)
    np.testing.assert_allclose(std[:2], floats.std((0, 2, 3))[:2], atol=1e-6)
    assert std[2] == pytest.approx(1e-3)


def test_statistics_read_no_more_than_the_limit_and_from_everywhere():
    x = torch.arange(1000).float().view(1000, 1, 1)
    mean, _ = statistics(MemoryDataset(x), GridSpec.of(("t", 1), channels=1), limit=11)
    assert mean.item() == pytest.approx(499.5, abs=1)


def test_statistics_leave_padding_out():
    x, valid = torch.tensor([[[1.0, 3.0, 99.0]]]), torch.tensor([[True, True, False]])
    mean, std = statistics(MemoryDataset(x, valid=valid), GridSpec.of(("t", 3), channels=1))
    assert (mean.item(), std.item()) == (2, 1)


def test_statistics_of_symbols_are_refused():
    with pytest.raises(ValueError, match="vocabulary of 9"):
        statistics(MemoryDataset(torch.zeros(2, 3).long()), GridSpec.of(("i", 3), vocab=9))


def test_as_float_leaves_symbols_and_floats():
    x = torch.tensor([[1, 2]])
    assert as_float(x, GridSpec.of(("i", 2), vocab=9)) is x
    wave = torch.randn(2, 1, 8, dtype=torch.float64)
    assert torch.equal(as_float(wave, GridSpec.of(("t", 8), channels=1, range=(-1.0, 1.0))), wave.float())
    bytes_ = torch.tensor([[0, 128, 255]], dtype=torch.uint8)
    assert as_float(bytes_, GridSpec.of(("t", 1), channels=3)).tolist() == [[0, pytest.approx(128 / 255), 1]]
    assert bytes_.tolist() == [[0, 128, 255]]


# ---------------------------------------------------------------- digits, Fashion-MNIST, CIFAR-10


def test_digits():
    data = digits()
    check_contract(data)
    assert (len(data.train), len(data.test)) == (1437, 360)
    assert data.train[range(1437)].x.max() == 255
    assert torch.bincount(data.test.labels).min() >= 30  # all classes, about equally
    assert data.test[[0]].source.tolist() == [1437]


def write_idx(file, array, packed):
    content = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">u4").tobytes() + array.tobytes()
    if packed:
        Path(f"{file}.gz").write_bytes(gzip.compress(content))
    else:
        Path(file).write_bytes(content)


def write_fashion(place, packed=False):
    rng = np.random.default_rng(0)
    place.mkdir(parents=True, exist_ok=True)
    for part, n in (("train", 20), ("t10k", 10)):
        write_idx(place / f"{part}-images-idx3-ubyte", rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), packed)
        write_idx(place / f"{part}-labels-idx1-ubyte", np.arange(n, dtype=np.uint8) % 10, packed)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("place", [".", "FashionMNIST/raw", "fashion-mnist"])
def test_fashion_mnist_is_found(tmp_path, place, packed):
    write_fashion(tmp_path / place, packed)
    data = fashion_mnist(str(tmp_path), download=False)
    check_contract(data)
    assert (len(data.train), len(data.test)) == (20, 10)
    assert data.train.labels.tolist() == [*range(10), *range(10)]
    expected = np.random.default_rng(0).integers(0, 256, (20, 28, 28), dtype=np.uint8)
    np.testing.assert_array_equal(data.train[range(20)].x[:, 0], expected)


def test_mnist_is_not_taken_for_fashion_mnist(tmp_path):
    write_fashion(tmp_path / "MNIST" / "raw")
    with pytest.raises(FileNotFoundError, match=r"train-images-idx3-ubyte.*download=true"):
        fashion_mnist(str(tmp_path), download=False)


def test_failed_download_says_what_to_do(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("no network")

    monkeypatch.setattr("torchvision.datasets.utils.download_url", fail)
    monkeypatch.setattr("torchvision.datasets.utils.download_and_extract_archive", fail)
    with pytest.raises(OSError, match=r"Fashion-MNIST.*no network.*set root"):
        fashion_mnist(str(tmp_path / "a"))
    with pytest.raises(OSError, match=r"CIFAR-10.*no network.*set root"):
        cifar10(str(tmp_path / "b"))
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_cifar10_download_lands_whole(cifar, monkeypatch):
    def fetch(url, root, md5):
        shutil.copytree(cifar, Path(root, cifar.name))

    monkeypatch.setattr("torchvision.datasets.utils.download_and_extract_archive", fetch)
    root = cifar.parent / "data"
    (root / cifar.name).mkdir(parents=True)
    (root / cifar.name / "test_batch.bin").touch()  # an earlier try
    assert len(cifar10(str(root)).train) == 100
    assert [path.name for path in root.iterdir()] == [cifar.name]


def test_download_lands_whole(tmp_path, monkeypatch):
    write_fashion(tmp_path / "server", packed=True)

    def fetch(url, root, filename, md5):
        assert len(md5) == 32
        Path(root, filename).write_bytes((tmp_path / "server" / filename).read_bytes())

    monkeypatch.setattr("torchvision.datasets.utils.download_url", fetch)
    root = tmp_path / "data"
    assert len(fashion_mnist(str(root)).train) == 20
    assert len(list((root / "FashionMNIST" / "raw").iterdir())) == 4
    assert len(fashion_mnist(str(root), download=False).test) == 10


@pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")
def test_fashion_mnist_of_debian():
    data = fashion_mnist(str(DEBIAN.parent), download=False)
    check_contract(data)
    assert torch.bincount(data.train.labels).tolist() == [6000] * 10
    assert torch.bincount(data.test.labels).tolist() == [1000] * 10
    mean, std = statistics(data.train, data.grid)
    assert mean.item() == pytest.approx(0.2860, abs=0.01) and std.item() == pytest.approx(0.3530, abs=0.01)


@pytest.mark.parametrize("packed", [False, True])
def test_idx_round_trip(tmp_path, packed):
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    write_idx(tmp_path / "a", array, packed)
    np.testing.assert_array_equal(read_idx(tmp_path / ("a.gz" if packed else "a")), array)


@pytest.mark.parametrize(
    ("name", "spoil", "words"),
    [
        ("a", lambda c: c[:-1], "expected 40 bytes .* got 39"),
        ("a", lambda c: c + b"x", "expected 40 bytes .* got 41"),
        ("a", lambda c: c[:9], "is damaged"),
        ("a", lambda c: b"", "no idx file"),
        ("a", lambda c: b"\x00\x00\x0d" + c[3:], "begin with 00 00 08, got 00 00 0d"),
        ("a", lambda c: b"\x89PNG" + c, "no idx file"),
        ("a", lambda c: c[:4] + b"\xff" * 12 + c[16:], "is damaged"),
        ("a.gz", lambda c: gzip.compress(c)[:-9], "is damaged"),
        ("a.gz", lambda c: c, "is damaged"),
        ("a.gz", lambda c: gzip.compress(c[:-3]), "expected 40 bytes"),
    ],
)
def test_damaged_idx(tmp_path, name, spoil, words):
    write_idx(tmp_path / "good", np.zeros((2, 3, 4), dtype=np.uint8), packed=False)
    (tmp_path / name).write_bytes(spoil((tmp_path / "good").read_bytes()))
    with pytest.raises(ValueError, match=words):
        read_idx(tmp_path / name)


def test_fashion_mnist_of_unequal_parts(tmp_path):
    write_fashion(tmp_path)
    write_idx(tmp_path / "train-labels-idx1-ubyte", np.zeros(19, dtype=np.uint8), packed=False)
    with pytest.raises(ValueError, match="with labels"):
        fashion_mnist(str(tmp_path), download=False)


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    monkeypatch.setattr(cifar10_module, "RECORDS", 20)
    place = tmp_path / "cifar-10-batches-bin"
    place.mkdir()
    for number, name in enumerate((*cifar10_module.TRAIN, *cifar10_module.TEST)):
        records = np.full((20, 3073), number, dtype=np.uint8)
        records[:, 0] = np.arange(20) % 10
        records[:, 1 + 1024 : 1 + 2048] = 200  # green
        records[:, 1 + 31] = 77  # red, end of the first line
        (place / name).write_bytes(records.tobytes())
    return place


def test_cifar10(cifar):
    for root in (cifar, cifar.parent):
        data = cifar10(str(root), download=False)
        check_contract(data)
        assert (len(data.train), len(data.test)) == (100, 20)
    x = data.train[[45]].x[0]
    assert (x[1] == 200).all() and (x[2] == 2).all()
    assert x[0, 0, 31] == 77 and x[0, 1, 0] == 2
    assert data.train.labels[45] == 5


def test_damaged_or_missing_cifar10(cifar):
    file = cifar / "data_batch_3.bin"
    file.write_bytes(file.read_bytes()[:-3073])
    with pytest.raises(ValueError, match=r"data_batch_3.bin is damaged: expected 61,460 bytes, got 58,387"):
        cifar10(str(cifar), download=False)
    file.unlink()
    with pytest.raises(FileNotFoundError, match="pickled version is not read"):
        cifar10(str(cifar), download=False)


# ---------------------------------------------------------------- image.py, folder


def picture(mode, size=(40, 30)):
    value = {"L": 90, "RGB": (200, 10, 10), "RGBA": (200, 10, 10, 255), "P": 3, "1": 1, "CMYK": (0, 0, 0, 0)}
    return Image.new(mode, size, value.get(mode, 0))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "LA", "CMYK", "I;16"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(40, 30), (3, 50), (8, 8)])
def test_every_mode_becomes_the_same_kind_of_square(mode, channels, size):
    pixels = to_pixels(picture(mode, size), 8, channels)
    assert pixels.shape == (channels, 8, 8) and pixels.dtype == np.uint8


def test_pixels_keep_their_meaning():
    assert to_pixels(picture("L"), 8, 3).flatten().tolist() == [90] * 192
    assert to_pixels(picture("RGB"), 8, 3)[:, 0, 0].tolist() == [200, 10, 10]
    assert (to_pixels(Image.new("RGBA", (9, 9), (0, 0, 0, 0)), 8, 3) == 255).all()  # transparent: white
    deep = Image.fromarray(np.full((9, 9), 0x80FF, dtype=np.uint16))
    assert to_pixels(deep, 8, 1)[0, 0, 0] == 0x80
    with pytest.raises(ValueError, match="floats without a fixed range"):
        to_pixels(Image.new("F", (9, 9)), 8, 1)


def test_the_centre_is_kept():
    wide = np.zeros((8, 24), dtype=np.uint8)
    wide[:, 8:16] = np.arange(8) * 30
    np.testing.assert_array_equal(to_pixels(Image.fromarray(wide), 8, 1)[0], wide[:, 8:16])


def test_photographs_are_turned_upright(tmp_path):
    half = np.zeros((16, 16), dtype=np.uint8)
    half[:8] = 255  # bright above
    exif = Image.Exif()
    exif[0x0112] = 3  # stored upside down
    Image.fromarray(half).save(tmp_path / "a.png", exif=exif)
    x = folder(str(tmp_path), size=16, channels=1, holdout=0).train[[0]].x[0, 0]
    assert (x[0] == 0).all() and (x[-1] == 255).all()


@pytest.fixture
def tree(tmp_path):
    """Two classes of ten images in many forms."""
    forms = [("png", "RGB"), ("png", "L"), ("png", "RGBA"), ("png", "P"), ("gif", "P"), ("jpg", "RGB"), ("jpeg", "L")]
    forms += [("bmp", "RGB"), ("tif", "RGB"), ("webp", "RGB")]
    for name in ("cat", "dog"):
        (tmp_path / "images" / name / "deep").mkdir(parents=True)
        for number, (ending, mode) in enumerate(forms):
            place = tmp_path / "images" / name / ("deep" if number % 2 else ".")
            picture(mode, (20 + number, 30)).save(place / f"{number}.{ending}")
    (tmp_path / "images" / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "images" / "cat" / "._0.png").write_text("no image either")
    return tmp_path / "images"


def test_folder_with_classes(tree):
    data = folder(str(tree), size=16, holdout=0.2)
    check_contract(data)
    assert data.classes == ("cat", "dog") and data.name == "images"
    assert (len(data.train), len(data.test)) == (16, 4)
    for part in (data.train, data.test):
        for source, label in zip(part[range(len(part))].source.tolist(), part.labels.tolist(), strict=True):
            assert f"/{data.classes[label]}/" in part.dataset.paths[source]


def test_folder_labels_by_choice(tree):
    assert folder(str(tree), size=8, labels=False).classes is None
    picture("RGB").save(tree / "stray.png")
    data = folder(str(tree), size=8, channels=1)
    check_contract(data)
    assert data.classes is None
    with pytest.raises(ValueError, match=r"no class folders.*labels=false"):
        folder(str(tree), size=8, labels=True)


def test_flat_folder(tmp_path):
    for number in range(5):
        Image.new("L", (9, 9), number * 10).save(tmp_path / f"{number}.png")
    data = folder(str(tmp_path), size=8, channels=1, holdout=0)
    check_contract(data)
    assert data.classes is None and data.test is None
    assert data.train[[4, 0, 2]].x[:, 0, 0, 0].tolist() == [40, 0, 20]


@pytest.mark.parametrize("test", ["test", "val"])
def test_train_and_test_folders(tree, test):
    root = tree.parent / "set"
    root.mkdir()
    os.rename(tree, root / "train")
    (root / test / "dog").mkdir(parents=True)
    picture("RGB").save(root / test / "dog" / "0.png")
    picture("RGB").save(root / test / "dog" / "1.png")
    data = folder(str(root), size=8)
    check_contract(data)
    assert (len(data.train), len(data.test)) == (20, 2)
    assert data.test.labels.tolist() == [1, 1]
    os.rename(root / test / "dog", root / test / "cow")
    assert folder(str(root), size=8).classes is None


def test_train_can_be_a_class(tmp_path):
    for name in ("car", "train"):
        (tmp_path / name).mkdir()
        for number in range(3):
            picture("RGB").save(tmp_path / name / f"{number}.png")
    assert folder(str(tmp_path), size=8).classes == ("car", "train")


def test_links_are_followed_but_not_in_circles(tree):
    (tree / "cat" / "up").symlink_to(tree)
    os.rename(tree / "dog", tree.parent / "elsewhere")
    (tree / "dog").symlink_to(tree.parent / "elsewhere")
    assert len(folder(str(tree), size=8, holdout=0).train) == 20


def test_unreadable_files_are_named_and_left_out(tree):
    (tree / "cat" / "broken.png").write_bytes(b"not a picture")
    with pytest.warns(UserWarning, match=r"1 of 21 images cannot be read: .*cat/broken.png"):
        data = folder(str(tree), size=8, holdout=0)
    check_contract(data)
    assert len(data.train) == 20
    assert data.train.labels.tolist() == [0] * 10 + [1] * 10
    broken = [str(tree / "cat" / "broken.png")]
    sources = data.train[range(20)].source.tolist()
    assert [p for i, p in enumerate(data.train.dataset.paths) if i not in sources] == broken
    with pytest.raises(ValueError, match=r"broken.png"):
        folder(str(tree), size=8, unreadable="error")


def test_too_many_unreadable_files(tree):
    whole = (tree / "cat" / "deep" / "5.jpg").read_bytes()
    (tree / "cat" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tree / "cat" / "empty.png").touch()
    with pytest.raises(ValueError, match=r"2 of 22 images.*cut.jpg.*empty.png.*max_unreadable"):
        folder(str(tree), size=8)
    with pytest.warns(UserWarning):
        assert len(folder(str(tree), size=8, holdout=0, max_unreadable=0.1).train) == 20


def test_folders_that_hold_nothing(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        folder(str(tmp_path / "missing"))
    with pytest.raises(FileNotFoundError, match="there is no image in"):
        folder(str(tmp_path))
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(NotADirectoryError, match="got the file"):
        folder(str(tmp_path / "a.png"))
    with pytest.raises(ValueError, match=r"1 of 1 images cannot be read.*intact"):
        folder(str(tmp_path), max_unreadable=1.0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"channels": 2}, "channels=1"),
        ({"unreadable": "ignore"}, "unreadable=skip"),
        ({"labels": "yes"}, "labels"),
        ({"in_memory": "maybe"}, "in_memory"),
    ],
)
def test_folder_options_are_checked(tree, options, words):
    with pytest.raises(ValueError, match=words):
        folder(str(tree), **options)


def test_mapped_folder_equals_the_one_in_memory(tree, tmp_path, monkeypatch):
    (tree / "cat" / "broken.png").write_bytes(b"not a picture")
    cache = tmp_path / "cache"
    options = {"size": 8, "holdout": 0}
    with pytest.warns(UserWarning):
        memory = folder(str(tree), **options)
        mapped = folder(str(tree), **options, in_memory=False, cache=str(cache))
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
        again = folder(str(tree), **options, in_memory=False, cache=str(cache))
    assert torch.equal(again.train[range(20)].x, memory.train[range(20)].x)
    monkeypatch.undo()
    picture("RGB", (50, 50)).save(tree / "cat" / "broken.png")
    assert len(folder(str(tree), **options, in_memory=False, cache=str(cache)).train) == 21


@pytest.fixture
def impatient(monkeypatch, tmp_path):
    """Decoding always takes too long to be done again; the folder of the files that are kept therefore."""
    monkeypatch.setattr(once_module, "PATIENCE", -1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "ssl_pipeline"


def test_what_decodes_quickly_needs_no_file(tree, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert type(folder(str(tree), size=8, holdout=0).train) is MemoryDataset
    assert not (tmp_path / "ssl_pipeline").exists()


def test_what_takes_its_time_is_decoded_once(tree, impatient, monkeypatch):
    monkeypatch.setattr(decoded_module, "CHUNK", 3)
    first = folder(str(tree), size=8, holdout=0, workers=2)
    assert isinstance(first.train, MappedDataset) and len(entries(impatient)) == 1
    memory = folder(str(tree), size=8, holdout=0, in_memory=True)
    assert type(memory.train) is MemoryDataset
    assert torch.equal(first.train.x, memory.train.x) and first.train.paths == memory.train.paths
    with monkeypatch.context() as patch:
        patch.setattr(decoded_module, "read_image", lambda *_: pytest.fail("decoded again"))
        again = folder(str(tree), size=8, holdout=0)
        assert torch.equal(again.train.x, first.train.x)
    picture("L", (30, 30)).save(tree / "cat" / "0.png")
    changed = folder(str(tree), size=8, holdout=0).train
    assert (changed.x[0] == 90).all() and torch.equal(changed.x[1:], first.train.x[1:])
    assert len(entries(impatient)) == 2


def test_without_a_cache_auto_goes_on_in_memory(tree, impatient, monkeypatch):
    impatient.write_text("a file where the folder should be")
    with pytest.warns(
        UserWarning, match=r"cannot be kept in '.*ssl_pipeline' \(.+\), so every start decodes anew: set cache"
    ):
        data = folder(str(tree), size=8, holdout=0)
    assert type(data.train) is MemoryDataset and len(data.train) == 20
    with pytest.raises(OSError, match=r"cannot be kept .*: set cache to .* or set in_memory=true"):
        folder(str(tree), size=8, in_memory=False)
    monkeypatch.setattr(once_module, "MEMORY_LIMIT", 20 * 3 * 8 * 8)
    with pytest.raises(OSError, match="set in_memory=true"):
        folder(str(tree), size=8, holdout=0)


def test_full_disk_is_noticed_before(tree, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(OSError, match=r"0\.0 GB are needed, 0\.0 GB are left.*set cache"):
        folder(str(tree), size=8, in_memory=False, cache=str(tmp_path / "cache"))
    assert not entries(tmp_path / "cache")


def decode_and_count(rank, queue, tree, cache):
    read, numbers = decoded_module.read_image, []

    def counted(*arguments):
        numbers.append(arguments)
        time.sleep(0.02)  # so that the other process comes while this one decodes
        return read(*arguments)

    decoded_module.read_image = counted
    dist.barrier()
    data = folder(tree, size=8, holdout=0, in_memory=False, cache=cache)
    queue.put((rank, len(numbers), data.train.x.sum().item()))


def test_two_processes_at_once_decode_once(tree, tmp_path):
    (_, here, a), (_, there, b) = in_two_processes(decode_and_count, str(tree), str(tmp_path / "cache"))
    assert sorted([here, there]) == [0, 20] and a == b > 0


def test_what_a_killed_process_left_is_removed(tree, tmp_path):
    cache = tmp_path / "cache"
    folder(str(tree), size=8, in_memory=False, cache=str(cache))
    (whole,) = entries(cache)
    left = cache / f".unfinished-{whole.name}-{platform.node()}"
    os.rename(whole, left)
    (left / "x.npy").write_bytes(b"half of it")
    assert len(folder(str(tree), size=8, holdout=0, in_memory=False, cache=str(cache)).train) == 20
    assert entries(cache) == [whole]


# ---------------------------------------------------------------- hf


@pytest.fixture
def hub(tmp_path_factory, monkeypatch):
    """The library with an empty cache and without a network."""
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def pictures(n, labels):
    import datasets

    features = {"picture": datasets.Image()}
    columns = {"picture": [Image.new("RGB", (12, 10), (number, 0, 0)) for number in range(n)]}
    if isinstance(labels, datasets.ClassLabel):
        columns["label"], features["label"] = [number % 2 for number in range(n)], labels
    elif labels is not None:
        columns["label"], features["label"] = labels, datasets.Value("string" if labels[0] in "ab" else "int64")
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


@pytest.fixture
def class_label():
    import datasets

    return datasets.ClassLabel(names=["even", "odd"])


@pytest.mark.usefixtures("hub")
def test_hf_parquet(tmp_path, class_label):
    pictures(30, class_label).to_parquet(tmp_path / "a.parquet")
    data = hf("parquet", data_files=str(tmp_path / "a.parquet"), image="picture", size=8)
    check_contract(data)
    assert data.classes == ("even", "odd") and (len(data.train), len(data.test)) == (27, 3)
    batch = data.train[[5, 2]]
    assert batch.x[:, 0, 0, 0].tolist() == batch.source.tolist()
    assert (batch.label == batch.source % 2).all()


@pytest.mark.usefixtures("hub")
def test_hf_save_to_disk_with_splits(tmp_path, class_label):
    import datasets

    parts = datasets.DatasetDict({"train": pictures(20, class_label), "dev": pictures(6, class_label)})
    parts.save_to_disk(tmp_path / "saved")
    data = hf(str(tmp_path / "saved"), image="picture", test_split="dev", size=8, channels=1)
    check_contract(data)
    assert (len(data.train), len(data.test), data.name) == (20, 6, "saved")
    with pytest.raises(ValueError, match="no split 'test': its splits are train, dev"):
        hf(str(tmp_path / "saved"), image="picture", test_split="test")


@pytest.mark.usefixtures("hub")
def test_hf_save_to_disk_without_splits(tmp_path):
    pictures(20, None).save_to_disk(tmp_path / "saved")
    data = hf(str(tmp_path / "saved"), image="picture", size=8)
    check_contract(data)
    assert data.classes is None
    with pytest.raises(ValueError, match="without splits"):
        hf(str(tmp_path / "saved"), image="picture", test_split="test")


@pytest.mark.usefixtures("hub")
def test_hf_image_folder(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        for number in range(4):
            picture("RGB").save(tmp_path / name / f"{number}.png")
    data = hf(str(tmp_path), size=8, holdout=0)
    check_contract(data)
    assert data.classes == ("cat", "dog") and len(data.train) == 8 and data.test is None


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize(
    ("labels", "classes", "numbers"),
    [("bab", ("a", "b"), [1, 0, 1]), ([7, 3, 10], ("3", "7", "10"), [1, 0, 2])],
)
def test_hf_labels_of_other_kinds(tmp_path, labels, classes, numbers):
    labels = list(labels)
    if isinstance(labels[0], str):
        pictures(3, labels).save_to_disk(tmp_path / "saved")
    else:
        pictures(3, None).add_column("label", labels).save_to_disk(tmp_path / "saved")
    data = hf(str(tmp_path / "saved"), image="picture", size=8, holdout=0)
    check_contract(data)
    assert data.classes == classes and data.train.labels.tolist() == numbers


@pytest.mark.usefixtures("hub")
def test_hf_labels_that_are_missing_or_unusable(tmp_path):
    set_ = pictures(3, None)
    set_ = set_.add_column("label", ["a", None, "b"]).add_column("score", [0.5, 1.5, 2.5])
    set_.save_to_disk(tmp_path / "saved")
    assert hf(str(tmp_path / "saved"), image="picture", holdout=0).classes is None
    assert hf(str(tmp_path / "saved"), image="picture", label=None, holdout=0).classes is None
    with pytest.raises(ValueError, match=r"'score'.*set label to another column"):
        hf(str(tmp_path / "saved"), image="picture", label="score")


@pytest.mark.usefixtures("hub")
def test_hf_test_labels_unknown_to_training(tmp_path):
    import datasets

    parts = {"train": pictures(2, ["a", "b"]), "test": pictures(1, ["a"])}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "saved")
    data = hf(str(tmp_path / "saved"), image="picture", test_split="test", size=8)
    assert data.test.labels.tolist() == [0]
    parts = {"train": pictures(1, ["b"]), "test": pictures(1, ["a"])}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "other")
    with pytest.raises(ValueError, match="training part lacks: a"):
        hf(str(tmp_path / "other"), image="picture", test_split="test")


@pytest.mark.usefixtures("hub")
def test_hf_names_the_columns(tmp_path, class_label):
    pictures(4, class_label).to_parquet(tmp_path / "a.parquet")
    files = str(tmp_path / "a.parquet")
    for streaming in (False, True):
        with pytest.raises(ValueError, match="no column 'image': set image to one of picture, label"):
            hf("parquet", data_files=files, streaming=streaming)
        with pytest.raises(ValueError, match="no column 'klass': set label to one of picture, label"):
            hf("parquet", data_files=files, image="picture", label="klass", streaming=streaming)
    data = hf("parquet", data_files=files, image="label", label=None, holdout=0)
    with pytest.raises(ValueError, match="sample 1 is no readable image"):
        data.train[[1]]


@pytest.mark.usefixtures("hub")
def test_hf_that_is_not_there(tmp_path):
    with pytest.raises(OSError, match="cannot be loaded"):
        hf(str(tmp_path / "missing"))
    with pytest.raises(OSError, match="cannot be loaded"):
        hf("parquet", data_files=str(tmp_path / "missing.parquet"))


@pytest.mark.usefixtures("hub")
def test_hf_takes_the_lists_of_hydra(tmp_path):
    from omegaconf import OmegaConf

    pictures(4, None).to_parquet(tmp_path / "a.parquet")
    for files in ([str(tmp_path / "a.parquet")], {"train": [str(tmp_path / "a.parquet")]}):
        data = hf("parquet", data_files=OmegaConf.create(files), image="picture", size=8, holdout=0)
        assert len(data.train) == 4


@pytest.mark.usefixtures("hub")
def test_hf_refuses_pickle():
    with pytest.raises(ValueError, match="parquet"):
        hf("pandas", data_files="a.pkl")


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
    data = hf("parquet", data_files=files, image="picture", size=8, streaming=True, test_split="test")
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


# ---------------------------------------------------------------- the package as a whole


@pytest.mark.parametrize("function", [digits, fashion_mnist, cifar10, folder, hf])
def test_yaml_spells_every_option_with_its_default(function):
    text = (CONF / "data" / f"{function.__name__}.yaml").read_text()
    options = yaml.safe_load(text)
    assert text.startswith("# @package data\n")
    assert options.pop("_target_") == f"ssl_pipeline.data.{function.__name__}"
    parameters = inspect.signature(function).parameters.values()
    assert options == {p.name: "???" if p.default is p.empty else p.default for p in parameters}


def test_the_package_stays_light():
    code = (
        "import sys, ssl_pipeline.data\n"
        "print([name for name in ('datasets', 'lightning', 'hydra', 'sklearn', 'torchvision') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
