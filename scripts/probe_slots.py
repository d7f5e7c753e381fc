"""How much text a latent of K slots holds: unseen strings that come back exactly, by number and width of slots.

python scripts/probe_slots.py --slots 1,2,4,8 --widths 16,64 [OVERRIDES of experiment=text_autoencoder]
python scripts/probe_slots.py --run outputs/text_autoencoder/<time>      # a run that is there already
"""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

import ssl_pipeline as sslp
from ssl_pipeline.config.build import build_part
from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import Data
from ssl_pipeline.evaluation.strings import exact_match
from ssl_pipeline.training import run


def main() -> None:
    """Train where there is no run yet, then measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="folder of a run to measure, instead of training")
    parser.add_argument("--slots", type=numbers, default=[1, 2, 4, 8])
    parser.add_argument("--widths", type=numbers, default=[16, 64])
    parser.add_argument("--samples", type=int, default=2000, help="unseen strings")
    chosen, overrides = parser.parse_known_args()
    root = Path("outputs/probe_slots") / f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
    print(f"{'slots':>6}{'width':>7}{'numbers':>9}{'exact, %':>10}{'zeroed, %':>11}   of unseen strings", flush=True)
    if chosen.run:
        measure(chosen.run, chosen.samples)
        return
    for width in chosen.widths:
        for slots in chosen.slots:
            folder = root / f"{slots}x{width}"
            parts = ["experiment=text_autoencoder", "probe=none", *overrides]
            parts += [f"latent.slots={slots}", f"latent.slot_width={width}", "trainer.enable_progress_bar=false"]
            run(compose(parts), str(folder))
            measure(folder, chosen.samples)


def numbers(text: str) -> list[int]:
    """Numbers parted by commas."""
    return [int(part) for part in text.split(",")]


def measure(folder: Path, samples: int) -> None:
    """A line of the table."""
    model = sslp.load(folder)
    data: Data = build_part("data", model.config["data"])
    full, zeroed = (exact_match(model.graph, data, samples, zeroed) for zeroed in (False, True))
    slots, width = model.graph.latent.get_parameter("queries").shape[1:]
    shares = f"{full.percent:>10.2f}{zeroed.percent:>11.2f}"
    print(f"{slots:>6}{width:>7}{slots * width:>9}{shares}   ({full.count})", flush=True)


if __name__ == "__main__":
    main()
