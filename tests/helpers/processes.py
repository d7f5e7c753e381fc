"""Two processes that talk through gloo."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any
from unittest import mock

import torch.distributed as dist
import torch.multiprocessing as mp


def in_two_processes(work: Callable, *args: Any, seconds: int = 120) -> list[tuple]:
    """What ``work(rank, queue, *args)`` puts into the queue, in rank order; every item starts with its rank."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = mp.get_context("spawn")
    queue = context.SimpleQueue()
    workers = [context.Process(target=_join, args=(rank, port, work, queue, args)) for rank in range(2)]
    for rank, worker in enumerate(workers):
        with mock.patch.dict(os.environ, RANK=str(rank)):  # Lightning reads it when it is imported
            worker.start()
    for worker in workers:
        worker.join(seconds)
    assert [worker.exitcode for worker in workers] == [0, 0]
    return sorted(queue.get() for _ in workers)


def _join(rank: int, port: int, work: Callable, queue: Any, args: tuple) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=rank, world_size=2)
    try:
        work(rank, queue, *args)
    finally:
        dist.destroy_process_group()
