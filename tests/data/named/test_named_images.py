"""Digits, Fashion-MNIST and CIFAR-10."""

import gzip
import importlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.images import check_contract

from ssl_pipeline.data import cifar10, digits, fashion_mnist, statistics
from ssl_pipeline.data.named.fashion_mnist import read_idx

# `ssl_pipeline.data.cifar10` is the function; its module goes by this way.
cifar10_module = importlib.import_module("ssl_pipeline.data.named.cifar10")


DEBIAN = Path("/usr/share/datasets/fashion-mnist")


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
    with pytest.raises(OSError, match=r"Fashion-MNIST.*no network.*set data.root"):
        fashion_mnist(str(tmp_path / "a"))
    with pytest.raises(OSError, match=r"CIFAR-10.*no network.*set data.root"):
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
        ("a", lambda c: c[:9], "is corrupt"),
        ("a", lambda c: b"", "no idx file"),
        ("a", lambda c: b"\x00\x00\x0d" + c[3:], "begin with 00 00 08, got 00 00 0d"),
        ("a", lambda c: b"\x89PNG" + c, "no idx file"),
        ("a", lambda c: c[:4] + b"\xff" * 12 + c[16:], "is corrupt"),
        ("a.gz", lambda c: gzip.compress(c)[:-9], "is corrupt"),
        ("a.gz", lambda c: c, "is corrupt"),
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
    for number, name in enumerate((*cifar10_module.TRAIN, *cifar10_module._TEST)):
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
    with pytest.raises(ValueError, match=r"data_batch_3.bin is corrupt: expected 61,460 bytes, got 58,387"):
        cifar10(str(cifar), download=False)
    file.unlink()
    with pytest.raises(FileNotFoundError, match="pickled version is not read"):
        cifar10(str(cifar), download=False)
