"""Purification: independent pure factors are mixed by a known rule; how purely do encoders hold each of them?

python scripts/probe_purification.py                                    # scenes, add, multiply, xor; under five minutes
python scripts/probe_purification.py --only scenes --experiments dag,byol [OVERRIDES of train.py]
python scripts/probe_purification.py --steps 2000 --out outputs/purification

Readouts are linear and fitted to the training part; all numbers are of mixtures that were held out, 2x and 4x of
factors beyond the trained range. Next to the experiments stand the raw input, the untrained encoder and the same one
taught the factors themselves. The second table mixes the features once more: mixing never purifies.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR

import ssl_pipeline as sslp
from ssl_pipeline import Graph, Inference
from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import build_data
from ssl_pipeline.data.synthetic.arithmetic import OPERATIONS, Sums, as_bits, distant_sums, every_sum
from ssl_pipeline.data.synthetic.scenes import RANGES, Scenes, draw_scenes
from ssl_pipeline.evaluation.probes import OneScale
from ssl_pipeline.evaluation.untrained import untrained
from ssl_pipeline.graph.builder import GraphFactory
from ssl_pipeline.lab.purity import Factor, Purity, Seen, purity
from ssl_pipeline.report import markdown
from ssl_pipeline.report.pictures import figure
from ssl_pipeline.training import run
from ssl_pipeline.training.graphs import graph_maker

Made = tuple[Tensor, dict[str, Factor]]
"""Samples and their factors."""

Embed = Callable[[Tensor], Tensor]
"""Samples to features (N, D)."""

SEED, DISTANT = 0, 1000
BITS = 6
REACHES = (2, 4)


class Task(NamedTuple):
    """Something mixed.

    Args:
        overrides: that choose the data, and an encoder for it.
        experiments: that are tried by default.
        draw: so many training samples, those held out, and some beyond the range for each of ``REACHES``.
    """

    overrides: list[str]
    experiments: list[str]
    draw: Callable[[], list[Made]]


def scenes(samples: int) -> list[Made]:
    """Images; the samples are those of ``data=scenes``."""
    held = samples // 4
    parts = [draw_scenes(samples - held, SEED), draw_scenes(held, SEED, held_out=True)]
    return [*map(_of_scenes, parts), *(_of_scenes(draw_scenes(DISTANT, SEED, True, reach)) for reach in REACHES)]


def _of_scenes(made: Scenes) -> Made:
    digit = {"digit": Factor.category(made.digit.long().numpy(), 10)}
    return made.x, digit | {name: Factor.quantity(made.factors[name].numpy()) for name in RANGES}


def sums(rule: str) -> list[Made]:
    """Numbers; the samples are those of ``data=arithmetic``."""
    x, numbers = every_sum(rule, BITS, SEED)
    cut = len(x) - round(0.25 * len(x))
    near = [Sums(x[some], {k: n[some] for k, n in numbers.items()}) for some in (slice(cut), slice(cut, None))]
    return [_of_sums(made) for made in (*near, *(distant_sums(rule, BITS, reach, DISTANT, SEED) for reach in REACHES))]


def _of_sums(made: Sums) -> Made:
    places = BITS + len(REACHES)
    bits = {name: as_bits(number, places).numpy() for name, number in made.numbers.items()}
    return made.x, {name: Factor.bits(some, pure=name in "ab") for name, some in bits.items()}


def tasks(samples: int) -> dict[str, Task]:
    """Everything that is mixed, by name."""
    images = Task(["data=scenes", f"data.samples={samples}"], ["autoencoder", "simclr"], partial(scenes, samples))
    return {"scenes": images} | {
        rule: Task(mlp(rule), ["autoencoder", "dae"], partial(sums, rule)) for rule in OPERATIONS
    }


def mlp(rule: str) -> list[str]:
    """A sum in a single token, of which a transformer is an MLP with 64 numbers in the middle."""
    patch = f"[2,{OPERATIONS[rule].places(BITS + len(REACHES))}]"
    encoder = ["encoder=vit", f"encoder.patch={patch}", "encoder.width=64", "encoder.depth=3", "encoder.heads=4"]
    decoder = ["decoder=cross_attention", f"decoder.patch={patch}", "decoder.width=64"]
    return ["data=arithmetic", f"data.rule={rule}", f"data.bits={BITS}", *encoder, *decoder]


def encoders(task: Task, experiments: list[str], overrides: list[str], steps: int, folder: Path) -> dict[str, Embed]:
    """By name: the raw input, the first experiment's encoder untrained, all experiments, and one that is taught."""
    quick = [f"trainer.max_steps={steps}", "trainer.max_epochs=-1", "trainer.enable_progress_bar=false", "probe=none"]
    quick += ["report.page=false", "diagnostics.every=0", f"seed={SEED}", *overrides]
    configs = {name: compose([f"experiment={name}", *task.overrides, *quick]) for name in experiments}
    first = configs[experiments[0]]
    sets = build_data(first["data"])
    data, makes = sets.only, graph_maker(GraphFactory(first), sets, SEED)

    def make() -> Graph:
        return makes().only

    found: dict[str, Embed] = {"raw": lambda x: x.flatten(1).float() / 255}
    found["untrained"] = _embed(untrained(make, data, "cpu"))
    for name, config in configs.items():
        with redirect_stdout(io.StringIO()):
            run(config, str(folder / name))
        found[name] = sslp.load(folder / name).embed
    x, factors = task.draw()[0]
    found["supervised"] = _embed(taught(make(), x, factors, steps, first["batch_size"]))
    return found


