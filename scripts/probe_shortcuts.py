"""Shortcuts: how much of what objectives find in images is their background, with equal steps for each.

python scripts/probe_shortcuts.py --seeds 0,1,2 --steps 300
python scripts/probe_shortcuts.py --only mae,simclr --agreements 0.95 data.tells=texture    # overrides of train.py

Backgrounds go with the class as often as --agreements say; one in ten, and they tell nothing. What is there is not run
again, and the tables are of all that is there.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from contextlib import redirect_stdout
from os import devnull
from pathlib import Path
from statistics import mean, stdev

from ssl_pipeline.config.compose import compose
from ssl_pipeline.evaluation.backgrounds import TITLES
from ssl_pipeline.report import markdown
from ssl_pipeline.training import run


def crops(**options: float) -> list[str]:
    """The same options of both crops."""
    return [f"corruption.crop_{which}.{name}={value}" for which in (1, 2) for name, value in options.items()]


ROWS = {
    "dae": ["experiment=dae"],
    "mae": ["experiment=mae"],
    "simclr, colours kept": ["experiment=shortcuts"],
    "simclr": ["experiment=simclr"],
    "simclr, colours drawn": ["experiment=simclr", *crops(saturation=0.8, hue=0.5, grayscale=0.5)],
    "vicreg": ["experiment=vicreg"],
    "dag": ["experiment=dag"],
}
PROBES = {"knn": "kNN-20", "linear": "linear"}
WITH_BASELINES = "simclr"
"""The row whose runs also measure what has no training."""
BASELINES = {"_untrained": "untrained encoder", "_raw": "raw input"}


def main() -> None:
    """Run what is missing, then print a table a probe."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help=f"rows, parted by semicolons, of: {'; '.join(ROWS)}")
    parser.add_argument("--agreements", default="0.95,0.1")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--steps", type=int, default=300, help="of training")
    parser.add_argument("--out", type=Path, default=Path("outputs/probe_shortcuts"), help="folder of the JSONs")
    asked, overrides = parser.parse_known_args()
    names = asked.only.split(";") if asked.only else [*ROWS]
    if unknown := [name for name in names if name not in ROWS]:
        parser.error(f"there is no row {', '.join(unknown)}; rows are {'; '.join(ROWS)}")
    common = ["data=backgrounds", f"trainer.max_steps={asked.steps}", "trainer.max_epochs=-1", *overrides]
    for seed in asked.seeds.split(","):
        for name in names:
            for agreement in asked.agreements.split(","):
                words = [*ROWS[name], *common, f"data.agreement={agreement}", f"seed={seed}", f"data.seed={seed}"]
                measure(name, words, asked.out / f"{name.replace(', ', '-').replace(' ', '_')}-{agreement}-{seed}.json")
    found = [json.loads(file.read_text()) for file in sorted(asked.out.glob("*.json"))]
    for probe in PROBES:
        print(f"\n{table(found, probe)}")


def measure(name: str, words: list[str], file: Path) -> None:
    """One run, unless its result is there."""
    if file.exists():
        if json.loads(file.read_text())["asked"] != words:
            sys.exit(f"error: {file} was made with other options: take another --out, or delete it")
        return
    print(" ".join(words), flush=True)
    folder = file.parent / "runs" / file.stem
    shutil.rmtree(folder, ignore_errors=True)
    quiet = [f"probe.baselines={str(name == WITH_BASELINES).lower()}", "probe.budget=null"]
    quiet += ["trainer.enable_progress_bar=false", "report.page=false", "probe.online=0", "probe.protocol.few_shot=0"]
    with open(devnull, "w") as nowhere, redirect_stdout(nowhere):
        summary = run(compose([*words, *quiet]), str(folder))
    made = compose(words)["data"]["agreement"]
    file.write_text(json.dumps(summary | {"row": name, "agreement": made, "asked": words}, indent=2))


def table(found: list[dict], probe: str) -> str:
    """Markdown: a row an objective and agreement, means over seeds; the last rows have no training."""
    lines = [markdown.table_head(PROBES[probe], "agreement", *TITLES.values())]
    for agreement in sorted({one["agreement"] for one in found}, reverse=True):
        alike = [one for one in found if one["agreement"] == agreement]
        for name in ROWS:
            if some := [one for one in alike if one["row"] == name]:
                lines.append(markdown.row(name, agreement, *(cell(some, f"{probe}/{key}") for key in TITLES)))
        for suffix, title in BASELINES.items():
            if some := [one for one in alike if one["row"] == WITH_BASELINES]:
                lines.append(markdown.row(title, agreement, *(cell(some, f"{probe}/{key}{suffix}") for key in TITLES)))
    return "\n".join(lines)


def cell(some: list[dict], key: str) -> str:
    """Mean and standard deviation over seeds."""
    values = [one[key] for one in some]
    return f"{mean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")


if __name__ == "__main__":
    main()
