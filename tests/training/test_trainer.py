"""Lightning's trainer as our runs have it."""

from __future__ import annotations

import lightning as L

from ssl_pipeline.training.trainer import make_trainer


class Foreign(L.Callback):
    """As an installed package puts it into every trainer by an entry point of Lightning's."""


def test_callbacks_of_other_packages_stay_out(monkeypatch, tmp_path, capsys):
    place = "lightning.pytorch.trainer.connectors.callback_connector._load_external_callbacks"
    monkeypatch.setattr(place, lambda group: [Foreign()])
    mine = L.Callback()
    options = {"enable_progress_bar": False, "max_steps": 1, "accelerator": "cpu", "enable_checkpointing": False}
    trainer = make_trainer(options, [mine], tmp_path, 0)
    assert mine in trainer.callbacks and not any(isinstance(one, Foreign) for one in trainer.callbacks)
    assert "Foreign would enter every run of Lightning and is left out of this one" in capsys.readouterr().err
