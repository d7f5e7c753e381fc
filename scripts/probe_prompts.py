"""Does a text model say the same of a text in whatever template? Before and after it has learnt to, without targets.

python scripts/probe_prompts.py                        # three trainings a seed, some twelve minutes on two busy cores
python scripts/probe_prompts.py --seeds 0,1,2 [OVERRIDES of all trainings]
python scripts/probe_prompts.py --run outputs/prompts_agree/<time>        # one that is there already

Each seed: experiment=prompts; from its weights experiment=prompts_agree, whose new templates get no target; and as
a control as many steps of the same without the energy between outputs. All numbers are of texts that were held out.
Divergence (nats) and retrieval are between known templates and those of the row; in the first row the known ones are
parted in two.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Mapping, Sequence
from contextlib import redirect_stdout
from datetime import datetime
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

import numpy as np

import ssl_pipeline as sslp
from ssl_pipeline.config.build import build_part
from ssl_pipeline.config.compose import compose
from ssl_pipeline.corruptions import Corruption, Template
from ssl_pipeline.corruptions.template import select_templates
from ssl_pipeline.data import Data, sequential_batches
from ssl_pipeline.evaluation import output_agreement
from ssl_pipeline.evaluation.agreement import found_across
from ssl_pipeline.report import markdown
from ssl_pipeline.structures.batch import clean_view
from ssl_pipeline.structures.random import generator
from ssl_pipeline.training import run

BEFORE, WITHOUT, WITH = "before", "without consistency", "with consistency"
KNOWN = "known"
ROWS = ("known, others", "new, no target", "held out", "held-out families")
COLUMNS = ("right symbols, %", "exact, %", "divergence", "content found, %")
SAMPLES = 1000


class Line(NamedTuple):
    """What is said of the texts in some templates; None where nothing is decoded."""

    accuracy: float | None
    exact: float | None
    divergence: float | None
    found: float


def groups(config: Mapping[str, Any], data: Data) -> dict[str, Corruption]:
    """Templates by what training has seen of them: the folds of a run's families, and all other families."""
    known, new = (config["corruption"][f"template_{i}"] for i in (1, 2))
    families, only = known["families"], known["only"]
    seen = select_templates(families, only, known["fold"])
    shown = {KNOWN: seen[::2], ROWS[0]: seen[1::2], ROWS[1]: select_templates(families, new["only"], new["fold"])}
    trained = {*seen, *shown[ROWS[1]]}
    shown[ROWS[2]] = [t for t in select_templates(families, only) if t not in trained]
    shown[ROWS[3]] = select_templates(families, [name for name in families if name not in only])
    return {n: Template(families={n: some}, room=known["room"]).bind(data.grid) for n, some in shown.items()}


def measured(folder: Path, data: Data, views: Mapping[str, Corruption]) -> dict[str, Line]:
    """A line for each group of templates."""
    found = output_agreement(sslp.load(folder).graph, data.test or data.train, views, SAMPLES)
    pairs = {name: (KNOWN, name) for name in ROWS}
    return {
        name: Line(found.accuracy[name], found.exact[name], found.divergence[pair], found.found[pair])
        for name, pair in pairs.items()
    }


def raw(data: Data, views: Mapping[str, Corruption]) -> dict[str, Line]:
    """Contents found by counts of runs of bytes, of the templates and all."""
    (batch,) = sequential_batches(data.test or data.train, SAMPLES, SAMPLES)
    clean, z = clean_view(data.grid, batch.x, batch.valid), {}
    for name, corrupt in views.items():
        view = corrupt(clean, generator("cpu", "raw", name))
        z[name] = data.baseline(batch._replace(x=view.x, valid=view.valid)).numpy()  # pyright: ignore
    content = np.unique(batch.x.numpy(), axis=0, return_inverse=True)[1].reshape(-1)
    return {name: Line(None, None, None, found_across(z[KNOWN], z[name], content)) for name in ROWS}


def trainings(seed: int, overrides: Sequence[str], root: Path) -> dict[str, Path]:
    """The folders of the three runs of a seed, by what they are."""
    quiet = [
        f"seed={seed}",
        "probe=none",
        "report.page=false",
        "diagnostics.every=0",
        "trainer.enable_progress_bar=false",
    ]
    folders = {name: root / f"{seed}" / name.replace(" ", "_") for name in (BEFORE, WITHOUT, WITH)}
    further = ["experiment=prompts_agree", f"init_from={folders[BEFORE]}"]
    runs = {
        BEFORE: ["experiment=prompts"],
        WITHOUT: [*further, "objective=cross_entropy+info_nce"],
        WITH: further,
    }
    for name, parts in runs.items():
        with redirect_stdout(io.StringIO()):
            run(compose([*parts, *quiet, *overrides]), str(folders[name]))
    return folders


def cell(values: Sequence[float | None], digits: int) -> str:
    """Mean and standard deviation of what seeds gave."""
    some = [value for value in values if value is not None]
    if not some:
        return ""
    return f"{mean(some):.{digits}f}" + (f" ± {stdev(some):.{digits}f}" if len(some) > 1 else "")


def table(lines: Sequence[Mapping[str, Line]], name: str) -> str:
    """A row for each group of templates, over seeds."""
    rows = []
    for group in ROWS:
        each = zip(*(seed[group] for seed in lines), strict=True)
        cells = [cell(values, digits) for values, digits in zip(each, (1, 1, 3, 1), strict=True)]
        rows.append(markdown.row(name, group, *cells))
    return "\n".join(rows)


def main() -> None:
    """Train where there is no run yet, then measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="folder of a run to measure, instead of training")
    parser.add_argument("--seeds", default="0", help="parted by commas")
    asked, overrides = parser.parse_known_args()
    config = sslp.load(asked.run).config if asked.run else compose(["experiment=prompts_agree", *overrides])
    data: Data = build_part("data", config["data"])
    views = groups(config, data)
    print(markdown.table_head("", "templates", *COLUMNS))
    print(table([raw(data, views)], "raw bytes"), flush=True)
    if asked.run:
        print(table([measured(asked.run, data, views)], asked.run.name))
        return
    root = Path("outputs/probe_prompts") / f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
    seeds = [trainings(int(seed), overrides, root) for seed in asked.seeds.split(",")]
    for name in seeds[0]:
        print(table([measured(folders[name], data, views) for folders in seeds], name), flush=True)


if __name__ == "__main__":
    main()
