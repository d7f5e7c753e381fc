"""Data sets and the batches made of them."""

from ssl_pipeline.datasets.cifar10 import cifar10
from ssl_pipeline.datasets.data import Data, Dataset, Stream, Subset, holdout, statistics
from ssl_pipeline.datasets.digits import digits
from ssl_pipeline.datasets.fashion_mnist import fashion_mnist
from ssl_pipeline.datasets.folder import folder
from ssl_pipeline.datasets.hf import hf
from ssl_pipeline.datasets.loading import sequential_batches, train_loader
from ssl_pipeline.datasets.memory import MappedDataset, MemoryDataset

__all__ = [
    "Data",
    "Dataset",
    "MappedDataset",
    "MemoryDataset",
    "Stream",
    "Subset",
    "cifar10",
    "digits",
    "fashion_mnist",
    "folder",
    "hf",
    "holdout",
    "sequential_batches",
    "statistics",
    "train_loader",
]
