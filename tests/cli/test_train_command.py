"""The command that trains: jobs, sweeps, ranks and errors, on a small stand-in for ``conf``."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from helpers.paths import ROOT
from helpers.small_conf import train

from ssl_pipeline.cli import train as cli
from ssl_pipeline.cli.main import main
from ssl_pipeline.config import compose as config
from ssl_pipeline.config.compose import compose, is_further_rank
from ssl_pipeline.config.resume import resumed
from ssl_pipeline.config.run_folder import run_dir
from ssl_pipeline.utils.claims import LOCK

# The command line


def test_train_runs_one_job(conf, tmp_path, monkeypatch):
    code, jobs = train(["corruption=mask+noise", "corruption.noise.sigma=0.3", "name=try"], monkeypatch)
    assert code == 0
    (settings, folder, argv, full_error), *others = jobs
    assert settings == compose(["corruption=mask+noise", "corruption.noise.sigma=0.3", "name=try"]) and not others
    assert Path(folder).is_dir() and Path(folder).parent == tmp_path / "outputs/try"
    assert [file.name for file in Path(folder).iterdir()] == [LOCK]
    assert argv == ["corruption=mask+noise", "corruption.noise.sigma=0.3", "name=try"] and full_error is None
    assert sys.argv == ["train.py"] and cli.RUN_DIR not in os.environ


def test_runs_of_one_second_have_folders_of_their_own(conf, monkeypatch):
    folders = [train(["name=x"], monkeypatch)[1][0][1] for _ in range(4)]
    assert len({*folders}) == 4
    named = [train(["name=x", f"hydra.run.dir={folders[0]}"], monkeypatch)[1][0][1] for _ in range(2)]
    assert named == [folders[0]] * 2  # a name that was given is kept; a run in it, or of another process, is refused


def test_experiment_names_the_folder_and_resume_keeps_it(conf, tmp_path, monkeypatch, capsys):
    _, [(_, folder, *_)] = train(["experiment=dae"], monkeypatch)
    assert Path(folder).parent == tmp_path / "outputs/dae"
    Path(folder).mkdir(parents=True, exist_ok=True)
    Path(folder, "config.yaml").write_text(yaml.safe_dump(compose(["experiment=dae"])))
    _, [(_, again, *_)] = train([f"resume={folder}"], monkeypatch)
    assert again == folder
    sets = {"a": {"root": "here", "size": 8}, "b": {"size": 8}}
    Path(folder, "config.yaml").write_text(yaml.safe_dump(compose(["experiment=dae"]) | {"data": {"sets": sets}}))
    moved = {"data": {"sets": {"a": {"root": "there", "size": 9}}}}
    asked = {"resume": folder, **moved}
    assert resumed(asked, ["data.sets.a.root=there"]).config["data"]["sets"]["a"] == {"root": "there", "size": 8}
    with pytest.raises(ValueError, match=r"data\.sets\.a\.size was 8"):
        resumed(asked, ["data.sets.a.size=9"])
    code, jobs = train(["resume=outputs/nothing"], monkeypatch)
    assert (code, jobs) == (1, []) and not (tmp_path / "outputs/nothing").exists()
    assert capsys.readouterr().err.splitlines()[-1] == "error: resume=outputs/nothing: there is no such folder"


def test_resume_auto_goes_on_where_there_is_a_run(conf, tmp_path, monkeypatch, capsys):
    words = ["experiment=dae", "resume=auto", f"hydra.run.dir={tmp_path}/run"]
    code, [(begun, folder, *_)] = train(words, monkeypatch)
    assert code == 0 and begun["resume"] is None and folder == str(tmp_path / "run")
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    torch.save({}, tmp_path / "run/checkpoints/last.ckpt")
    (tmp_path / "run/config.yaml").write_text(yaml.safe_dump(begun | {"grid": 1}))
    code, [(again, folder, *_)] = train([*words, "trainer.max_steps=7"], monkeypatch)
    assert code == 0 and (again["resume"], again["trainer"]["max_steps"], again["grid"]) == (
        str(tmp_path / "run"),
        7,
        1,
    )
    assert again["corruption"] == begun["corruption"]
    code, jobs = train([*words, "batch_size=3"], monkeypatch)
    assert (code, jobs) == (1, [])
    said = f"error: resume=auto: {tmp_path}/run holds a run with batch_size=64, and this one has batch_size=3: "
    assert capsys.readouterr().err.splitlines()[-1].startswith(said)
    for fewer in ("corruption=noise", "corruption=mask"):
        code, jobs = train([*words, fewer], monkeypatch)
        assert (code, jobs) == (1, []) and "resume=auto: " in capsys.readouterr().err.splitlines()[-1]
    assert compose(["resume=auto"])["resume"] is None  # without a folder there is nothing to go on with


TASKS = {"SLURM_JOB_ID": "12", "SLURM_NTASKS": "2"}


@pytest.mark.parametrize(
    ("variables", "alone", "auto"),
    [
        ({"SLURM_JOB_ID": "12"}, "now", "job-12"),
        ({**TASKS, "SLURM_STEP_ID": "0", "SLURM_PROCID": "1"}, "job-12", "job-12"),
        ({**TASKS, "SLURM_STEP_ID": "3"}, "job-12.3", "job-12.3"),
        ({**TASKS, "SLURM_STEP_ID": "4294967291"}, "now", "job-12"),  # the script itself
        ({**TASKS, "SLURM_STEP_ID": "0", "SLURM_JOB_NAME": "interactive"}, "now", "now"),
    ],
)
def test_tasks_of_a_job_of_slurm_have_one_folder(variables, alone, auto, monkeypatch):
    """And a job that starts anew has the same; runs that follow each other in a script have folders of their own."""
    for variable in [v for v in os.environ if v.startswith("SLURM")]:
        monkeypatch.delenv(variable)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    assert run_dir(None, None, "train", "now") == f"outputs/train/{alone}"
    assert run_dir("auto", None, "train", "now") == f"outputs/train/{auto}"
    assert is_further_rank() == ("SLURM_PROCID" in variables)


def test_sweep(conf, tmp_path, monkeypatch):
    code, jobs = train(["--multirun", "corruption=mask,mask+noise,lowres-noise", "seed=1"], monkeypatch)
    assert code == 0
    assert [list(job[0]["corruption"]) for job in jobs] == [["mask"], ["mask", "noise"], ["lowres-noise"]]
    assert [Path(job[1]).name for job in jobs] == ["0", "1", "2"]
    assert len({Path(job[1]).parent for job in jobs}) == 1 and Path(jobs[0][1]).parents[1] == tmp_path / "multirun"
    assert jobs[1][2] == ["corruption=mask+noise", "seed=1"]


def test_a_failing_job_fails_the_sweep_after_the_others(conf, monkeypatch, capsys):
    def run(settings):
        if settings["seed"] == 0:
            raise ValueError("seed 0\n is bad")

    code, jobs = train(["--multirun", "seed=0,1"], monkeypatch, run)
    assert (code, [job[0]["seed"] for job in jobs]) == (1, [0, 1])
    assert "error: seed 0 is bad\n" in capsys.readouterr().err


def test_sweep_of_unknown_names_runs_nothing(conf, monkeypatch, capsys):
    assert train(["--multirun", "corruption=mask,mask+nois"], monkeypatch) == (1, [])
    assert "nearest: noise" in capsys.readouterr().err
    assert train(["--multirun", "corruption=mask+noise,mask", "corruption.noise.sigma=1,2"], monkeypatch) == (1, [])
    assert "a sweep sets only options that each of its jobs has" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "printed", "code"),
    [
        (ValueError("ratio lies in [0, 1),\n got -1"), "error: ratio lies in [0, 1), got -1\n", 1),
        (FileNotFoundError(2, "No such file or directory", "x.png"), "error: x.png: No such file or directory\n", 1),
        (TypeError("no"), "error: TypeError: no (run again with debug=true for the traceback)\n", 1),
        (KeyboardInterrupt(), "interrupted\n", 130),
        (SystemExit(3), "", 3),
    ],
)
def test_errors_of_a_run(conf, tmp_path, monkeypatch, capsys, error, printed, code):
    def run(settings):
        raise error

    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    assert train([], monkeypatch, run)[0] == code
    assert capsys.readouterr().err == printed
    assert "HYDRA_FULL_ERROR" not in os.environ


def test_traceback_on_request(conf, monkeypatch, capsys):
    def run(settings):
        raise TypeError("no")

    assert train(["debug=true"], monkeypatch, run)[0] == 1
    assert capsys.readouterr().err.endswith("TypeError: no\nerror: TypeError: no\n")
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    assert train(["encoder=vitt"], monkeypatch)[0] == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_failed_check_leaves_no_empty_folder(conf, tmp_path, monkeypatch):
    assert train(["views_per_step=5"], monkeypatch)[0] == 1
    assert not list((tmp_path / "outputs/train").iterdir())


def test_children_replay_one_job_in_its_folder(conf, mine, tmp_path, monkeypatch):
    """What Lightning does to start rank 1 from the second job of a sweep."""
    monkeypatch.setattr(sys, "argv", ["ssl-pipeline"])
    seen = []

    def first(settings, folder):
        seen.append((folder, sys.argv[1:], os.environ[cli.RUN_DIR]))
        os.environ |= {"LOCAL_RANK": "0", "WORLD_SIZE": "2"}  # as Lightning's launcher leaves them

    monkeypatch.delenv("LOCAL_RANK", raising=False)
    place = "it's a 'place', (1) = {2}"
    arguments = [
        "--multirun",
        "--config-dir",
        mine,
        "corruption=mask,blur+noise",
        f"hydra.sweep.dir={config.quoted(str(tmp_path / place))}",
    ]
    assert cli.train(arguments, run=first, command=["train"]) == 0
    assert "LOCAL_RANK" not in os.environ and "WORLD_SIZE" not in os.environ
    folder, argv, handed = seen[1]
    assert argv == ["train", "--config-dir", mine, "corruption=blur+noise"] and handed == folder

    lightning = ['hydra.run.dir="outputs/elsewhere"', "hydra.job.name=train_ddp_process_1", "hydra.output_subdir=null"]
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setenv(cli.RUN_DIR, handed)
    code, [(settings, same, *_)] = train([*argv[1:], *lightning], monkeypatch)
    assert (code, same, list(settings["corruption"])) == (0, folder, ["blur", "noise"])
    assert not Path("outputs/elsewhere").exists()


def test_commands(capsys):
    assert main(["trane"]) == 1
    assert capsys.readouterr().err == "error: there is no command 'trane'; nearest: train\n"
    assert main([]) == 0
    assert "train" in capsys.readouterr().out


SCRIPT = """
import pathlib, sys
from ssl_pipeline.cli import train as cli
from ssl_pipeline.config import compose as config
config.conf_dir = cli.conf_dir = lambda: pathlib.Path("conf").resolve()
code = cli.train(run=lambda config, folder: print(*config["corruption"], config["seed"]))
print("torch" in sys.modules)
sys.exit(code)
"""


@pytest.mark.parametrize(
    ("arguments", "code", "out", "err"),
    [
        (["corruption=mask+nois"], 1, "False", "error: there is no corruption 'nois'; nearest: noise"),
        (["traner.max_steps=3"], 1, "False", "error: there is no option traner.max_steps; nearest: trainer.max_steps"),
        (
            ["--multirun", "corruption=mask,blur-mask", "--config-dir", "mine"],
            0,
            "mask 0\nblur-mask 0\nFalse",
            "job 1:",
        ),
        (["--cfg", "job", "--package", "corruption", "--config-dir", "mine", "corruption=blur"], 0, "width: 3", ""),
        (["--help"], 0, "corruption: crop, echo, lowres, mask, noise\n", ""),
        (["-h"], 0, "corruption=a-b    one view: first a, then b", ""),
    ],
)
def test_in_a_process_of_its_own(conf, mine, tmp_path, arguments, code, out, err):
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == code, done.stderr
    assert out in done.stdout and err in done.stderr
    if code:
        assert done.stderr.count("\n") == 1


def test_train_py_refuses_a_misspelt_name_quickly(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-X", "importtime", str(ROOT / "train.py"), "traner.max_steps=3"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    errors = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
    assert done.returncode == 1 and len(errors) == 1 and errors[0].startswith("error: ")
    imported = [line.split()[-1] for line in done.stderr.splitlines() if line.startswith("import time:")]
    assert "hydra" in imported and "torch" not in imported
    assert not list(tmp_path.iterdir())
