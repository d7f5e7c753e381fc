"""Folders that belong to one process at a time."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from ssl_pipeline.utils.claims import LOCK, held, own_folder, remove_unused

HOLD = """
import sys, time
from pathlib import Path
from ssl_pipeline.utils.claims import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_name_is_taken_once(tmp_path):
    names = [own_folder(tmp_path / "outputs/12-00-00").name for _ in range(3)]
    assert names == ["12-00-00", "12-00-00_2", "12-00-00_3"]
    (tmp_path / "empty").mkdir()  # as Hydra makes it
    assert own_folder(tmp_path / "empty").name == "empty"


def test_processes_at_once_get_folders_of_their_own(tmp_path):
    code = "import sys; from pathlib import Path; from ssl_pipeline.utils.claims import own_folder; "
    code += "print(own_folder(Path(sys.argv[1])).name)"
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    names = {process.communicate()[0].strip() for process in started}
    assert names == {"run", *(f"run_{i}" for i in range(2, 7))}


def test_a_held_folder_is_refused_and_free_again_however_its_process_ends(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        by = f"in use by process {process.pid} on {socket.gethostname()}: wait until it ends, or take another folder"
        with pytest.raises(ValueError, match=by), held(tmp_path):
            pass
        process.send_signal(signal.SIGKILL)
    deadline = time.time() + 10
    while True:
        try:
            with held(tmp_path):
                assert (tmp_path / LOCK).read_text().split() == [socket.gethostname(), str(os.getpid())]
                break
        except ValueError:
            assert time.time() < deadline


def test_a_folder_in_which_nothing_was_written_does_not_stay(tmp_path):
    with pytest.raises(RuntimeError), held(tmp_path / "nothing"):
        raise RuntimeError
    assert not (tmp_path / "nothing").exists()
    with held(tmp_path / "something"):
        (tmp_path / "something/file").touch()
    assert (tmp_path / "something/file").exists()
    remove_unused(tmp_path / "something")
    assert (tmp_path / "something/file").exists()


def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / LOCK).symlink_to(tmp_path / "mine")
    with pytest.raises(ValueError, match="is a link, so a run would write elsewhere"), held(tmp_path / "run"):
        pass
    assert (tmp_path / "mine").read_text() == "mine"
