"""What a run says on the screen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from ssl_pipeline.data import Data, LogMel, Pixels, Stream, Waveform
from ssl_pipeline.data.io.value_range import RANGE_FILES
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.optim.recipe import Recipe
from ssl_pipeline.report.headline import restored_table, sections
from ssl_pipeline.report.probe_table import Table, cautions, left_out, probe_table, verdict
from ssl_pipeline.structures.per_data_set import split_sets
from ssl_pipeline.training.hardware import Hardware


def start(
    sets: Mapping[str, Data],
    graphs: Mapping[str, Graph],
    recipe: Recipe,
    hardware: Hardware,
    batch_size: int,
    world: int,
    parts: int,
    limits: str,
) -> None:
    """The resolved numbers of a run; ``parts``: micro-batches of a step; ``limits``: how long it may take."""
    graph = next(iter(graphs.values()))
    lines = [line for data in sets.values() for line in (f"{'data':<11}{_size(data)}", *_range(data))]
    lines += [
        f"views      {', '.join(graph.corruptions)} ({graph.views_per_step} of {len(graph.corruptions)} a sample)",
        *(
            f"losses     {', '.join(dict.fromkeys(edge.name for some in g.edges.values() for edge in some))}"
            for g in graphs.values()
        ),
        *_masking(graphs.values()),
        *_frozen(graphs.values()),
        *_untrained(graph),
        f"parameters {_count(g.encoder for g in graphs.values()):,} encoder, "
        f"{_count(g.latent for g in graphs.values()):,} latent, "
        f"{_count(g.decoders for g in graphs.values()):,} decoders",
        f"batch      {_batch(batch_size, world, parts)}, precision {hardware.resolved_precision}",
        *_over_batch(graphs.values(), batch_size // parts, parts),
        f"optimiser  {_optimiser(recipe, batch_size)}",
        f"time       {limits}",
    ]
    print("\n".join(lines), flush=True)


def _batch(size: int, world: int, parts: int) -> str:
    micro = f"{parts} micro-batches x " if parts > 1 else ""
    return f"{size} = {world} device(s) x {micro}{size // (world * parts)}"


def _over_batch(graphs: Iterable[Graph], size: int, parts: int) -> list[str]:
    """Lines about what a step of micro-batches does otherwise than one of the whole batch."""
    if parts == 1:
        return []
    terms = [term for graph in graphs for term in graph.objective.terms.values()]
    compare = [term for term in terms if any(getattr(part, "over_batch", False) for part in term.modules())]
    names = dict.fromkeys(str(term.name) for term in compare)
    return [f"contrast   {name} compares the {size} samples of a micro-batch, not all of a step" for name in names]


def _range(data: Data) -> list[str]:
    """A line where values of files are scaled."""
    codec = data.codec
    if not isinstance(codec, Pixels | Waveform | LogMel) or codec.range is None:
        return []
    (low, high), least = codec.range, 0 if isinstance(codec, Pixels) else -1
    return [
        f"range      {low:g} to {high:g} in files, as data.range says or up to {RANGE_FILES} of them show, "
        f"become {least} to 1; what lies outside is cut off"
    ]


def _masking(graphs: Iterable[Graph]) -> list[str]:
    """A line where the encoder cannot skip masked tokens."""
    filled = [g.encoder for g in graphs if g.encoder.sees_filling and any(c.masks for c in g.corruptions.values())]
    names = dict.fromkeys(encoder.what for encoder in filled)
    return [f"masking    {name} skips no tokens: it sees masked places as they are filled" for name in names]


def _frozen(graphs: Iterable[Graph]) -> list[str]:
    """A line where all parameters of an encoder are frozen."""
    frozen = [g.encoder for g in graphs if not g.encoder.learning()]
    names = dict.fromkeys(encoder.what for encoder in frozen)
    return [f"frozen     {name} learns nothing (requires_grad is False): only what follows it does" for name in names]


def _untrained(graph: Graph) -> list[str]:
    """A line where nobody knows how the encoder was before the training."""
    user_module = getattr(graph.encoder, "user_module", None)
    if user_module is None or user_module.remembers:
        return []
    return ["untrained  left out of the tables: how the object encoder= was before the run began is not known"]


def _optimiser(recipe: Recipe, batch: int) -> str:
    rate = f"{recipe.name}, rate {recipe.peak(batch):.3g} (lr {recipe.lr:g} for batch {recipe.base_batch}"
    decay = "" if recipe.layer_decay is None else f", x {recipe.layer_decay:g} a layer down the encoder"
    return f"{rate}, rule {recipe.scale}){decay}"


def _size(data: Data) -> str:
    held_out = "no test set" if data.test is None else f"{len(data.test):,} test"
    size = "a stream" if isinstance(data.train, Stream) else f"{len(data.train):,} train"
    return f"{data.name}: {size}, {held_out}, {_labels(data)}, grid {'x'.join(map(str, data.grid.shape))}"


def _labels(data: Data) -> str:
    """What probes can ask for."""
    if data.classes:
        return f"{len(data.classes)} classes"
    some = data.held_out
    known = not isinstance(some, Stream) and len(some) and some[torch.arange(1)].label is not None
    return "labels without names" if known else "no labels"


def end(summary: dict[str, Any], folder: str) -> None:
    """The probes with their baselines, what inverse models restore, where edges lead, how outputs agree."""
    parts = split_sets(summary)
    for name, part in parts.items():
        if len(parts) > 1:
            print(f"\n== {name}")
        _probes(part, folder)
        if (found := restored_table(part)).rows:
            print()
            _print(found, 24, 8)
        for section in sections(part):
            print(f"\n{section.title}")
            _print(section.table, 24, 10)
            if section.verdict:
                print(section.verdict)
    speed = f"{summary['steps']} steps, {summary['seconds']:.0f} s, {summary.get('samples_per_s', 0):,.0f} samples/s"
    print(f"\n{speed}; run folder {folder}", flush=True)


def _probes(summary: Mapping[str, Any], folder: str) -> None:
    found = probe_table(summary)
    if found.rows:
        print(f"\nprobes of frozen features in %, protocol {summary['protocol']}")
        _print(found, 20, 12)
        if said := verdict(summary):
            print(said)
    if "rankme" in summary and not {"knn", "probes_left_out"} & summary.keys():
        print("\nno labels in a test set: their probes are left out")
    for caution in cautions(summary):
        print(f"caution: {caution}")
    if omitted := left_out(summary, folder):
        print(omitted)
    if "rankme" in summary:
        deviation = f"standard deviation of the embedding {summary['std']:.3g}"
        print(f"effective rank (RankMe) {summary['rankme']:.1f}, {deviation}")


def _print(table: Table, first: int, others: int) -> None:
    """Columns of so many characters, of more where their titles need them, or the labels of the first one."""
    first = max(first, *(len(label) + 2 for label, *_ in (table.head, *table.rows)))
    widths = [max(others, len(title) + 2) for title in table.head[1:]]
    for label, *cells in (table.head, *table.rows):
        print(f"{label:<{first}}" + "".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)))


def _count(modules: Iterable[nn.Module]) -> int:
    """Parameters of some modules; those that they share count once."""
    return sum(p.numel() for p in {p for module in modules for p in module.parameters()})
