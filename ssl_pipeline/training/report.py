"""What a run says on the screen."""

from __future__ import annotations

from typing import Any

from torch import nn

from ssl_pipeline.datasets import Data, Stream
from ssl_pipeline.graph import Graph
from ssl_pipeline.optim import Recipe
from ssl_pipeline.training.hardware import Hardware


def start(config: dict[str, Any], data: Data, graph: Graph, recipe: Recipe, hardware: Hardware, world: int) -> None:
    """The resolved numbers of a run."""
    batch, lr = config["batch_size"], recipe.peak(config["batch_size"])
    held_out = "no test set" if data.test is None else f"{len(data.test):,} test"
    size = "a stream" if isinstance(data.train, Stream) else f"{len(data.train):,} train"
    print(
        f"data       {data.name}: {size}, {held_out}, {len(data.classes or ()) or 'no'} classes, "
        f"grid {'x'.join(map(str, data.grid.shape))}\n"
        f"views      {', '.join(graph.corruptions)} ({graph.views_per_step} of {len(graph.corruptions)} a sample)\n"
        f"energies   {', '.join(edge.name for edges in graph.edges.values() for edge in edges)}\n"
        f"parameters {_count(graph.encoder):,} encoder, {_count(graph.latent):,} latent, "
        f"{_count(graph.decoders):,} decoders\n"
        f"batch      {batch} = {world} device(s) x {batch // world}, precision {hardware.resolved_precision}\n"
        f"rate       {lr:.3g} (lr {recipe.lr:g} for batch {recipe.base_batch}, rule {recipe.scale})",
        flush=True,
    )


def end(summary: dict[str, Any], folder: str) -> None:
    """The table of probes with their baselines, and what the inverse models restore."""
    columns = {"knn": "kNN-20", "linear": "linear", "few": "few labels"}
    shown = [key for key in columns if key in summary]
    if shown:
        print(f"\nprobes of frozen features, accuracy in %, protocol {summary['protocol']}")
        print(" " * 20 + "".join(f"{columns[key]:>14}" for key in shown))
        for label, suffix in (("this encoder", ""), ("untrained encoder", "_untrained"), ("raw input", "_raw")):
            if f"knn{suffix}" in summary:
                print(f"{label:<20}" + "".join(_cell(summary, key, suffix) for key in shown))
    elif "rankme" in summary:
        print("\nno labels in a test set: probes are left out")
    if "rankme" in summary:
        print(f"effective rank (RankMe) {summary['rankme']:.1f}, standard deviation {summary['std']:.3g}")
    restored = [key.removeprefix("psnr/") for key in summary if key.startswith("psnr/")]
    if restored:
        print(f"\n{'restored (PSNR, dB)':<24}{'in':>8}{'out':>8}")
        for view in restored:
            before = summary.get(f"psnr_input/{view}")
            print(f"{view:<24}{'' if before is None else f'{before:.1f}':>8}{summary[f'psnr/{view}']:>8.1f}")
    speed = f"{summary['steps']} steps, {summary['seconds']:.0f} s, {summary.get('samples_per_s', 0):,.0f} samples/s"
    print(f"\n{speed}; run folder {folder}")


def _cell(summary: dict[str, Any], key: str, suffix: str) -> str:
    std = summary.get(f"{key}_std{suffix}")
    value = f"{summary[key + suffix]:.1f}"
    return f"{value if std is None else f'{value} ± {std:.1f}':>14}"


def _count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
