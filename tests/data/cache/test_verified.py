"""Of the processes that a launch starts on a machine one checks a cache, and the others wait for it."""

import os
from multiprocessing import get_context

import pytest

from ssl_pipeline.data.cache import verified
from ssl_pipeline.data.cache.folder import is_whole, whole_or_nothing

BY = {
    "torchrun": {"TORCHELASTIC_RUN_ID": "none", "LOCAL_WORLD_SIZE": "3"},
    "srun": {"SLURM_STEP_NUM_TASKS": "3"},
}


@pytest.fixture
def place(tmp_path):
    with whole_or_nothing(tmp_path / "kept") as folder:
        assert folder is not None
        (folder / "x.npy").write_bytes(bytes(100))
    verified._note(tmp_path / "kept").unlink()
    return tmp_path / "kept"


def check(place, env, checks, start):
    """What a rank does at its start; counts the checks."""
    os.environ.update(env)
    mismatch = verified.mismatch

    def counted(folder):
        with checks.get_lock():
            checks.value += 1
        return mismatch(folder)

    verified.mismatch = counted
    start.wait()
    raise SystemExit(0 if is_whole(place) else 1)


def checks_of(place, env, count=3):
    context = get_context("fork")
    checks, start = context.Value("i", 0), context.Barrier(count)
    ranks = [context.Process(target=check, args=(place, env, checks, start)) for _ in range(count)]
    for rank in ranks:
        rank.start()
    for rank in ranks:
        rank.join()
    assert [rank.exitcode for rank in ranks] == [0] * count
    return checks.value


@pytest.mark.parametrize("by", BY)
def test_one_rank_checks(by, place, tmp_path):
    assert checks_of(place, BY[by]) == 1
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["kept"]


def test_ranks_that_lightning_starts_take_the_word_of_the_first(place):
    assert is_whole(place) and checks_of(place, {"LOCAL_RANK": "1"}) == 0


def test_runs_of_one_process_check_each_time(place):
    assert checks_of(place, {}) == 3
    assert is_whole(place)
    (place / "x.npy").write_bytes(b"other")
    assert not is_whole(place)


@pytest.mark.parametrize("change", [{"TORCHELASTIC_RESTART_COUNT": "1"}, {"RANK": "0"}])
def test_another_launch_checks_again(change, place, monkeypatch):
    checks_of(place, BY["torchrun"])
    (place / "x.npy").write_bytes(b"other")
    for name, value in (BY["torchrun"] | change).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(os, "getppid", lambda: os.getpid() if "RANK" not in change else 1)
    assert not is_whole(place)


def test_an_old_note_is_no_word(place, monkeypatch):
    monkeypatch.setattr(verified, "_FRESH", -1)
    assert checks_of(place, BY["srun"]) == 3
