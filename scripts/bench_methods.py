"""Experiments side by side: the same data and wall-clock, one JSON a run; what is there is not run again, also where
the file of an experiment has changed.

python scripts/bench_methods.py --minutes 5 --seeds 0 data=fashion_mnist data.root=FOLDER
python scripts/bench_methods.py --only simclr,mae              # some of them; prints the table of all that are there
python scripts/bench_methods.py --rows FILE                    # YAML: a name and a list of overrides for each row
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from statistics import mean, stdev

import yaml

from ssl_pipeline.evaluation import P1
from ssl_pipeline.report import markdown

ROOT = Path(__file__).resolve().parents[1]
PROBES = {
    "knn": "kNN-20",
    "linear": "linear",
    "corrupted/knn": "kNN corrupted",
    "corrupted/linear": "linear corrupted",
    "corrupted/found": "form found",
}
COLUMNS = {"samples_per_s": "samples/s", **PROBES, "rankme": "RankMe", "std": "std"}
BASELINES = {
    f"{key}_{suffix}": f"{whose} {COLUMNS[key]}"
    for suffix, whose in (("teacher", "teacher's"), ("untrained", "untrained"))
    for key in ("knn", "linear")
}


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    files = sorted((ROOT / "conf/experiment").glob("*.yaml"))
    every = [file.stem for file in files if "override /data" not in file.read_text()]  # others bring data of their own
    parser.add_argument("--only", help="names of rows, parted by commas; default: all")
    parser.add_argument("--rows", type=Path, help="YAML file of rows; default: a row an experiment")
    parser.add_argument("--minutes", type=float, default=5.0, help="of training")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--out", type=Path, default=Path("outputs/bench_methods"), help="folder of the JSONs")
    parser.add_argument("overrides", nargs="*", help="of train.py, the same for all")
    asked = parser.parse_args()
    rows = read_rows(asked.rows, parser) if asked.rows else {name: [f"experiment={name}"] for name in every}
    names = chosen_rows(asked.only, rows, parser)
    for seed in [int(seed) for seed in asked.seeds.split(",")]:
        for name in names:
            run(name, seed, asked.minutes, asked.out, [*rows[name], *asked.overrides])
    print(table(asked.out))


def read_rows(file: Path, parser: argparse.ArgumentParser) -> dict[str, list[str]]:
    """Overrides of each row of a YAML file, by name."""
    if not file.is_file():
        parser.error(f"there is no file {file}")
    return yaml.safe_load(file.read_text())


def chosen_rows(only: str | None, rows: Mapping[str, list[str]], parser: argparse.ArgumentParser) -> list[str]:
    """Names of rows, parted by commas; None: all."""
    names = only.split(",") if only else list(rows)
    if unknown := [name for name in names if name not in rows]:
        parser.error(f"there is no row {', '.join(unknown)}; rows are {', '.join(rows)}")
    return names


def run(name: str, seed: int, minutes: float, out: Path, overrides: list[str], steps: int | None = None) -> None:
    """One run, unless its result is there; a run that was broken off begins anew.

    Args:
        name: of the row.
        seed: of the run.
        minutes: of training.
        out: folder of the results.
        overrides: of train.py.
        steps: of training, in place of the minutes.
    """
    bound = minutes if steps is None else f"trainer.max_steps={steps}"
    result = out / f"{name}-{seed}.json"
    if result.exists():
        known, protocol = json.loads(result.read_text()), P1().name
        if known["asked"] != [bound, *overrides]:
            other = f"{result} was made with another length of training or other overrides"
            sys.exit(f"error: {other}: take another --out, or delete it")
        if (other := known.get("protocol", protocol)) != protocol:
            sys.exit(f"error: {result} was scored by protocol {other}, expected {protocol}: take another --out")
        return
    folder = out / "runs" / f"{name}-{seed}"
    seconds = round(60 * minutes)
    time = f"trainer.max_time=00:{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    command = [
        *(sys.executable, str(ROOT / "train.py"), f"seed={seed}", f"hydra.run.dir={folder}"),
        *("trainer.max_epochs=-1", time if steps is None else str(bound), "probe.online=0", "probe.budget=null"),
        *overrides,
    ]
    shutil.rmtree(folder, ignore_errors=True)
    print(" ".join(command[1:]), flush=True)
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    if done.returncode:
        sys.exit(f"error: {name} failed with exit code {done.returncode}: mend it, or leave it out with --only")
    summary = json.loads((folder / "summary.json").read_text())
    result.write_text(json.dumps(summary | {"row": name, "seed": seed, "asked": [bound, *overrides]}, indent=2))


def table(out: Path) -> str:
    """Markdown: a row an experiment, means over seeds, its untrained encoder and the raw input."""
    runs: dict[str, list[dict]] = {}
    for file in sorted(out.glob("*.json")):
        summary = json.loads(file.read_text())
        runs.setdefault(summary["row"], []).append(summary)
    others = {key: head for key, head in BASELINES.items() if any(key in s for some in runs.values() for s in some)}
    lines = [markdown.table_head("", *COLUMNS.values(), *others.values())]
    for name, some in sorted(runs.items(), key=lambda item: -mean(s.get("knn", 0) for s in item[1])):
        cells = [_cell(some, key) for key in (*COLUMNS, *others)]
        lines.append(markdown.row(f"`{name}`", *cells))
    raw = next((s for some in runs.values() for s in some if "knn_raw" in s), {})
    if raw:
        empty = [""] * (len(COLUMNS) + len(others) - 1 - len(PROBES))
        scores = (_cell([raw], f"{key}_raw") for key in PROBES)
        lines.append(markdown.row("raw input", "", *scores, *empty))
    return "\n".join(lines)


def _cell(some: list[dict], key: str) -> str:
    values = [s[key] for s in some if key in s]
    if not values:
        return ""
    digits = 0 if key == "samples_per_s" else 3 if key == "std" else 1
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{mean(values):,.{digits}f}{spread}"


if __name__ == "__main__":
    main()
