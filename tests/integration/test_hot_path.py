"""The graph's step never waits for a device: it asks for no number, and for no shape that depends on numbers."""

from __future__ import annotations

import sys
from contextlib import ExitStack

import pytest
import torch
from helpers.few_samples import FEW
from helpers.on_data import graphs_on
from helpers.paths import yaml_files
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from ssl_pipeline.config.compose import compose
from ssl_pipeline.corruptions import _poisson
from ssl_pipeline.data import build_data, train_loader
from ssl_pipeline.optim.rules import make_recipe

EXPERIMENTS = sorted(path.stem for path in yaml_files("experiment"))
WAITS = {"_local_scalar_dense", "nonzero", "masked_select", "bincount", "equal"}
WAITS |= {"_unique2", "unique_dim", "unique_consecutive"}


ON_PROCESSOR = {  # they draw there: whose turn it is, how many tokens there are, how many rows which corruption gets
    "ssl_pipeline.structures.view_assignment",
    "ssl_pipeline.corruptions._blocks",
    "ssl_pipeline.corruptions.any_of",
}
ASKS = {"tolist", "cpu", "numpy", "item", "__bool__", "__int__", "__float__"}


class Asks(TorchFunctionMode):
    """Collects what leads out of tensors; of those that lie on a processor, the other mode does not hear of it."""

    def __init__(self, seen: list[str]) -> None:
        super().__init__()
        self.seen = seen

    def __torch_function__(self, func, types, args=(), kwargs=None):
        drawn_here = sys._getframe(1).f_globals["__name__"] in ON_PROCESSOR
        if getattr(func, "__name__", "") in ASKS and isinstance(args[0], torch.Tensor) and not drawn_here:
            self.seen.append(func.__name__)
        return func(*args, **(kwargs or {}))


class Waits(TorchDispatchMode):
    """Collects the operations for which a processor waits until its GPU has come that far."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        by_mask = name in ("index", "index_put", "index_put_") and any(
            index is not None and index.dtype == torch.bool for index in args[1]
        )
        counted = name == "repeat_interleave" and (kwargs or {}).get("output_size") is None and len(args) == 1
        if name in WAITS or by_mask or counted:
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_no_step_waits_for_the_device(name, monkeypatch):
    monkeypatch.setattr(_poisson, "_where_few", _poisson._everywhere)  # as on a device
    config = compose([f"experiment={name}", "batch_size=8", *FEW.get(name, [])])
    sets = build_data(config["data"])
    graphs = graphs_on(config, sets)
    assert graphs
    for key, graph in graphs.items():
        optimizer = make_recipe(config["optimizer"]).optimizer(graph.train(), 8)
        batches = iter(train_loader(sets[key].train, batch_size=8, seed=0))
        waits = Waits()
        for step in range(2):  # the optimiser makes its state in the first one
            batch = next(batches)
            with ExitStack() as stack:
                if step:
                    stack.enter_context(waits)
                    stack.enter_context(Asks(waits.seen))
                graph(graph.corrupt(batch, 0, step))["loss"].backward()
                nn.utils.clip_grad_norm_(graph.parameters(), 1.0)
                if config["optimizer"]["make"]["type"] == "muon":  # whose counters of steps lie on the processor
                    stack.pop_all().close()
                optimizer.step()
                graph.follow(0.5)
        assert waits.seen == []


def test_what_waits_is_seen():
    x = torch.arange(4.0)
    with Waits() as waits:
        x[x > 1]
        x.max().item()
        x.repeat_interleave(torch.tensor([1, 2, 1, 1]))
    assert waits.seen == ["index", "_local_scalar_dense", "repeat_interleave"]
    with Asks(seen := []):
        x.tolist()
        bool(x[0])
    assert seen == ["tolist", "__bool__"]
