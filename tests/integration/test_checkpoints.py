"""Checkpoints that are damaged, or were being written when the process died."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from helpers.paths import ROOT
from helpers.runs import CORES, TINY, step_of

from ssl_pipeline.config.compose import compose
from ssl_pipeline.inference.weights import read_weights
from ssl_pipeline.training import run
from ssl_pipeline.utils.checkpoints import LAST, PREVIOUS, UNREADABLE, is_readable, newest, replace


def written(path, number):
    torch.save({"global_step": number, "state_dict": {}}, path)


@pytest.mark.parametrize("call", range(5))
def test_a_process_killed_while_it_saves_leaves_a_checkpoint(call, tmp_path):
    """At each call to the file system that a save makes."""
    code = f"""
import os, shutil, sys
from pathlib import Path
import torch
from ssl_pipeline.utils import checkpoints
calls = 0
def dying(original):
    def call(*args):
        global calls
        if calls == {call} and armed:
            os.kill(os.getpid(), 9)
        calls += armed
        return original(*args)
    return call
armed = False
for module, name in ((os, "replace"), (os, "link"), (checkpoints, "_to_disk")):
    setattr(module, name, dying(getattr(module, name)))
path = Path(sys.argv[1]) / "last.ckpt"
for number in (1, 2, 3):
    armed = number == 3
    checkpoints.replace(path, lambda p: torch.save({{"global_step": number, "state_dict": {{}}}}, p))
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, env={**os.environ, **CORES})
    assert done.returncode == -9
    found = newest(tmp_path)
    assert (
        found is not None
        and step_of(found) in (2, 3)
        and is_readable(tmp_path / LAST)
        and is_readable(tmp_path / PREVIOUS)
    )
    before = step_of(found)
    replace(tmp_path / LAST, lambda path: written(path, 4))  # what was left half done is in nobody's way
    assert [step_of(tmp_path / name) for name in (LAST, PREVIOUS)] == [4, before]
    assert not [*tmp_path.glob(".*")]


def test_where_there_are_no_links_the_one_before_is_copied(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refused)
    for number in (1, 2, 3):
        replace(tmp_path / LAST, lambda path, number=number: written(path, number))
    assert [step_of(tmp_path / name) for name in (LAST, PREVIOUS)] == [3, 2]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """The weights after 8 steps, and the folder of a run of 6."""
    folder = tmp_path_factory.mktemp("stopped")
    run(compose([*TINY, "trainer.max_steps=8"]), str(folder / "whole"))
    run(compose([*TINY, "trainer.max_steps=6", "checkpoint.every_n_steps=3"]), str(folder / "parted"))
    return read_weights(folder / "whole"), folder / "parted"


@pytest.mark.parametrize("corrupt", ["cut", "turned", "gone", "empty"])
def test_of_a_damaged_checkpoint_the_one_before_is_taken(corrupt, stopped, tmp_path, capsys):
    expected, parted = stopped[0], shutil.copytree(stopped[1], tmp_path / "parted")
    last = parted / "checkpoints" / LAST
    content = last.read_bytes()
    middle = len(content) // 2
    turned = content[:middle] + bytes(255 - byte for byte in content[middle : middle + 32]) + content[middle + 32 :]
    changed = {"cut": content[:middle], "turned": turned, "empty": b""}
    last.unlink() if corrupt == "gone" else last.write_bytes(changed[corrupt])
    run(compose([*TINY, "trainer.max_steps=8", f"resume={parted}"]), str(parted))
    why = "is missing" if corrupt == "gone" else "is damaged"
    assert f"{LAST} {why}: going on from previous.ckpt, step 3" in capsys.readouterr().err
    got = read_weights(parted)
    assert all(torch.equal(value, got[name]) for name, value in expected.items())
    assert (parted / "checkpoints" / UNREADABLE).is_file() is (corrupt != "gone")
    for name in (LAST, PREVIOUS):
        (parted / "checkpoints" / name).write_bytes(b"nothing")
    with pytest.raises(ValueError, match="is damaged, and there is none before it"):
        run(compose([*TINY, "trainer.max_steps=9", f"resume={parted}"]), str(parted))


def test_a_full_disk_takes_no_checkpoint(tmp_path, monkeypatch):
    import lightning as L

    original = L.Trainer.save_checkpoint

    def full(self, path, **kwargs):
        if self.global_step < 6:
            return original(self, path, **kwargs)
        Path(path).write_bytes(b"half of")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(L.Trainer, "save_checkpoint", full)
    words = [*TINY, "trainer.max_steps=9", "checkpoint.every_n_steps=3"]
    with pytest.raises(
        OSError, match=r"step 6 could not be written \(No space left on device\).*earlier step.*resume="
    ):
        run(compose(words), str(tmp_path / "run"))
    folder = tmp_path / "run/checkpoints"
    assert step_of(folder / LAST) == 3 and sorted(os.listdir(folder)) == [LAST]
    monkeypatch.undo()
    assert run(compose([*words, f"resume={tmp_path}/run"]), "")["steps"] == 9
