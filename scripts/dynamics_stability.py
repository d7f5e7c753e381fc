"""Forward stability (M26): by how much an epoch of training changes the activations of the same samples."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from statistics import mean
from typing import NamedTuple

import torch
import torch.nn.functional as F
from dynamics_depth import classifier
from dynamics_stacks import Digits, batches
from torch import Tensor, nn

from ssl_pipeline.diagnostics import changes, listen
from ssl_pipeline.models.ema_teacher import EMATeacher

ROWS = {"none": "plain", "LayerNorm": "LayerNorm", "BatchNorm": "BatchNorm", "dropout": "dropout"}
AVERAGED = "EMA of none"
RATES = (1e-3, 1e-2)
PROBE = 64
BATCH = 128


class Stability(NamedTuple):
    """D = |h_e - h_(e-1)| / |h_(e-1)|, mean of the blocks, by epoch from the second on."""

    row: str
    rate: float  # of AdamW
    training: list[float]  # as in training: dropout, and other samples next to the probe in each epoch
    evaluation: list[float]  # nothing but the weights has changed


def sweep(data: Digits, epochs: int, depth: int = 4, seed: int = 0) -> Iterator[Stability]:
    """All rows; the average is of the weights of the first."""
    for rate, (row, kind) in product(RATES, ROWS.items()):
        net = classifier(kind, depth, seed)
        average = EMATeacher(momentum=0.99, final=0.99).bind({"net": net})
        training, evaluation, averaged = Looks(data), Looks(data), Looks(data)
        optimizer = torch.optim.AdamW(net.parameters(), lr=rate)
        steps = len(data.x) // BATCH
        for step, picked in enumerate(batches(len(data.x), BATCH, epochs * steps, seed), 1):
            optimizer.zero_grad()
            F.cross_entropy(net.train()(data.x[picked]), data.label[picked]).backward()
            optimizer.step()
            average.follow({"net": net}, progress=0)
            if step % steps == 0:
                training.look(net, data.x[picked])
                evaluation.look(net.eval(), data.x[picked])
                averaged.look(average.copies["net"], data.x[picked])
        yield Stability(row, rate, training.changes, evaluation.changes)
        if kind == "plain":
            yield Stability(AVERAGED, rate, averaged.changes, averaged.changes)


class Looks:
    """One look an epoch at the same samples, the mode of the network and what stands next to them left as they are."""

    def __init__(self, data: Digits) -> None:
        self.probe, self.changes = data.test_x[:PROBE], list[float]()
        self._before: dict[str, Tensor] = {}

    def look(self, net: nn.Module, others: Tensor) -> None:
        """Compare with the last look."""
        buffers = {name: value.clone() for name, value in net.named_buffers()}
        blocks = dict(net[0].named_children())  # pyright: ignore[reportIndexIssue]
        kept = listen(net, torch.cat([self.probe, others[:PROBE]]), layers=blocks).kept
        net.load_state_dict(buffers, strict=False)  # running statistics do not learn from the probe
        now = {name: h[:PROBE] for name, h in kept.items()}
        if self._before:
            self.changes.append(mean(changes(now, self._before).values()))
        self._before = now