def _embed(graph: Graph) -> Embed:
    return sslp.Model(graph, {}).embed


def taught(graph: Graph, x: Tensor, factors: Mapping[str, Factor], steps: int, batch_size: int) -> Graph:
    """The encoder of a graph, trained to tell its pure factors, each number brought to standard deviation 1."""
    wanted = torch.as_tensor(np.concatenate([f.values for f in factors.values() if f.pure], axis=1)).float()
    wanted = (wanted - wanted.mean(0)) / wanted.std(0).clamp_min(1e-3)
    embed = Inference(graph).embed
    head = nn.Linear(embed(x[:2]).shape[1], wanted.shape[1])
    weights = [*graph.encoder.parameters(), *graph.latent.parameters(), *head.parameters()]
    optimiser = torch.optim.AdamW(weights, weight_decay=0.05)
    schedule = OneCycleLR(optimiser, 2e-3, total_steps=steps)
    random = torch.Generator().manual_seed(SEED)
    graph.train()
    for _ in range(steps):
        some = torch.randint(len(x), (batch_size,), generator=random)
        optimiser.zero_grad()
        F.mse_loss(head(embed(x[some])), wanted[some]).backward()
        optimiser.step()
        schedule.step()
    return graph


Mix = Callable[[Seen], Seen]
"""Features, mixed; as many or fewer samples."""


