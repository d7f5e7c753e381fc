"""Is an encoder that does not know the name of a view as good as one that does?

python scripts/probe_view_names.py outputs/<run>   # of a graph whose views are corruptions

Protocol P2 twice: each corrupted sample is encoded as its view, and as ``unknown``. Probes are fitted on clean samples,
which are ``unknown`` either way.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path

from torch import Tensor

import ssl_pipeline as sslp
from ssl_pipeline.evaluation import P1
from ssl_pipeline.evaluation.corrupted import CLEAN, P2
from ssl_pipeline.evaluation.frozen_features import embedder
from ssl_pipeline.inference.dataset import data_of
from ssl_pipeline.report import markdown
from ssl_pipeline.structures.batch import Batch

COLUMNS = {"corrupted/knn": "kNN", "corrupted/linear": "linear", "corrupted/found": "form found"}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    asked = parser.parse_args()
    model = sslp.load(asked.run)
    data = data_of(model)
    views = [name for name in P2().families_of(data.grid) if name in model.graph.corruptions]
    if not views:
        parser.error(f"none of the views {', '.join(model.graph.corruptions)} is a corruption of protocol P2")
    inference, protocol = sslp.Inference(model.graph.eval()), P1(few_shot=0, backgrounds=False, width=1_000_000)
    clean = protocol.features(embedder(model.graph), data)
    pairs = (f"{title}, {how}" for title in COLUMNS.values() for how in ("named", "unknown"))
    print(markdown.table_head("view", *pairs))
    for view in views:
        p2 = P2(families=[view])
        asked_as = replace(protocol, corrupted=p2)
        unknown = p2.forms(embedder(model.graph), data)
        named = p2.forms(partial(named_embedding, inference, view), data)
        named = named._replace(z={**named.z, CLEAN: unknown.z[CLEAN]})
        scores = [
            asked_as.measure("corrupted", replace(clean, forms=lambda forms=forms: forms)) for forms in (named, unknown)
        ]
        print(markdown.row(f"`{view}`", *(f"{some[key]:.1f}" for key in COLUMNS for some in scores)), flush=True)


def named_embedding(inference: sslp.Inference, view: str, batch: Batch) -> Tensor:
    """Embeddings (B, D) of samples that are encoded as a view."""
    batch = batch.on(next(inference.parameters()).device)
    return inference.embed(batch.x, batch.valid, view=view)


if __name__ == "__main__":
    main()
