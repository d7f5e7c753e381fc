"""Items of a data set of Python's."""

from __future__ import annotations

import torch
from torch.utils.data import Dataset


class Made(Dataset):
    """Items by a function of their number."""

    def __init__(self, make, count=40):
        self.make, self.count, self.asked = make, count, []

    def __len__(self):
        return self.count

    def __getitem__(self, number):
        self.asked.append(number)
        return self.make(number)


def value(number):
    return torch.full((1, 4, 4), number / 40)
