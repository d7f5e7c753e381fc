"""All corruptions together against each of them alone, at equal wall-clock: the views of an experiment, one by one.

python scripts/bench_claim.py --minutes 2 --seeds 0,1,2 experiment=dag data=fashion_mnist data.root=FOLDER
python scripts/bench_claim.py --tune optimizer.lr=1e-3,3e-3 ...    # the first seed tries each, the others take the best

Rows: the experiment itself (all); each corruption of it alone, decoded to the clean form (mask); two draws of a view,
contrasted (crop-mask_pair). Options are those of the experiment (of numbered views and terms, those of the first), but
small crops are given the full size. With --more also each chain alone, decoded (crop-mask), and pairs decoded as well,
weighed as in the experiment (crop-mask_pair_decoded).
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from bench_methods import run, table
from scipy.stats import t

from ssl_pipeline.config.compose import compose
from ssl_pipeline.structures.batch import family

CONTRAST = "info_nce"


def main() -> None:
    """Run what is missing, then print the table and the interval of the difference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="names of rows, parted by commas; default: all")
    parser.add_argument("--more", action="store_true", help="further rows, see above")
    parser.add_argument("--minutes", type=float, default=2.0, help="of training")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--tune", help="KEY=VALUE,VALUE: an option that each row may choose")
    parser.add_argument("--out", type=Path, default=Path("outputs/bench_claim"), help="folder of the JSONs")
    parser.add_argument("overrides", nargs="+", help="of train.py: the experiment, the data and what all rows share")
    asked = parser.parse_args()
    experiment = next((part for part in asked.overrides if part.startswith("experiment=")), None)
    if experiment is None:
        parser.error("expected an experiment whose views are compared, such as experiment=dag")
    common = [experiment, *(part for part in asked.overrides if part != experiment)]
    every = {"all": [], **rows(compose(common), asked.more)}
    names = asked.only.split(",") if asked.only else list(every)
    if unknown := [name for name in names if name not in every]:
        parser.error(f"there is no row {', '.join(unknown)}; rows are {', '.join(every)}")
    key, _, values = (asked.tune or "").partition("=")
    first, *others = map(int, asked.seeds.split(","))
    for name in names:
        trials = {value: asked.out / f"trial_{value}" for value in values.split(",") if value}
        for value, out in trials.items():
            run(name, first, asked.minutes, out, [*common, *every[name], f"{key}={value}"])
        chosen = []
        if trials:
            value = max(trials, key=lambda value: score(read(trials[value] / f"{name}-{first}.json")))
            (asked.out / f"{name}-{first}.json").write_text((trials[value] / f"{name}-{first}.json").read_text())
            chosen = [f"{key}={value}"]
        for seed in [first, *others]:
            run(name, seed, asked.minutes, asked.out, [*common, *every[name], *chosen])
    print(table(asked.out))
    print(difference(asked.out))


def score(summary: Mapping[str, Any]) -> float:
    """What the best is the best in: the mean of kNN and linear probe."""
    return (summary["knn"] + summary["linear"]) / 2


def read(file: Path) -> dict[str, Any]:
    """A result."""
    return json.loads(file.read_text())


def difference(out: Path) -> str:
    """All together minus the best single view, seed by seed, and its 95 % interval."""
    found: dict[str, dict[int, float]] = {}
    for file in out.glob("*.json"):
        summary = read(file)
        found.setdefault(summary["row"], {})[summary["seed"]] = score(summary)
    ours = found.pop("all", {})
    rivals = {name: scores for name, scores in found.items() if ours.keys() <= scores.keys()}
    if not ours or not rivals:
        return "nothing to compare yet"
    rival = max(rivals, key=lambda name: mean(rivals[name][seed] for seed in ours))
    gains = [ours[seed] - rivals[rival][seed] for seed in ours]
    n = len(gains)
    half = t.ppf(0.975, n - 1) * stdev(gains) / n**0.5 if n > 1 else float("nan")
    return (
        f"all - {rival}, the best single view, mean of kNN-20 and linear, {n} seeds: {mean(gains):+.2f}, "
        f"95 % interval {mean(gains) - half:+.2f} to {mean(gains) + half:+.2f}"
    )


def rows(config: Mapping[str, Any], more: bool) -> dict[str, list[str]]:
    """Overrides of each row but the first, by name."""
    views: Mapping[str, Any] = config["corruption"]
    terms = dict.fromkeys(family(name) for name in config["objective"])
    if len(terms) != 2 or CONTRAST not in terms:
        raise SystemExit(f"error: expected an experiment with {CONTRAST} and one term that decodes, such as dag")
    (decoder,) = terms.keys() - {CONTRAST}
    views = {family(view): views[view] for view in reversed([*views])}
    first = next(name for name in config["objective"] if family(name) == CONTRAST)
    loss = [] if first == CONTRAST else [*flat(f"objective.{CONTRAST}.loss", config["objective"][first]["loss"])]
    pairs = {f"{view}_pair": [*pair(view, options, CONTRAST), *loss] for view, options in views.items()}
    plain = {view: options for view, options in views.items() if "-" not in view}
    plain |= {name: part for view, options in views.items() if "-" in view for name, part in parts(options)}
    alone = {name: single(name, options, decoder) for name, options in plain.items()}
    if not more:
        return {**pairs, **alone}
    chains = {view: single(view, options, decoder) for view, options in views.items() if "-" in view}
    both = {
        f"{view}_pair_decoded": [*pair(view, options, f"{CONTRAST}+{decoder}"), *loss]
        for view, options in views.items()
    }
    return {**pairs, **alone, **chains, **both}


def single(view: str, options: Any, objective: str) -> list[str]:
    """One view, decoded."""
    whole = [f"objective.{objective}.{key}=1" for key in ("weight", "share")]
    return [f"corruption={view}", f"objective={objective}", *whole, *flat(f"corruption.{view}", options)]


def pair(view: str, options: Any, objective: str) -> list[str]:
    """Two draws of a view."""
    twice = [part for number in (1, 2) for part in flat(f"corruption.{view}_{number}", options)]
    return [
        f"corruption={view}+{view}",
        f"objective={objective}",
        f"objective.{CONTRAST}.anchors=null",
        f"objective.{CONTRAST}.views=null",
        *twice,
    ]


def parts(options: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The corruptions of a chain but its crop."""
    yield from ((name, part) for name, part in options.items() if isinstance(part, Mapping) and name != "crop")


def flat(name: str, options: Any) -> Iterator[str]:
    """Overrides that give a view all of its options, in full size."""
    if isinstance(options, Mapping):
        for key, value in options.items():
            if not key.startswith("_"):
                yield from flat(f"{name}.{key}", None if key == "size" else value)
    else:
        yield f"{name}={json.dumps(options)}"


if __name__ == "__main__":
    main()