def mixes(z: np.ndarray) -> dict[str, Mix]:
    """Ways to mix features once more, of the size and scale of some (N, D)."""
    random = np.random.default_rng(SEED)
    width, scale = z.shape[1], OneScale().fit(z)
    turn = np.linalg.qr(random.normal(size=(width, width)))[0]
    weights, bias = random.normal(size=(width, width)) / width**0.5, random.normal(size=width)

    def layer(change: Callable[[np.ndarray], np.ndarray]) -> Mix:
        return lambda seen: seen._replace(z=change(scale.transform(seen.z)))

    return {
        "rotated": layer(lambda z: z @ turn),
        "half as many sums": layer(lambda z: z @ turn[:, : (width + 1) // 2]),
        "two samples added": added,
        "random ReLU layer": layer(lambda z: np.maximum(z @ weights + bias, 0)),
    }


def added(seen: Seen) -> Seen:
    """Each sample of the first half with one of the second on top; the factors are those of the first."""
    half = len(seen.z) // 2
    factors = {name: factor._replace(values=factor.values[:half]) for name, factor in seen.factors.items()}
    return Seen(seen.z[:half] + seen.z[half : 2 * half], factors)


def main() -> None:
    """Train, read out, print both tables, draw the plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="tasks, parted by commas: scenes, add, multiply, xor; default: all")
    parser.add_argument("--experiments", help="parted by commas; default: what is small enough for each task")
    parser.add_argument("--steps", type=int, default=600, help="of each training")
    parser.add_argument("--samples", type=int, default=4000, help="images")
    parser.add_argument("--quick", action="store_true", help="a few steps, to see that it works")
    parser.add_argument("--out", type=Path, default=Path("outputs/probe_purification"), help="folder of the plot")
    asked, overrides = parser.parse_known_args()
    if theirs := [word for word in overrides if word.lstrip("+").startswith("data")]:
        parser.error(f"{theirs[0]}: what is asked for was held out of the data as they are, so they cannot be changed")
    steps, samples = (4, 200) if asked.quick else (asked.steps, asked.samples)
    every = tasks(samples)
    names = asked.only.split(",") if asked.only else list(every)
    if unknown := [name for name in names if name not in every]:
        parser.error(f"there is no task {', '.join(unknown)}; tasks are {', '.join(every)}")
    found: dict[str, dict[str, list[dict[str, Purity]]]] = {}
    again: list[str] = []
    columns = "R²", "accuracy", "exact", "leakage", "R² 2x", "4x", "accuracy 2x", "4x"
    print(markdown.table_head("", "encoder", "factor", *columns))
    for name in names:
        task, found[name] = every[name], {}
        experiments = asked.experiments.split(",") if asked.experiments else task.experiments
        with TemporaryDirectory() as folder:
            for encoder, embed in encoders(task, experiments, overrides, steps, Path(folder)).items():
                seen = [Seen(embed(x).detach().numpy().astype(float), factors) for x, factors in task.draw()]
                found[name][encoder] = purity(seen[0], *seen[1:])
                print(lines(name, encoder, found[name][encoder]), flush=True)
                again += remixed(name, encoder, seen[0], seen[1])
    print("\n" + markdown.table_head("", "encoder", "mixed again", "mean R² before", "after", "largest rise"))
    print("\n".join(again))
    asked.out.mkdir(parents=True, exist_ok=True)
    plot(found, asked.out / "purification.png")


def lines(task: str, encoder: str, found: list[dict[str, Purity]]) -> str:
    """A row for each factor."""
    near, twice, fourfold = found
    rows = []
    for factor, score in near.items():
        beyond = (twice[factor].r2, fourfold[factor].r2, twice[factor].accuracy, fourfold[factor].accuracy)
        cells = ["" if np.isnan(cell) else f"{cell:.2f}" for cell in (*score, *beyond)]
        rows.append(markdown.row(task, encoder, factor, *cells))
    return "\n".join(rows)


def remixed(task: str, encoder: str, train: Seen, test: Seen) -> list[str]:
    """A row for each way to mix: mean R² of the pure factors, and by how much that of any has risen."""
    pure = [name for name, factor in train.factors.items() if factor.pure]

    def r2(mix: Mix) -> np.ndarray:
        (found,) = purity(mix(train), mix(test))
        return np.array([found[name].r2 for name in pure])

    before, rows = r2(lambda seen: seen), []
    for name, mix in mixes(train.z).items():
        after = r2(mix)
        means = f"{before.mean():.3f}", f"{after.mean():.3f}", f"{(after - before).max():+.3f}"
        rows.append(markdown.row(task, encoder, name, *means))
    return rows


def plot(found: Mapping[str, Mapping[str, list[dict[str, Purity]]]], file: Path) -> None:
    """R² of each factor by encoder, held out."""
    drawing = figure(8, 2.2 * len(found))
    for axis, (task, by_encoder) in zip(np.atleast_1d(drawing.subplots(len(found))), found.items(), strict=True):
        width = 0.8 / len(by_encoder)
        for number, (encoder, (near, *_)) in enumerate(by_encoder.items()):
            places = np.arange(len(near)) + width * number - 0.4 + width / 2
            axis.bar(places, [max(0.0, score.r2) for score in near.values()], width, label=encoder)
            axis.set_xticks(range(len(near)), list(near))
        axis.set_ylim(0, 1)
        axis.set_title(task, loc="left", fontsize=10)
        axis.set_ylabel("R², held out")
        axis.legend(fontsize=7, ncols=len(by_encoder), loc="lower center", bbox_to_anchor=(0.6, 1.0), frameon=False)
    drawing.savefig(file, dpi=110)


if __name__ == "__main__":
    main()
