"""Probe encoders, each with its baselines."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ssl_pipeline.api import Run
from ssl_pipeline.commands.runs import folder_of, one_or_several, open_model
from ssl_pipeline.config.overrides import OptionsLike
from ssl_pipeline.utils.places import refuse_link, writable
from ssl_pipeline.utils.signatures import checked

if TYPE_CHECKING:
    from ssl_pipeline.evaluation.subjects import Subjects
    from ssl_pipeline.inference.model import Model
    from ssl_pipeline.inference.recognizer import Recognizer
    from ssl_pipeline.report.evaluation_table import Evaluation

TIMM = "timm:"


@checked
def evaluate(
    run: str | Path | Run | Model | Sequence[str | Path | Run | Model],
    data: Any = None,
    options: OptionsLike | None = None,
    out: str | Path | None = None,
    weights: str | Path | None = None,
    view: str = "unknown",
    few_shot: Sequence[float] = (0.01, 0.1),
    attentive: int = 0,
    finetune: int = 0,
    seeds: int = 3,
    limit: int = 20_000,
    corrupted: int = 500,
    restored: int = 50,
    baselines: bool = True,
    device: str = "auto",
    set: str | None = None,
    trust: tuple[str, ...] = (),
    labels: Any = None,
) -> Evaluation:
    """Probes of an encoder, of the raw input and of an untrained twin, as a table and a JSON.

    kNN-20, logistic regression on all and on some of the labels, retrieval by source; with attentive= and finetune=
    also heads that are trained by gradient; without labels RankMe, alpha-ReQ and LiDAR. Where the foreground of images
    is known, kNN-20 and logistic regression see them on other backgrounds, too.

    A run that restores, and that cannot yet tell what happened to a sample, learns it from its own data and keeps it.

    Args:
        run: folder of a run or of an exported encoder; in Python also a Run or a Model. Several with commas between
            them (the same with other seeds) give mean and standard deviation. Or timm:NAME for a model of timm's.
        data: another data set than the run's own, by name, data.root=... as in training; in Python also a folder or
            whatever pretrain takes.
        options: of the data set, in Python: {"data.root": ...}.
        out: the JSON; by default evaluation_DATA.json in the run's folder.
        weights: of timm:NAME, a file; without it, the model is untrained.
        view: their corruption; none by default.
        few_shot: shares of the labels for further linear probes, with commas between them, below 1; none: few_shot=
        attentive: epochs of an attentive probe; 0 for none.
        finetune: epochs of fine-tuning a copy of the encoder; 0 for none.
        seeds: of the draws of few labels, and of heads that are trained.
        limit: labelled samples, the first ones of the training part.
        corrupted: test samples that are also asked about corrupted; 0 for none.
        restored: test samples that are corrupted and restored, of a run that has learned it; 0 for none, and what
            happened to a sample is not learned either.
        baselines: whether the raw input and the untrained encoder are probed, too.
        device: cpu, cuda ... or auto.
        set: name of the data set whose model is wanted, of a run on several.
        trust: packages of your own whose classes the run may name, with commas between them.
        labels: in Python, one for each sample of data that is passed itself.
    """
    from ssl_pipeline.evaluation.comparison import compare_encoders, measures
    from ssl_pipeline.report.evaluation_table import Evaluation

    runs = _runs(run, out, weights)
    how = measures(few_shot, attentive, finetune, seeds, limit, corrupted, restored)
    opened = [_opened(one, data, options, labels, weights, view, device, set, trust) for one in runs]
    names, of = [_said(one) for one in runs], opened[0].data.name
    file = _file(runs[0], of, out)
    _check_alike(names, opened)
    table = Evaluation(compare_encoders(opened, how, baselines), of, names, file)
    if file is not None:
        table.write()
    return table


def _runs(run: Any, out: str | Path | None, weights: str | Path | None) -> list[str | Path | Run | Model]:
    """One or several.

    Raises:
        ValueError: several without a place for their table, or one of them twice; weights for a run.
    """
    runs = one_or_several(run)
    words = ",".join(map(_said, runs))
    timm = [one for one in runs if isinstance(one, str) and one.startswith(TIMM)]
    if len(runs) > 1 and (out is None or timm):
        raise ValueError("several runs need out=FILE.json, and each is a folder")
    folders = [folder.resolve() for one in runs if (folder := folder_of(one)) is not None]
    if len({*folders}) < len(folders):
        raise ValueError(f"run={words} names a run twice, and a deviation is one between different runs: "
                         f"name each once")  # fmt: skip
    if weights is not None and not timm:
        raise ValueError(f"weights={weights} is of timm:NAME, and a run's folder holds its own: leave it out")
    if out is not None:
        writable(Path(out), folder=False)
    return runs


def _said(run: str | Path | Run | Model) -> str:
    """A run in words."""
    folder = folder_of(run)
    return "a model in memory" if folder is None else str(run if isinstance(run, str) else folder)


def _opened(
    run: str | Path | Run | Model,
    data: Any,
    options: OptionsLike | None,
    labels: Any,
    weights: str | Path | None,
    view: str,
    device: str,
    set: str | None,
    trust: tuple[str, ...],
) -> Subjects:
    """The encoders of a run, or of timm, with the samples that they are measured on."""
    from ssl_pipeline.evaluation.subjects import subjects_of_run, subjects_of_timm
    from ssl_pipeline.inference.dataset import data_of, data_of_timm
    from ssl_pipeline.utils.devices import device_of

    if isinstance(run, str) and run.startswith(TIMM):
        images = data_of_timm(run, data, options, labels)
        weights = None if weights is None else Path(weights)
        return subjects_of_timm(run.removeprefix(TIMM), weights, images, device_of(device))
    model = open_model(run, set, trust, device)
    keep = None if data is not None or options or model.recognizer is not None else _keeper(run, model)
    return subjects_of_run(model, data_of(model, data, options, labels), view, keep)


def _keeper(run: str | Path | Run | Model, model: Model) -> Callable[[Recognizer], None] | None:
    """Puts what tells what happened to samples next to the weights, and into the object that was passed; None where
    nothing can be written.

    Raises:
        ValueError: a link stands in its place.
    """
    from ssl_pipeline.inference.recognizer import FILE, write_recognizer

    if (folder := folder_of(run)) is None:
        return partial(setattr, model, "recognizer")
    if not os.access(folder, os.W_OK):
        return None
    place = folder if model.data is None else folder / model.data
    for written in (*place.glob(f"{FILE}*"), *([] if model.data is None else [place])):
        refuse_link(written)

    def keep(recognizer: Recognizer) -> None:
        write_recognizer(recognizer, place)
        if isinstance(run, Run) and model.data is None:
            run.model.recognizer = recognizer

    return keep


def _file(run: str | Path | Run | Model, data: str, out: str | Path | None) -> Path | None:
    """Where the JSON goes; of a model in memory nowhere, unless a place is named.

    Raises:
        ValueError: nothing can be written there.
    """
    plain = re.sub(r"[^\w.-]+", "_", data)  # of "digits with texts", or of an environment as ALE/Pong-v5
    name, folder = f"evaluation_{plain}.json", folder_of(run)
    if out is None and folder is None:
        return None
    if out is None and isinstance(run, str) and run.startswith(TIMM):
        return writable(Path(f"{run.replace(':', '_')}_{name}"), folder=False)
    return writable(Path(out) if out is not None else Path(str(folder)) / name, folder=False)


def _check_alike(names: Sequence[str], runs: Sequence[Subjects]) -> None:
    """Refuse runs whose scores have no mean.

    Raises:
        ValueError: their data differ.
    """
    from ssl_pipeline.inference.dataset import described

    sets = [f"{data.name}, {described(data.grid)}, {len(data.classes or ()) or 'no'} classes" for _, data, *_ in runs]
    if len({*sets}) > 1:
        listed = "; ".join(f"{run} of {data}" for run, data in zip(names, sets, strict=True))
        raise ValueError(f"these runs are of different data: {listed}: name runs of the same, or one for all, data=...")
