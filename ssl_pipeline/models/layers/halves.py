"""Models that can be cut in two: the halves share the weights of the whole, and none is in both."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from copy import copy
from typing import ClassVar, TypeVar

from torch import nn

_Own = TypeVar("_Own", bound="InHalves")
_Module = TypeVar("_Module", bound=nn.Module)


class InHalves(nn.Module):
    """A model of ``depth`` blocks, with something before and something behind them.

    Attributes:
        depth: blocks after each of which it can be cut.
        block_list: name of the list of its blocks, such as ``trunk.blocks``.
        before: names of the modules and weights in front of the blocks.
        behind: likewise.
    """

    depth: int = 0
    block_list: ClassVar[str] = "blocks"
    before: ClassVar[tuple[str, ...]] = ()
    behind: ClassVar[tuple[str, ...]] = ()

    def halves(self: _Own, block: int) -> tuple[_Own, _Own]:
        """The model up to a block and including it, and what follows; names stay those of the whole."""
        blocks = [f"{self.block_list}.{i}" for i in range(self.depth)]
        return without(self, (*blocks[block + 1 :], *self.behind)), without(self, (*self.before, *blocks[: block + 1]))


def without(module: _Module, names: Iterable[str]) -> _Module:
    """A copy of a module that lacks some of the modules and weights in it, and shares all others.

    >>> whole = nn.Sequential(nn.Linear(1, 1), nn.Linear(1, 1))
    >>> part = without(whole, ["0", "1.bias"])
    >>> part[1].weight is whole[1].weight, [*part.state_dict()]
    (True, ['1.weight'])
    """
    twin, deeper = copy(module), defaultdict(list)
    twin._modules, twin._parameters = dict(module._modules), dict(module._parameters)
    for name in names:
        here, _, inside = name.partition(".")
        if inside:
            deeper[here].append(inside)
        elif here in twin._parameters:
            twin._parameters[here] = None
        elif here in twin._modules:
            twin._modules[here] = nn.Identity()
    for here, inside in deeper.items():
        twin._modules[here] = without(module.get_submodule(here), inside)
    return twin
