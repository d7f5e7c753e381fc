"""Probe encoders, each with its baselines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from ssl_pipeline.cli.commands.arguments import writable
from ssl_pipeline.cli.commands.dataset import asked, data_of, described
from ssl_pipeline.cli.commands.files import device_of
from ssl_pipeline.config.build import build_part
from ssl_pipeline.data import Data, Mixed
from ssl_pipeline.evaluation import P1
from ssl_pipeline.evaluation.benchmark import Score, joined, measure, plain, probed
from ssl_pipeline.evaluation.encoders import OfGraph, OfTimm, Subject
from ssl_pipeline.evaluation.fine_tuning import Tuning
from ssl_pipeline.evaluation.untrained import untrained
from ssl_pipeline.graph.builder import GraphFactory
from ssl_pipeline.graph.graph import Graph
from ssl_pipeline.inference.load import load
from ssl_pipeline.inference.model import Model
from ssl_pipeline.inference.modules import UNKNOWN, Embedder
from ssl_pipeline.models.layers import Normalize
from ssl_pipeline.report import markdown
from ssl_pipeline.report.headline import by_probe

TIMM = "timm:"
ENCODER, TEACHER, UNTRAINED, RAW = "this encoder", "its teacher", "untrained encoder", "raw input"
COLUMNS = {
    "knn": "kNN-20",
    "linear": "linear",
    "few_shot": "few labels",
    "attentive": "attentive",
    "finetuned": "fine-tuned",
    "retrieval": "source found",
    "rankme": "RankMe",
    "alpha": "alpha-ReQ",
    "lidar": "LiDAR",
    "std": "std",
}


def evaluate(
    run: str,
    overrides: list[str] | None = None,
    out: Path | None = None,
    weights: Path | None = None,
    view: str = UNKNOWN,
    few_shot: str = "0.01,0.1",
    attentive: int = 0,
    finetune: int = 0,
    seeds: int = 3,
    limit: int = 20_000,
    baselines: bool = True,
    device: str = "auto",
    set: str | None = None,
    trust: tuple[str, ...] = (),
) -> None:
    """Probes of an encoder, of the raw input and of an untrained twin, as a table and a JSON.

    kNN-20, logistic regression on all and on some of the labels, retrieval by source; with attentive= and finetune=
    also heads that are trained by gradient; and what embeddings say without labels: RankMe, alpha-ReQ, LiDAR. Where
    the foreground of images is known, kNN-20 and logistic regression see them on other backgrounds, too.

    Args:
        run: folder of a run or of an exported encoder; several with commas between them (the same with other seeds)
            give mean and standard deviation; or timm:NAME for a model of timm's.
        overrides: written data=NAME data.root=... as in training: another data set than the run's own.
        out: the JSON; by default evaluation_DATA.json in the run's folder.
        weights: of timm:NAME, a file; without it, the model is untrained.
        view: their corruption; none by default.
        few_shot: shares of the labels for further linear probes, with commas between them, below 1; none: few_shot=
        attentive: epochs of an attentive probe; 0 for none.
        finetune: epochs of fine-tuning a copy of the encoder; 0 for none.
        seeds: of the draws of few labels, and of heads that are trained.
        limit: labelled samples, the first ones of the training part.
        baselines: whether the raw input and the untrained encoder are probed, too.
        device: cpu, cuda ... or auto.
        set: name of the data set whose model is wanted, of a run on several.
        trust: packages of your own whose classes the run may name, with commas between them.
    """
    shares = _shares(few_shot)
    if min(attentive, finetune) < 0 or seeds < 1 or limit < 1:
        raise ValueError("expected attentive and finetune of at least 0, seeds and limit of at least 1")
    runs = run.split(",")
    if len(runs) > 1 and (out is None or any(one.startswith(TIMM) for one in runs)):
        raise ValueError("several runs need out=FILE.json, and each is a folder")
    if len({Path(one).resolve() for one in runs}) < len(runs):
        raise ValueError(f"run={run} names a run twice, and a deviation is one between different runs: name each once")
    if out is not None:
        writable(out, folder=False)
    if weights is not None and not run.startswith(TIMM):
        raise ValueError(f"weights={weights} is of timm:NAME, and a run's folder holds its own: leave it out")
    protocol = P1() if limit == P1.train_limit else P1(train_limit=limit, name=f"P1 with {limit:,} labels")
    heads = [Tuning(epochs, limit=limit) if epochs else None for epochs in (attentive, finetune)]
    found: dict[str, list[dict[str, Score]]] = {}
    left_out: dict[str, dict[str, None]] = {}  # why, of which rows

    def opened(one: str) -> tuple[Iterator[tuple[str, Subject]], Data]:
        if one.startswith(TIMM):
            return _of_timm(one, weights, overrides)
        return _of_run(one, overrides, view, set, trust)

    where, data = device_of(device), None
    if len(runs) > 1:
        _check_alike({one: _named(opened(one)[1]) for one in runs})
    for one in runs:
        subjects, data = opened(one)
        file = writable(out or _default(run, data), folder=False)
        for row, subject in subjects:
            if baselines or row != UNTRAINED:
                subject.to(where).eval()
                measured = measure(subject, data, protocol, shares, *heads, seeds=seeds)
                found.setdefault(row, []).append(measured.scores)
                for name, why in measured.left_out.items():
                    left_out.setdefault(f"{COLUMNS[name]} is left out, {why}", {})[row] = None
    assert data is not None
    rows = {row: _joined(scores) for row, scores in found.items()}
    if baselines and "linear" in rows[ENCODER]:
        rows[RAW] = probed(protocol.raw_features(data), protocol, shares, seeds)
    if "linear" not in rows[ENCODER]:
        print(f"{data.name} has no labels in a training and a test part, so what needs them is left out\n")
    print(table(rows))
    swapped = by_probe({row: {name: _cell(score) for name, score in scores.items()} for row, scores in rows.items()})
    if swapped.rows:
        print(f"\n{rows[ENCODER]['swapped'].mean:,.0f} held-out images on other backgrounds:\n")
        print("\n".join([markdown.head(*swapped.head), *(markdown.row(*row) for row in swapped.rows)]))
    for why, of in left_out.items():
        print(f"{why} ({', '.join(of)})")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"run": runs, "data": data.name, "rows": plain(rows)}, indent=2) + "\n")
    print(f"\n{file}")


def table(rows: dict[str, dict[str, Score]]) -> str:
    """Rows below each other, probes in percent; below them how each column was taken."""
    extra = [name for name in rows[ENCODER] if name.startswith("few@")]
    order = [*list(COLUMNS)[:3], *extra, *list(COLUMNS)[3:]]
    names = [name for name in order if name in rows[ENCODER]]
    titles = [COLUMNS.get(name, name.removeprefix("few@") + " of labels") for name in names]
    lines = [markdown.head("", *titles)]
    lines += [markdown.row(whose, *(_cell(scores.get(name)) for name in names)) for whose, scores in rows.items()]
    notes = [f"{title}: {rows[ENCODER][name].protocol}" for title, name in zip(titles, names, strict=True)]
    return "\n".join([*lines, "", *notes])


def _shares(few_shot: str) -> list[float]:
    """Shares of the labels.

    Raises:
        ValueError: what is none.
    """
    try:
        shares = [float(share) for share in few_shot.split(",") if share]
    except ValueError:
        shares = [0.0]
    if any(not 0 < share < 1 for share in shares):
        raise ValueError(f"few_shot={few_shot}: expected shares above 0 and below 1, such as 0.01,0.1")
    return shares


def _joined(scores: Sequence[dict[str, Score]]) -> dict[str, Score]:
    """Of several runs what was measured of each."""
    names = [name for name in scores[0] if all(name in some for some in scores)]
    return {name: joined([some[name] for some in scores]) for name in names}


def _named(data: Data) -> str:
    """What tells data sets apart whose scores have no mean."""
    return f"{data.name}, {described(data.grid)}, {len(data.classes or ()) or 'no'} classes"


def _check_alike(named: dict[str, str]) -> None:
    """Refuse runs whose scores have no mean.

    Raises:
        ValueError: their data differ.
    """
    if len({*named.values()}) > 1:
        listed = "; ".join(f"{run} of {data}" for run, data in named.items())
        raise ValueError(f"these runs are of different data: {listed}: name runs of the same, or one for all, data=...")


def _cell(score: Score | None) -> str:
    if score is None:
        return ""
    digits = 2 if abs(score.mean) < 10 else 1
    return f"{score.mean:.{digits}f}" + ("" if score.sd is None else f" ± {score.sd:.{digits}f}")


def _of_run(
    run: str, overrides: list[str] | None, view: str, set: str | None, trust: tuple[str, ...]
) -> tuple[Iterator[tuple[str, Subject]], Data]:
    """What is measured of a run, one after the other."""
    model = load(run, set, trust=trust)
    part, its_view = model.held or ("encoder", None)
    if part not in ("encoder", "teacher"):
        raise ValueError(f"{run} holds {part} alone, expected an encoder or a teacher: name the run's folder")
    view = (its_view or UNKNOWN) if view == UNKNOWN else view
    embedder = model.part(part, view)  # refuses what is not held
    assert isinstance(embedder, Embedder)
    data = data_of(model, overrides or [])

    def subjects() -> Iterator[tuple[str, Subject]]:
        yield ENCODER, OfGraph(embedder)
        if model.held is None and model.graph.teacher is not None:
            yield TEACHER, OfGraph(Embedder(model.graph, view, teacher=True))
        twin = untrained(lambda: _twin(model, embedder.normalize), data, model.device)
        yield UNTRAINED, OfGraph(Embedder(twin, view))

    return subjects(), data


def _twin(model: Model, normalize: Normalize) -> Graph:
    """The graph as it was before the training, on data in the same units."""
    torch.manual_seed(model.config["seed"])
    config = model.config | {"allow_collapse": True}
    graph = GraphFactory(config, trust=model.trust).build(model.spec, fitting=model.data is not None)
    graph.normalize.load_state_dict(normalize.state_dict())
    return graph


def _of_timm(
    name: str, weights: Path | None, overrides: list[str] | None
) -> tuple[Iterator[tuple[str, Subject]], Data]:
    """A model of timm's and its untrained twin."""
    if not overrides:
        raise ValueError(f"run={name} has no data of its own: name some, data=...")
    data: Data | Mixed = build_part("data", asked(overrides), at="data")
    if isinstance(data, Mixed):
        raise ValueError("timm's models take one kind of data: name one data set")
    name = name.removeprefix(TIMM)
    trained = OfTimm(name, data.grid, weights)  # refuses what does not fit before anything is computed

    def subjects() -> Iterator[tuple[str, Subject]]:
        yield ENCODER, trained
        if weights is not None:
            torch.manual_seed(0)
            yield UNTRAINED, OfTimm(name, data.grid)

    return subjects(), data


def _default(run: str, data: Data) -> Path:
    file = f"evaluation_{data.name.replace('/', '_')}.json"  # data=gym has names such as ALE/Pong-v5
    return Path(run.replace(":", "_") + "_" + file) if run.startswith(TIMM) else Path(run) / file
