"""Classes of one's own: trained, loaded and gone on with where they are trusted, and only there."""

from __future__ import annotations

import pytest
import torch

import ssl_pipeline
from ssl_pipeline.cli import main as cli

CODE = """
from ssl_pipeline.corruptions import Corruption

class Negative(Corruption):
    '''Light becomes dark.'''

    def __call__(self, view, generator):
        return view._replace(x=1 - view.x)
"""
TINY = (
    *("encoder.widths=[8]", "encoder.pool=1", "encoder.stride=4", "decoder.widths=[4,4,4]", "batch_size=32"),
    *(
        "trainer.enable_progress_bar=false",
        "probe.online=0",
        "probe.protocol.few_shot=0",
        "probe=clean",
        "hardware=cpu",
    ),
)


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A folder with a package and a YAML file beside it; the current directory."""
    (tmp_path / "darkroom.py").write_text(CODE)
    (tmp_path / "conf" / "corruption").mkdir(parents=True)
    (tmp_path / "conf" / "corruption" / "negative.yaml").write_text(
        "# @package corruption.negative\n_target_: darkroom.Negative\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    return ["--config-dir", "conf", "corruption=negative+noise", *TINY]


@pytest.mark.slow
def test_ones_own_class_from_training_to_evaluation(mine, capsys):
    once = [*mine, "trainer.max_steps=2", "hydra.run.dir=run"]
    assert cli.main(["train", *once]) == 1
    assert "darkroom.Negative is neither a registered corruption" in capsys.readouterr().err
    assert cli.main(["train", *once, "trust=[darkroom]"]) == 0

    with pytest.raises(ValueError, match=r"darkroom\.Negative is neither a registered corruption"):
        ssl_pipeline.load("run")
    model = ssl_pipeline.load("run", trust=("darkroom",))
    assert model.restore(torch.zeros(2, 1, 8, 8), "negative").shape == (2, 1, 8, 8)

    evaluate = ["evaluate", "run=run", "limit=100", "seeds=1", "few_shot="]
    assert cli.main(evaluate) == 1
    assert cli.main([*evaluate, "trust=darkroom"]) == 0

    again = ["train", "resume=run", "trainer.max_steps=3"]
    capsys.readouterr()
    assert cli.main(again) == 1  # the saved configuration does not decide whose code runs
    assert "darkroom" in capsys.readouterr().err
    assert cli.main([*again, "trust=[darkroom]"]) == 0
