"""The tables of docs/corruptions.md say what severities are."""

from __future__ import annotations

import pytest
from helpers.paths import ROOT

from ssl_pipeline.config.registry import lookup, part_names
from ssl_pipeline.structures.grid import GridSpec

GRIDS = {
    "images": GridSpec.of(("y", 64), ("x", 64), channels=3),
    "sound": GridSpec.of(("time", 8000, 1 / 8000), channels=1, range=(-1.0, 1.0), signal=True),
    "text": GridSpec.of(("position", 128), vocab=258, mask_token=257, end_token=256),
}


def rows(kind: str) -> list[str]:
    """Lines of a table, as the classes have the numbers."""
    found = []
    for name in part_names("corruption"):
        make = lookup("corruption", name).target
        if make.suits(GRIDS[kind]):
            for option, levels in make().bind(GRIDS[kind]).levels.items():
                numbers = " | ".join(f"{float(f'{level:.3g}'):g}" for level in levels)
                found.append(f"| `{name}` | `{option}` | {numbers} |")
    return found


@pytest.mark.parametrize("kind", GRIDS)
def test_the_page_says_what_severities_are(kind):
    page = (ROOT / "docs/corruptions.md").read_text()
    table = page.partition(f"\n| {kind} | option | 1 | 2 | 3 | 4 | 5 |\n")[2].partition("\n\n")[0]
    assert table.splitlines()[1:] == rows(kind), "\n".join(rows(kind))
