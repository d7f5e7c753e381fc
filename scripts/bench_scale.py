"""Time and memory of a step against views, tokens, width and processes: ``python scripts/bench_scale.py``.

One number is changed at a time; each setting runs in a process of its own, on one core a rank (or one GPU a rank), and
is timed some rounds by turns, so that what else the machine does falls on all alike. The samples are noise: nothing is
learned.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Mapping
from typing import Any

from ssl_pipeline.report import markdown

BASE: dict[str, Any] = {"views": 1, "tokens": 64, "width": 192, "batch": 32, "ranks": 1, "hardware": "ddp"}
ROWS: dict[str, list[dict[str, Any]]] = {
    "base": [{}],
    "views": [{"views": n} for n in (2, 4, 8)],
    "one view a step": [{"views": n, "a_step": 1} for n in (2, 4, 8)],
    "tokens": [{"tokens": n} for n in (16, 256, 576)],
    "width": [{"width": n} for n in (96, 384, 768)],
    "batch": [{"batch": n} for n in (16, 64)],
    "ranks": [{"ranks": 2}, {"ranks": 2, "hardware": "fsdp"}],
    "ranks and width": [{"ranks": 2, "width": 768}, {"ranks": 2, "width": 768, "hardware": "fsdp"}],
}


def overrides(setting: Mapping[str, Any]) -> list[str]:
    """A denoising transformer on square images of patches of 4."""
    words = [
        f"corruption={'+'.join(['noise'] * setting['views'])}",
        "encoder=vit",
        "encoder.patch=4",
        "decoder=cross_attention",
    ]
    words += [f"encoder.width={setting['width']}", "encoder.depth=6", f"encoder.heads={setting['width'] // 32}"]
    words += ["decoder.width=96", "decoder.depth=1", "probe=none", f"batch_size={setting['batch']}"]
    return [*words, f"views_per_step={setting.get('a_step', 'all')}"]


def work(setting: Mapping[str, Any], steps: int) -> None:
    """Time some steps of one setting and print what was found."""
    import torch
    import torch.distributed as dist
    from torch.distributed.device_mesh import init_device_mesh
    from torch.nn.parallel import DistributedDataParallel

    from ssl_pipeline.config.compose import compose
    from ssl_pipeline.graph.builder import GraphFactory
    from ssl_pipeline.structures.batch import Batch
    from ssl_pipeline.structures.data_spec import DataSpec
    from ssl_pipeline.structures.grid import GridSpec
    from ssl_pipeline.training.callbacks.metrics import memory_gb
    from ssl_pipeline.training.fsdp import shard
    from ssl_pipeline.training.hardware import Hardware

    warnings.filterwarnings("ignore", ".*returned a view tensor.*")
    empty = memory_gb(torch.device("cpu"))  # what libraries take
    rank, world = int(os.environ.get("RANK", 0)), setting["ranks"]
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda", rank) if on_gpu else torch.device("cpu")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    side = 4 * round(setting["tokens"] ** 0.5)
    spec = DataSpec(GridSpec.of(("y", side), ("x", side), channels=3))
    graph = GraphFactory(compose(overrides(setting))).build(spec).to(device)
    model: Any = graph
    if world > 1:
        if on_gpu:
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if on_gpu else "gloo")
        if setting["hardware"] == "fsdp":
            names = ("data_parallel", "tensor_parallel")
            shard(graph, init_device_mesh(device.type, (1, world), mesh_dim_names=names))
        else:
            model = DistributedDataParallel(graph)
    optimizer = torch.optim.AdamW(graph.parameters(), fused=True)
    x = torch.rand(setting["batch"], 3, side, side, device=device)
    batch, precision = Batch(x, torch.arange(len(x))), Hardware().resolved_precision

    def step(number: int) -> float:
        began = time.perf_counter()
        views = graph.corrupt(batch, 0, number, rank)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16-mixed"):
            loss = model(views)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if on_gpu:
            torch.cuda.synchronize()
        return time.perf_counter() - began

    for number in range(2):
        step(number)
    seconds = [step(2 + number) for number in range(steps)]
    if rank == 0:
        taken = memory_gb(device) - (0 if on_gpu else empty)
        kept = [*graph.parameters(), *(p.grad for p in graph.parameters())]
        kept += [value for state in optimizer.state.values() for value in state.values()]
        local = [getattr(x, "to_local", lambda x=x: x)() for x in kept if x is not None]
        numbers = {"kept_gb": sum(x.numel() * x.element_size() for x in local) / 2**30, "memory_gb": taken}
        print(json.dumps({"seconds": statistics.median(seconds), **numbers}), flush=True)
    if world > 1:
        dist.barrier()
        dist.destroy_process_group()


def measured(setting: Mapping[str, Any], steps: int) -> dict[str, float]:
    """The numbers of one setting, of processes of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    words = [sys.executable, __file__, "--setting", json.dumps(setting), "--steps", str(steps)]
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(setting["ranks"])}
    ranks = [
        subprocess.Popen(
            words,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", **common, "RANK": str(rank)},
        )
        for rank in range(setting["ranks"])
    ]
    said = [process.communicate()[0] for process in ranks]
    if any(process.returncode for process in ranks):
        raise RuntimeError(f"{setting} ended with {[process.returncode for process in ranks]}")
    return json.loads(said[0].splitlines()[-1])


def table(found: Mapping[str, list[tuple[dict[str, Any], dict[str, float]]]]) -> str:
    """The numbers as Markdown, times as multiples of that of the base."""
    base = found["base"][0][1]
    lines = [markdown.table_head("changed", "to", "time of a step", "kept between steps, GB", "at most, GB")]
    for name, rows in found.items():
        for setting, numbers in rows:
            to = ", ".join(str(value) for key, value in setting.items() if key != "a_step") or "-"
            times = numbers["seconds"] / base["seconds"]
            cells = (f"{value:.2f}" for value in (times, numbers["kept_gb"], numbers["memory_gb"]))
            lines.append(markdown.row(name, to, *cells))
    return "\n".join(lines)


def main() -> None:
    """Measure all rows, some rounds by turns, and print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=6, help="timed steps of a setting in a round")
    parser.add_argument("--rounds", type=int, default=3, help="of which the median is taken")
    parser.add_argument(
        "--only", nargs="*", default=[], help="rows, by what is changed in them; the base is always there"
    )
    parser.add_argument("--setting", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.setting is not None:
        work(json.loads(asked.setting), asked.steps)
        return
    rows = {name: some for name, some in ROWS.items() if name == "base" or not asked.only or name in asked.only}
    rounds = []
    for _ in range(asked.rounds):
        rounds.append({n: [measured(BASE | s, asked.steps) for s in some] for n, some in rows.items()})
    found = {
        name: [
            (
                setting,
                {
                    "seconds": statistics.median(one[name][i]["seconds"] for one in rounds),
                    **{key: max(one[name][i][key] for one in rounds) for key in ("kept_gb", "memory_gb")},
                },
            )
            for i, setting in enumerate(some)
        ]
        for name, some in rows.items()
    }
    about = ", ".join(f"{key} {value}" for key, value in BASE.items() if key != "hardware")
    print(f"base: {about}: {found['base'][0][1]['seconds']:.3f} s a step\n\n{table(found)}")


if __name__ == "__main__":
    main()
