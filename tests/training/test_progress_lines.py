"""What a run says on its way, and what it calls its files."""

from unittest.mock import Mock

import lightning as L
import torch

from ssl_pipeline.commands.evaluate import _file
from ssl_pipeline.training.callbacks import Clock, Metrics


def test_what_stays_as_it_was_is_said_once(capsys):
    trainer = Mock(spec=L.Trainer, optimizers=[Mock(param_groups=[{"lr": 0.1}])], loggers=[], should_stop=False)
    trainer.max_steps, trainer.max_epochs, trainer.strategy.root_device = 3, None, torch.device("cpu")
    trainer.accumulate_grad_batches = 1
    metrics = Metrics(Clock(), every=1, batch_size=8)
    for step in (1, 2, 3):
        trainer.global_step = step
        losses = {"loss": torch.tensor(1.0), "term": torch.tensor(float(step)), "scale": torch.tensor(14.3)}
        metrics.on_train_batch_end(trainer, L.LightningModule(), losses, None, 0)
    lines = capsys.readouterr().out.splitlines()
    assert [" scale 14.3 " in line for line in lines] == [True, False, False]
    assert all("loss 1 " in line and f"term {i}" in line for i, line in enumerate(lines, 1))


def test_names_of_files_have_no_spaces(tmp_path):
    for data in ("digits with texts", "ALE/Pong-v5"):
        name = _file(tmp_path, data, None)
        assert name is not None and name.name in ("evaluation_digits_with_texts.json", "evaluation_ALE_Pong-v5.json")
