"""Modules of Lightning as data, and labels of their parts."""

from __future__ import annotations

import lightning
import pytest
import torch
from helpers.items import Made, value
from torch.utils.data import (
    DataLoader,
    TensorDataset,
)

from ssl_pipeline.data.in_python import python_data


class Module(lightning.LightningDataModule):
    def setup(self, stage):
        self.part = TensorDataset(torch.rand(40, 1, 8), torch.arange(40) % 2)

    def train_dataloader(self):
        return DataLoader(self.part, 10)


class WithTest(Module):
    def val_dataloader(self):
        return DataLoader(TensorDataset(torch.rand(12, 1, 8), torch.arange(12) % 2), 4)


def test_a_module_gives_its_loaders():
    found = python_data(WithTest())
    assert (len(found.data.train), len(found.data.test), found.batch_size) == (40, 12, 10)
    assert found.description == "WithTest of DataLoader of TensorDataset of 40 items" and found.data.classes == (
        "0",
        "1",
    )
    alone = python_data(Module()).data
    assert (len(alone.train), len(alone.test)) == (36, 4)
    parts = TensorDataset(torch.rand(40, 1, 8)), TensorDataset(torch.rand(12, 1, 8))
    joined = python_data(lightning.LightningDataModule.from_datasets(parts[0], val_dataset=parts[1])).data
    assert (len(joined.train), len(joined.test)) == (40, 12)


def test_a_module_whose_parts_differ_is_refused():
    class Odd(Module):
        def val_dataloader(self):
            return DataLoader(TensorDataset(torch.rand(12, 1, 9)), 4)

    with pytest.raises(ValueError, match=r"expected test samples of \(1, 8\), as in training, got \(1, 9\)"):
        python_data(Odd())

    class Two(Module):
        def train_dataloader(self):
            return {"a": super().train_dataloader()}

    with pytest.raises(ValueError, match=r"expected one DataLoader of train_dataloader\(\), got dict"):
        python_data(Two())


def test_labels_of_both_parts_are_counted_alike():
    class Wrapped(lightning.LightningDataModule):
        def train_dataloader(self):
            return DataLoader(Made(lambda n: (value(n), 5 * (n % 2))), 10)

        def val_dataloader(self):
            made = Made(lambda n: (value(n), 5 * (n % 2)))
            made.targets = [5 * (n % 2) for n in range(40)]
            return DataLoader(made, 10)

    data = python_data(Wrapped()).data
    assert data.train[[1]].label.item() == data.test[[1]].label.item() == 5


def test_labels_of_test_items_are_numbered_as_those_of_training():
    class Known(lightning.LightningDataModule):
        def train_dataloader(self):
            return DataLoader(TensorDataset(torch.rand(40, 1, 8), torch.arange(40) % 2 * 4 + 3), 10)

        def val_dataloader(self):
            return DataLoader([(torch.rand(1, 8), self.label)] * 12, 4)

    module = Known()
    module.label = 7
    found = python_data(module).data
    assert found.classes == ("3", "7") and found.test[[0, 1]].label.tolist() == [1, 1]
    module.label = 5
    with pytest.raises(ValueError, match="the test part has labels that the training part lacks: 5"):
        python_data(module)
