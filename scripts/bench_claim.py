"""All damages together against each of them alone, at equal wall-clock: the views of an experiment, one by one.

python scripts/bench_claim.py --minutes 3 --seeds 0,1,2 experiment=dag data=fashion_mnist data.root=FOLDER

Rows: the experiment itself (dag); each of its views alone, decoded to the clean form (crop-mask) and without its crop
(mask); two draws of each view with the contrast alone (crop-mask_pair) and with the decoder as well, weighed as in the
experiment (crop-mask_pair_decoded). Options are those of the experiment, but small crops are given the full size.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench_methods import run, table

from ssl_pipeline.config import compose

CONTRAST = "info_nce"
LEFT_OUT = ("_target_", "_partial_", "size")


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="names of rows, parted by commas; default: all")
    parser.add_argument("--minutes", type=float, default=3.0, help="of training")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--out", type=Path, default=Path("outputs/bench_claim"), help="folder of the results")
    parser.add_argument("overrides", nargs="+", help="of train.py: the experiment, the data and what all rows share")
    asked = parser.parse_args()
    experiment = next((part for part in asked.overrides if part.startswith("experiment=")), "experiment=dag")
    common = [part for part in asked.overrides if not part.startswith("experiment=")]
    every = {"dag": [experiment], **rows(compose([experiment, *common]))}
    names = asked.only.split(",") if asked.only else list(every)
    if unknown := [name for name in names if name not in every]:
        parser.error(f"there is no row {', '.join(unknown)}; rows are {', '.join(every)}")
    for seed in map(int, asked.seeds.split(",")):
        for name in names:
            run(name, seed, asked.minutes, asked.out, [*every[name], *common])
    print(table(asked.out))


def rows(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Overrides of each row but the first, by name."""
    views: Mapping[str, Any] = config["corruption"]
    decoder = next(name for name in config["objective"] if name != CONTRAST)
    alone = {view: single(view, options, decoder) for view, options in views.items()}
    bare = {name: part for view, options in views.items() if "-" in view for name, part in parts(options)}
    alone |= {name: single(name, part, decoder) for name, part in bare.items() if name not in views}
    pairs = {f"{view}_pair": pair(view, options, CONTRAST) for view, options in views.items()}
    weight = f"objective.{decoder}.weight={config['objective'][decoder]['weight']}"
    both = {
        f"{view}_pair_decoded": [*pair(view, options, f"{CONTRAST}+{decoder}"), weight]
        for view, options in views.items()
    }
    return {**pairs, **alone, **both}


def single(view: str, options: Any, objective: str) -> list[str]:
    """One view, decoded."""
    return [f"corruption={view}", f"objective={objective}", *flat(f"corruption.{view}", options)]


def pair(view: str, options: Any, objective: str) -> list[str]:
    """Two draws of a view."""
    twice = [part for number in (1, 2) for part in flat(f"corruption.{view}_{number}", options)]
    return [f"corruption={view}+{view}", f"objective={objective}", *twice]


def parts(options: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The damages of a chain."""
    yield from ((name, part) for name, part in options.items() if isinstance(part, Mapping))


def flat(name: str, options: Any) -> Iterator[str]:
    """Overrides that give a view all of its options."""
    if isinstance(options, Mapping):
        for key, value in options.items():
            if key not in LEFT_OUT:
                yield from flat(f"{name}.{key}", value)
    else:
        yield f"{name}={'null' if options is None else str(options).replace(' ', '').lower()}"


if __name__ == "__main__":
    main()
