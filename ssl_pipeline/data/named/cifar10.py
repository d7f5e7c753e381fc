"""CIFAR-10 in its binary version: the usual one is made of pickles, and reading those can run code."""

from __future__ import annotations

import os
import tempfile
from http.client import HTTPException
from pathlib import Path

import numpy as np
import torch

from ssl_pipeline.config.registry import register
from ssl_pipeline.data.base import Data
from ssl_pipeline.data.codecs.image import Pixels
from ssl_pipeline.data.memory import MemoryDataset

_PIXELS = Pixels(size=32, channels=3)

_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
_FOLDER = "cifar-10-batches-bin"
TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
_TEST = ("test_batch.bin",)
_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
RECORDS = 10_000  # in each file
_RECORD = 1 + 3 * 32 * 32  # label, then the red, green and blue planes


@register("data", "cifar10", settled={"download": False})
def cifar10(root: str = "data", download: bool = True) -> Data:
    """50,000 + 10,000 colour images of ten things, 32 by 32 (https://www.cs.toronto.edu/~kriz/cifar.html).

    Args:
        root: holds ``cifar-10-batches-bin`` or its files.
        download: fetch them (170 MB) into ``root`` where they are not found.

    Raises:
        FileNotFoundError: not found and not to be downloaded.
        OSError: the download failed.
        ValueError: a corrupt file.
    """
    folder = _find(Path(root))
    if folder is None:
        if not download:
            raise FileNotFoundError(
                f"CIFAR-10: expected {TRAIN[0]} and its companions in {root!r} or in its {_FOLDER}, found them in "
                f"neither (the pickled version is not read): set data.root to where they lie or download=true"
            )
        folder = _download(Path(root))
    return Data(
        grid=_PIXELS.grid,
        codec=_PIXELS,
        train=_part([folder / name for name in TRAIN]),
        test=_part([folder / name for name in _TEST]),
        classes=_CLASSES,
        name="cifar10",
    )


def _find(root: Path) -> Path | None:
    folders = (root, root / _FOLDER)
    return next((folder for folder in folders if all((folder / name).is_file() for name in TRAIN + _TEST)), None)


def _part(files: list[Path]) -> MemoryDataset:
    for file in files:
        if file.stat().st_size != RECORDS * _RECORD:
            raise ValueError(
                f"{file} is corrupt: expected {RECORDS * _RECORD:,} bytes, got {file.stat().st_size:,}: "
                f"delete its folder and fetch it again"
            )
    records = torch.from_numpy(
        np.concatenate([np.fromfile(file, dtype=np.uint8) for file in files]).reshape(-1, _RECORD)
    )
    labels = records[:, 0].long()
    if labels.max() >= len(_CLASSES):
        raise ValueError(f"{files[0].parent}: expected labels 0 to 9, got {labels.max().item()}: fetch the files again")
    return MemoryDataset(records[:, 1:].reshape(-1, 3, 32, 32).contiguous(), labels=labels)


def _download(root: Path) -> Path:
    from torchvision.datasets.utils import download_and_extract_archive

    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root) as temporary:
        try:
            download_and_extract_archive(_URL, temporary, md5=_MD5)
        except (OSError, HTTPException, RuntimeError) as error:  # RuntimeError: wrong checksum
            raise OSError(
                f"CIFAR-10: its binary version is neither in {str(root)!r} nor could {_URL} be downloaded ({error}): "
                f"set data.root to a folder that holds {_FOLDER}"
            ) from error
        (root / _FOLDER).mkdir(exist_ok=True)
        for file in Path(temporary, _FOLDER).iterdir():  # moved whole, so that no half a file is ever found
            os.replace(file, root / _FOLDER / file.name)
    return root / _FOLDER
