"""What goes wrong with machines, in sentences."""

from __future__ import annotations

import re

import torch

_GROUPS = ("gloo/transport", "Gloo connectFullMesh", "Connection closed by peer", "NCCL error", "ncclRemoteError")
"""What torch's process groups say when one of their processes is gone."""


def machine_error(error: BaseException, go_on: str) -> Exception | None:
    """An error of torch's that says what to do; None for one that is another's.

    Args:
        error: as it was raised.
        go_on: how the run is resumed.

    >>> machine_error(MemoryError(), "resume=x").args[0][:30]
    'the memory did not suffice: lo'
    >>> machine_error(RuntimeError("shapes differ"), "resume=x") is None
    True
    """
    text = str(error)
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in text:
        asked = re.search(r"[Tt]ried to allocate ([\d.]+ \w+)", text)
        more = f" ({asked[1]} more were asked for)" if asked else ""
        return MemoryError(
            f"the memory did not suffice{more}: lower batch_size, views_per_step or the model's width, "
            f"or take hardware.precision=bf16-mixed"
        )
    if "DataLoader worker" in text or isinstance(error, (ConnectionError, EOFError)):
        return OSError(
            f"a process that reads data has died ({text.partition(chr(10))[0][:120]}), often for lack of memory: lower "
            f"hardware.workers, then go on with {go_on}"
        )
    if any(name in text for name in _GROUPS):
        return OSError(
            f"the connection to another process of this run is lost, which has most often been killed (for lack of "
            f"memory, by the end of a job): see what it said last, then go on with {go_on}"
        )
    if "Expected more than 1 value per channel when training" in text:
        return ValueError(
            "batch normalisation got one sample, which has no statistics: raise batch_size to two or more on each "
            "device and in each micro-batch"
        )
    return None
