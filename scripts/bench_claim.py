"""A row of experiments against the others, at equal time and tuning: on clean samples and on corrupted ones.

python scripts/bench_claim.py scripts/claim/images.yaml --minutes 1.5 data=fashion_mnist data.root=FOLDER
python scripts/bench_claim.py FILE --tune optimizer.lr=2e-3,5e-3 ...    # each row tries both with seed 0

The file is one of bench_methods.py: a name and a list of overrides for each row. The first row is compared with each of
the others, seed by seed. A row chooses the value with the best mean of the probes, clean and corrupted. All runs of a
row take as many steps as it does in the minutes: first each row is timed, and nothing else should be running then. With
--behind 5 a rival that in its trial is more than 5 points behind the best rival, in each of the measures, runs no more.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import StatisticsError, mean, stdev
from typing import Any

from bench_methods import chosen_rows, read_rows, run, table
from scipy.stats import t

from ssl_pipeline.report import markdown

SEVERITY = "3"
ALONE = "probe.baselines=false"
HARDLY_SCORED = ALONE, "probe=clean", "probe.protocol.train_limit=200", "probe.protocol.test_limit=50"
ROUGHLY_SCORED = [
    f"probe.protocol.{few}" for few in ("train_limit=5000", "test_limit=2000", "corrupted.samples=200")
]  # which is enough to choose by
TUNED = "knn", "linear", "corrupted/knn", "corrupted/linear"
Scores = Mapping[str, Any]


def found(scores: Scores) -> float:
    """Percent of the clean forms that are found at severity 3, of the mean family."""
    forms: Mapping[str, float] = scores["corrupted_forms"]["found"]
    return mean(value for form, value in forms.items() if form.endswith(f"/{SEVERITY}"))


MEASURES: dict[str, Callable[[Scores], float]] = {
    "clean, mean of kNN and linear": lambda scores: mean((scores["knn"], scores["linear"])),
    "corrupted kNN": lambda scores: scores["corrupted/knn"],
    "corrupted linear": lambda scores: scores["corrupted/linear"],
    f"form found at severity {SEVERITY}": found,
}


def main() -> None:
    """Run what is missing, then print the table and the differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path, help="YAML file of rows, the one to be compared first")
    parser.add_argument("--only", help="names of rows, parted by commas; default: all")
    parser.add_argument("--minutes", type=float, default=1.5, help="of training")
    parser.add_argument("--timing", type=float, default=0.5, help="minutes in which each row is timed")
    parser.add_argument("--seeds", default="1,2,3,4,5")
    parser.add_argument("--tune", help="KEY=VALUE,VALUE: an option that each row chooses with seed 0")
    parser.add_argument("--behind", type=float, help="points by which a rival that runs no more is behind in its trial")
    parser.add_argument("--out", type=Path, default=Path("outputs/bench_claim"), help="folder of the JSONs")
    parser.add_argument("overrides", nargs="*", help="of train.py, the same for all")
    asked = parser.parse_intermixed_args()
    rows = read_rows(asked.rows, parser)
    names = chosen_rows(asked.only, rows, parser)
    key, _, values = (asked.tune or "").partition("=")
    steps: dict[str, int] = {}
    for name in names:
        run(name, 0, asked.timing, asked.out / "timing", [*rows[name], *HARDLY_SCORED, *asked.overrides])
        timed = read(asked.out / "timing" / f"{name}-0.json")
        steps[name] = round(60 * asked.minutes * timed["steps"] / timed["seconds"])
    chosen: dict[str, list[str]] = {name: [] for name in names}
    tried: dict[str, Scores] = {}
    for name in names if values else ():
        trials: dict[str, Scores] = {}
        for value in values.split(","):
            out = asked.out / f"trial_{value}"
            overrides = [*rows[name], f"{key}={value}", ALONE, *ROUGHLY_SCORED, *asked.overrides]
            run(name, 0, asked.minutes, out, overrides, steps[name])
            trials[value] = read(out / f"{name}-0.json")
        best = max(trials, key=lambda value: tuned(trials[value]))
        chosen[name], tried[name] = [f"{key}={best}"], trials[best]
    ours = next(iter(rows))
    if asked.behind is not None and tried:
        names = going_on(tried, ours, asked.behind)
    for seed in map(int, asked.seeds.split(",")):
        for name in names:
            alone = [] if name == ours else [ALONE]  # raw input is scored once for all rows
            overrides = [*rows[name], *chosen[name], *alone, *asked.overrides]
            run(name, seed, asked.minutes, asked.out, overrides, steps[name])
    print(table(asked.out))
    print()
    print(differences(asked.out, ours))


def tuned(scores: Scores) -> float:
    """What the best trial is the best in: the mean of the probes that there are."""
    known = [scores[key] for key in TUNED if key in scores]
    if not known:
        raise SystemExit(f"error: no trial has any of {', '.join(TUNED)}: expected labelled data, or leave out --tune")
    return mean(known)


def going_on(tried: Mapping[str, Scores], ours: str, behind: float) -> list[str]:
    """The row to be compared, and its rivals that in some measure are no further behind the best of them."""
    rivals = {name: [of(scores) for of in MEASURES.values()] for name, scores in tried.items() if name != ours}
    best = [max(some) for some in zip(*rivals.values(), strict=True)]
    return [
        name
        for name in tried
        if name == ours or any(top - one <= behind for top, one in zip(best, rivals[name], strict=True))
    ]


def read(file: Path) -> dict[str, Any]:
    """A result."""
    return json.loads(file.read_text())


def differences(out: Path, ours: str) -> str:
    """Markdown: a row minus each other one, mean over the seeds that both have, and its 95 % interval (Student's t)."""
    results: dict[str, dict[int, Scores]] = {}
    for file in sorted(out.glob("*.json")):
        summary = read(file)
        results.setdefault(summary["row"], {})[summary["seed"]] = summary
    own = results.pop(ours, {})
    rivals = {f"`{name}`": scores for name, scores in results.items()} | {"raw input": _raw(own)}
    lines = [markdown.table_head(f"`{ours}` minus", *MEASURES)]
    for name, others in rivals.items():
        seeds = sorted(own.keys() & others.keys())
        gains = [[_gain(of, own[seed], others[seed]) for seed in seeds] for of in MEASURES.values()]
        cells = [interval([gain for gain in some if gain is not None]) for some in gains]
        if any(cells):
            lines.append(markdown.row(name, *cells))
    return "\n".join(lines) if len(lines) > 1 else "nothing to compare yet"


def _raw(own: Mapping[int, Scores]) -> dict[int, Scores]:
    """Scores of the raw input by seed, under the names of an encoder's."""
    return {
        seed: {key.removesuffix("_raw"): value for key, value in scores.items() if key.endswith("_raw")}
        for seed, scores in own.items()
    }


def _gain(of: Callable[[Scores], float], ours: Scores, other: Scores) -> float | None:
    """A difference; None where one of the two was not measured."""
    try:
        return of(ours) - of(other)
    except (KeyError, StatisticsError):
        return None


def interval(gains: list[float]) -> str:
    """Mean and 95 % interval.

    >>> interval([1.0, 2.0, 3.0])
    '+2.0 (-0.5 to +4.5)'
    """
    n = len(gains)
    if n < 2:
        return f"{gains[0]:+.1f}" if gains else ""
    half = t.ppf(0.975, n - 1) * stdev(gains) / n**0.5
    return f"{mean(gains):+.1f} ({mean(gains) - half:+.1f} to {mean(gains) + half:+.1f})"


if __name__ == "__main__":
    main()
