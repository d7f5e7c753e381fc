"""Experiments side by side: the same data and wall-clock, one JSON a run; what is there is not run again.

python scripts/bench_methods.py --minutes 5 --seeds 0 data=fashion_mnist data.root=FOLDER
python scripts/bench_methods.py --only simclr,mae              # some of them; prints the table of all that are there
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import mean, stdev

ROOT = Path(__file__).resolve().parents[1]
COLUMNS = {"samples_per_s": "samples/s", "knn": "kNN-20", "linear": "linear", "rankme": "RankMe", "std": "std"}
BESIDE = ("knn", "linear")


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    every = sorted(path.stem for path in (ROOT / "conf/experiment").glob("*.yaml"))
    parser.add_argument("--only", default=",".join(every), help="names of experiments; default: all")
    parser.add_argument("--minutes", type=float, default=5.0, help="of training")
    parser.add_argument("--seeds", default="0")
    parser.add_argument("--out", type=Path, default=Path("outputs/bench_methods"), help="folder of the results")
    parser.add_argument("overrides", nargs="*", help="of train.py, the same for all")
    asked = parser.parse_args()
    seeds = [int(seed) for seed in asked.seeds.split(",")]
    for name in asked.only.split(","):
        for seed in seeds:
            run(name, seed, asked.minutes, asked.out, asked.overrides)
    print(table(asked.out))


def run(name: str, seed: int, minutes: float, out: Path, overrides: list[str]) -> None:
    """One run, unless its result is there; a run that was broken off begins anew."""
    result = out / f"{name}-{seed}.json"
    if result.exists():
        return
    folder = out / f"{name}-{seed}"
    seconds = round(60 * minutes)
    time = f"00:{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    command = [
        *(sys.executable, str(ROOT / "train.py"), f"experiment={name}", f"seed={seed}", f"hydra.run.dir={folder}"),
        *("trainer.max_epochs=-1", f"trainer.max_time={time}", "probe.online=0", *overrides),
    ]
    subprocess.run(["rm", "-rf", str(folder)], check=True)
    print(" ".join(command[1:]), flush=True)
    done = subprocess.run(command, stdout=subprocess.DEVNULL, check=False)
    if done.returncode == 0:
        summary = json.loads((folder / "summary.json").read_text())
        result.write_text(json.dumps(summary | {"experiment": name, "seed": seed, "overrides": overrides}, indent=2))


def table(out: Path) -> str:
    """Markdown: a row an experiment, means over seeds, its untrained encoder and the raw input beside."""
    runs: dict[str, list[dict]] = {}
    for file in sorted(out.glob("*.json")):
        summary = json.loads(file.read_text())
        runs.setdefault(summary["experiment"], []).append(summary)
    heads = [*COLUMNS.values(), *(f"untrained {COLUMNS[key]}" for key in BESIDE)]
    lines = [f"| experiment | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for name, some in sorted(runs.items(), key=lambda item: -max(s.get("knn", 0) for s in item[1])):
        cells = [_cell(some, key) for key in (*COLUMNS, *(f"{key}_untrained" for key in BESIDE))]
        lines.append(f"| `{name}` | {' | '.join(cells)} |")
    raw = next((s for some in runs.values() for s in some if "knn_raw" in s), {})
    if raw:
        lines.append(f"| raw input | | {raw['knn_raw']:.1f} | {raw['linear_raw']:.1f} |" + " |" * (len(heads) - 3))
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
