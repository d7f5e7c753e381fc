"""What passes each layer of a graph or any module: how much of it comes from the input, in how many directions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from ssl_pipeline.diagnostics.rank import effective_ranks

_ROWS = 64
"""Rows of which an effective rank is taken: samples, or places of samples."""

_COLUMNS = 2048
"""Numbers of a sample of which the share of the input is taken, at most."""

_KEPT = 128
"""Numbers of a sample that are kept for the next look, at most."""


class Passed(NamedTuple):
    """What one layer has made of a batch."""

    share: float  # of the activations' square that differs between samples: tr Var_x(h) / E |h|^2
    rank: float  # effective rank of the activations about their mean, over channels
    rank_in: float  # of what came in; nan for symbols
    magnitude: float  # log10 of the root mean square


class Taps:
    """Listens at layers while a graph computes; each layer's first call counts.

    Args:
        layers: by name.
        ranks: also what ``passed`` needs; else only ``kept``.

    Attributes:
        kept: some numbers of each sample behind each layer, (N, up to ``_KEPT``), for ``changes``.

    Example:
        >>> net = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 1), nn.Linear(1, 8))
        >>> taps = Taps(layers_of(net))
        >>> with torch.no_grad(), taps.listening():
        ...     _ = net(torch.randn(100, 8))
        >>> [round(passed.rank) for passed in taps.passed().values()][1:]
        [1, 1]
    """

    def __init__(self, layers: Mapping[str, nn.Module], ranks: bool = True) -> None:
        self.layers, self.ranks = layers, ranks
        self.kept: dict[str, Tensor] = {}
        self._sums: dict[str, Tensor] = {}  # share and mean square
        self._rows: dict[str, tuple[Tensor | None, Tensor]] = {}  # in and out

    @contextmanager
    def listening(self) -> Iterator[None]:
        """For a while."""
        hooks = [layer.register_forward_hook(self._hook(name)) for name, layer in self.layers.items()]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def passed(self) -> dict[str, Passed]:
        """What was heard, by layer, in the order of their calls."""
        if not self._sums:
            return {}
        sums = torch.stack([*self._sums.values()]).cpu().tolist()
        ranks = effective_ranks([rows for pair in self._rows.values() for rows in pair if rows is not None])
        found, ranks = {}, iter(ranks)
        for (name, (before, _)), (share, magnitude) in zip(self._rows.items(), sums, strict=True):
            rank_in = float("nan") if before is None else next(ranks)
            found[name] = Passed(share, next(ranks), rank_in, magnitude)
        return found

    @torch.no_grad()
    def hear(self, name: str, output: Tensor, inputs: Tensor | None = None, axis: int = -1) -> None:
        """Take the numbers of one activation.

        Args:
            name: of the layer.
            output: (N, ...) behind it.
            inputs: (N, ...) before it.
            axis: of the channels.
        """
        h = _thinned(output.detach().flatten(1), _COLUMNS if self.ranks else _KEPT).float()
        self.kept[name] = _thinned(h, _KEPT).clone()
        if self.ranks:
            self._sums[name] = torch.stack([input_share(h), h.square().mean().clamp_min(1e-30).log10() / 2])
            self._rows[name] = (None if inputs is None else _rows(inputs, axis), _rows(output, axis))

    def _hook(self, name: str) -> Callable[..., None]:
        def hook(layer: nn.Module, inputs: tuple, output: object) -> None:
            if name in self.kept or not isinstance(output, Tensor) or output.ndim < 2 or len(output) < 2:
                return
            x = inputs[0] if inputs and isinstance(inputs[0], Tensor) else None
            known = x is not None and x.ndim >= 2 and x.is_floating_point()
            self.hear(name, output, x if known else None, 1 if isinstance(layer, _ConvNd) else -1)

        return hook


@torch.no_grad()
def listen(net: nn.Module, *inputs: Tensor, layers: Mapping[str, nn.Module] | None = None) -> Taps:
    """What is heard of a module's layers at some inputs, in the mode in which it is.

    Args:
        net: any module, such as a stack of layers.
        inputs: (N, ...), of two samples at least; the same in two calls where ``changes`` are asked for.
        layers: of it, by name; None: those of ``layers_of``.

    Example:
        >>> net = nn.Sequential(*[nn.Linear(32, 32) for _ in range(12)])
        >>> share = [passed.share for passed in listen(net, torch.randn(64, 32)).passed().values()]
        >>> share[0] > 0.1, share[-1] < 1e-2  # S: what of the activations depends on the sample
        (True, True)
        >>> before = listen(net, x := torch.randn(64, 32)).kept
        >>> _ = net[11].weight.data.mul_(1.1)
        >>> [name for name, by in changes(listen(net, x).kept, before).items() if by > 0]  # D: forward stability
        ['11']
    """
    taps = Taps(layers_of(net) if layers is None else layers)
    with taps.listening():
        net(*inputs)
    return taps


def layers_of(module: nn.Module, leave_out: Sequence[str] = ()) -> dict[str, nn.Module]:
    """The layers of a module that own a weight of two axes at least: linear maps, convolutions, tables.

    Args:
        module: a graph, or any other.
        leave_out: beginnings of names.
    """
    found = {}
    for name, part in module.named_modules():
        weight = getattr(part, "weight", None)
        inside = any(f"{name}.".startswith(f"{prefix}.") for prefix in leave_out)
        if isinstance(weight, nn.Parameter) and weight.ndim >= 2 and not inside:
            found[name] = part
    return found


def input_share(h: Tensor) -> Tensor:
    """Share of activations (N, F) that the input decides: tr Var_x(h) / E |h|^2, from 0 (a constant) to 1.

    >>> h = torch.tensor([[3.0, 1.0], [3.0, -1.0]])
    >>> float(input_share(h))
    0.10000000149011612
    """
    return (h - h.mean(0)).square().sum() / h.square().sum().clamp_min(1e-30)  # ``var`` takes four times as long


def changes(now: Mapping[str, Tensor], before: Mapping[str, Tensor]) -> dict[str, float]:
    """By how much each layer's activations of the same samples have changed: |h - h'| / |h'|."""
    names = [name for name in now if name in before and now[name].shape == before[name].shape]
    if not names:
        return {}
    parts = [(now[name] - before[name]).norm() / before[name].norm().clamp_min(1e-30) for name in names]
    return dict(zip(names, torch.stack(parts).cpu().tolist(), strict=True))


def _rows(x: Tensor, axis: int) -> Tensor:
    """Up to ``_ROWS`` of an activation's vectors over channels, (R, D), spread over samples and places."""
    rows = x.detach().movedim(axis, -1).flatten(0, -2)
    picked = torch.linspace(0, len(rows) - 1, min(_ROWS, len(rows)), device=rows.device).long()
    return rows[picked]


def _thinned(h: Tensor, most: int) -> Tensor:
    """Evenly spread columns, at most so many; not every n-th, which might be the same channel each time."""
    if h.shape[1] <= most:
        return h
    return h[:, torch.linspace(0, h.shape[1] - 1, most, device=h.device).long()]
