"""The configuration language and the command line, on a small stand-in for ``conf`` and on the real one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import hydra
import pytest
import torch
import yaml
from helpers.paths import ROOT
from hydra.core.global_hydra import GlobalHydra
from hydra.version import getbase

from ssl_pipeline.cli import main as cli
from ssl_pipeline.config import compose as config
from ssl_pipeline.config.compose import compose, is_further_rank, run_dir
from ssl_pipeline.config.resume import resumed

LEAVES = {
    "corruption": {
        "echo": {},
        "noise": {"sigma": 0.1},
        "mask": {"ratio": 0.75},
        "lowres": {"factor": 2},
        "crop": {"p": 1},
    },
    "objective": {"reconstruct": {"weight": 1.0}, "align": {"weight": 1.0}, "info_nce": {"weight": 1.0}},
    "data": {"digits": {"size": 8}, "folder": {"root": "???"}},
    "encoder": {"vit": {"width": 8}, "conv": {"width": 8}},
    "latent": {"tokens": {}},
    "decoder": {"conv": {}, "query": {}},
    "teacher": {"none": {}},
    "dynamics": {"none": {}},
    "curation": {"none": {}},
    "optimizer": {"adamw": {"lr": 0.1}},
    "hardware": {"auto": {}},
    "logger": {"none": {}},
}
DAE = {
    "defaults": [{"override /corruption": "noise+mask-noise"}],
    "batch_size": 64,
    "trainer": {"max_epochs": 7},
    "corruption": {"noise": {"sigma": 0.2}, "mask-noise": {"noise": {"sigma": 0.9}}},
}


def write(folder, group, name, content, package=None):
    file = folder / group / f"{name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text((f"# @package {package}\n" if package else "") + yaml.safe_dump(content, sort_keys=False))


def leaf(folder, group, name, options):
    target = {"_target_": f"ssl_pipeline.x.{name}", "_partial_": True}
    write(folder, group, name, target | options, f"{group}.{name}" if group in config.SIGNS else None)


@pytest.fixture
def conf(tmp_path, monkeypatch):
    folder = tmp_path / "conf"
    for group, names in LEAVES.items():
        for name, options in names.items():
            leaf(folder, group, name, options)
    write(folder, "probe", "p1", {"online": 3})
    write(folder, "experiment", "dae", DAE, "_global_")
    shutil.copy(ROOT / "conf/train.yaml", folder)
    monkeypatch.setattr(config, "conf_dir", lambda: folder)
    monkeypatch.setattr(cli, "conf_dir", lambda: folder)
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def mine(tmp_path):
    """A user's own folder."""
    folder = tmp_path / "mine"
    leaf(folder, "corruption", "blur", {"width": 3})
    experiment = {"defaults": [{"override /corruption": "blur+mask-blur"}], "corruption": {"blur": {"width": 5}}}
    write(folder, "experiment", "blurred", experiment, "_global_")
    return str(folder)


def train(arguments, monkeypatch, run=None):
    """Exit code of the command line in this process, and what the runs were given."""
    jobs = []

    def stub(settings, folder):
        jobs.append((settings, folder, sys.argv[1:], os.environ.get("HYDRA_FULL_ERROR")))
        if run is not None:
            run(settings)

    monkeypatch.setattr(sys, "argv", ["train.py"])
    return cli.train(arguments, run=stub), jobs


# The language


def test_an_experiments_options_go_with_the_teacher_that_the_user_takes_out(capsys):
    assert compose(["experiment=moco", "teacher=none"])["teacher"] is None
    assert "note: options of teacher are not used" in capsys.readouterr().err
    assert not compose([])["teacher"] and compose(["experiment=moco"])["teacher"]["momentum"] == 0.99
    assert not capsys.readouterr().err
    with pytest.raises(ValueError, match=r"teacher\.momentum=0\.9 is an option of a teacher, and there is none"):
        compose(["experiment=moco", "teacher=none", "teacher.momentum=0.9"])


def test_defaults_are_plain_and_resolved(conf):
    found = compose([])
    assert list(found["corruption"]) == ["mask", "noise"]
    assert found["corruption"]["noise"] == {"_target_": "ssl_pipeline.x.noise", "_partial_": True, "sigma": 0.1}
    assert (found["batch_size"], found["views_per_step"], found["trainer"]["max_steps"]) == (256, "all", -1)
    assert "hydra" not in found and "experiment" not in found
    assert type(found["corruption"]["noise"]) is dict


@pytest.mark.parametrize(
    ("name", "views"),
    [
        ("crop", ["crop"]),
        ("noise+mask", ["noise", "mask"]),
        ("echo+noise+mask", ["echo", "noise", "mask"]),
        ("lowres-noise", ["lowres-noise"]),
        ("mask+lowres-noise", ["mask", "lowres-noise"]),
        ("crop+crop", ["crop_1", "crop_2"]),
        ("mask-noise+crop+mask-noise", ["mask-noise_1", "crop", "mask-noise_2"]),
    ],
)
def test_names_of_views(conf, name, views):
    assert list(compose([f"corruption={name}"])["corruption"]) == views


def test_chain(conf):
    view = compose(["corruption=mask+lowres-noise", "corruption.lowres-noise.noise.sigma=0.4"])["corruption"]
    assert view["lowres-noise"] == {
        "_target_": "ssl_pipeline.corruptions.Chain",
        "_partial_": True,
        "lowres": {"_target_": "ssl_pipeline.x.lowres", "_partial_": True, "factor": 2},
        "noise": {"_target_": "ssl_pipeline.x.noise", "_partial_": True, "sigma": 0.4},
    }
    assert list(compose(["corruption=noise-noise"])["corruption"]["noise-noise"])[2:] == ["noise_1", "noise_2"]


def test_numbered_views_have_options_of_their_own(conf):
    found = compose(["corruption=crop+crop", "corruption.crop_2.p=0.5"])["corruption"]
    assert (found["crop_1"]["p"], found["crop_2"]["p"]) == (1, 0.5)


def test_objective_adds_but_does_not_chain(conf):
    found = compose(["objective=reconstruct+align", "objective.align.weight=0.5"])["objective"]
    assert [(name, part["weight"]) for name, part in found.items()] == [("reconstruct", 1.0), ("align", 0.5)]
    with pytest.raises(ValueError, match="no objective 'reconstruct-align'; nearest: reconstruct"):
        compose(["objective=reconstruct-align"])


def test_experiment_wins_over_the_defaults_and_loses_to_the_command_line(conf):
    found = compose(["experiment=dae", "trainer.max_epochs=3"])
    assert list(found["corruption"]) == ["noise", "mask-noise"]
    assert found["corruption"]["noise"]["sigma"] == 0.2
    assert found["corruption"]["mask-noise"]["noise"]["sigma"] == 0.9
    assert (found["batch_size"], found["trainer"]["max_epochs"]) == (64, 3)


def test_own_leaves(conf, mine):
    assert list(compose(["corruption=blur+noise-blur"], mine)["corruption"]) == ["blur", "noise-blur"]
    found = compose(["experiment=blurred"], mine)["corruption"]
    assert (found["blur"]["width"], found["mask-blur"]["blur"]["width"]) == (5, 3)
    with pytest.raises(ValueError, match="no corruption 'blurr'; nearest: blur"):
        compose(["corruption=mask+blurr"], mine)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        compose([], "nowhere")


def test_own_folder_with_difficult_name(conf, mine, tmp_path):
    folder = shutil.move(mine, tmp_path / "it's, mine [1]")
    assert list(compose(["corruption=blur"], str(folder))["corruption"]) == ["blur"]


def test_time_stays_text(conf):
    assert compose(["trainer.max_time=00:00:02:00"])["trainer"]["max_time"] == "00:00:02:00"


# Ghosts: what is left of views that were replaced


def test_ghosts_are_pruned_and_named(conf, capsys):
    found = compose(["experiment=dae", "corruption=mask"])
    assert list(found["corruption"]) == ["mask"]
    notices = capsys.readouterr().err
    assert "corruption.noise are not used" in notices and "corruption.mask-noise are not used" in notices


@pytest.mark.parametrize(
    "override", ["corruption.noise.sigma=1", "+corruption.noise.p=1", "++corruption.mask-noise.x=1"]
)
def test_overriding_a_ghost_is_refused(conf, override):
    with pytest.raises(ValueError, match=r"corruption has no '(mask-)?noise'; nearest: mask|there are: mask"):
        compose(["experiment=dae", "corruption=mask", override])


def test_misspelt_view_in_an_experiment_is_no_ghost(conf):
    write(conf, "experiment", "bad", {"corruption": {"nois": {"sigma": 0.2}}}, "_global_")
    with pytest.raises(ValueError, match="there is no 'nois'; nearest: noise"):
        compose(["experiment=bad"])


def test_misspelt_part_of_a_chain_is_refused(conf):
    write(conf, "experiment", "bad", {"corruption": {"mask-noise": {"nois": {"sigma": 0.2}}}}, "_global_")
    with pytest.raises(ValueError, match=r"corruption\.mask-noise is a chain without 'nois'; nearest: noise"):
        compose(["experiment=bad", "corruption=mask-noise"])


# Sentences


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["corruption=mask+nois"], "there is no corruption 'nois'; nearest: noise"),
        (["corruption=nois-mask"], "there is no corruption 'nois'; nearest: noise"),
        (["encoder=vitt"], "there is no encoder 'vitt'; nearest: vit"),
        (["encoder=resnet"], "there is no encoder 'resnet'; there are: conv, vit"),
        (["experiment=daee"], "there is no experiment 'daee'; nearest: dae"),
        (["encodr=vit"], "there is no option encodr; nearest: encoder"),
        (["experimnt=dae"], "there is no option experimnt; nearest: experiment"),
        (["corruption.noise.sgima=1"], "there is no option corruption.noise.sgima; nearest: corruption.noise.sigma"),
        (["corruption=crop+noise", "corruption.noise.sgima=1"], "nearest: corruption.noise.sigma"),
        (["traner.max_steps=3"], "there is no option traner.max_steps; nearest: trainer.max_steps"),
        (["trainer.foo=3"], "a new option is written +trainer.foo=..."),
        (["trainer={foo: 3}"], "there is no option trainer.foo: trainer has no 'foo'"),
        (["corruption.noise={sgima: 1}"], "there is no option corruption.noise.sgima; nearest: corruption.noise.sigma"),
        (["corruption=mask", "corruption.noise.sigma=1"], "corruption has no 'noise'; there are: mask"),
        (["corruption=mask+"], "corruption=mask+: expected a name on either side of each '+'"),
        (["corruption=mask,noise"], "add --multirun"),
        (["batch_size=abc"], "batch_size=abc: Value 'abc' of type 'str' could not be converted to Integer"),
        (["batch_size=0"], "expected at least 1, got 0"),
        (["views_per_step=3"], "whole number up to that of the views (2: mask, noise), got 3"),
        (["views_per_step=some"], "got some"),
        (["corruption=a(b"], "cannot read the override 'corruption=a(b'"),
        (["decoder=null"], "write ~GROUP to go without it"),
        (["data=folder"], "data.root has no value: set data.root=..."),
        (["experiment=typo"], "experiment/typo.yaml: there is no option traner; nearest: trainer"),
        (["experiment=typo2"], "there is no option checkpoint.every_n_step; nearest: checkpoint.every_n_steps"),
        (["experiment=typo3"], "experiment/typo3.yaml: Value 'many' of type 'str' could not be converted to Integer"),
        (["experiment=typo4"], "there is no corruption 'nois'; nearest: noise"),
        (["experiment=typo5"], "there is no encoder 'vitt'; nearest: vit"),
        (["corruption=bare"], "lacks its first line: '# @package corruption.NAME'"),
    ],
)
def test_one_sentence_with_the_nearest_names(conf, overrides, sentence):
    write(conf, "experiment", "typo", {"traner": {"max_steps": 1}}, "_global_")
    write(conf, "experiment", "typo2", {"checkpoint": {"every_n_step": 1}}, "_global_")
    write(conf, "experiment", "typo3", {"batch_size": "many"}, "_global_")
    write(conf, "experiment", "typo4", {"defaults": [{"override /corruption": "mask-nois"}]}, "_global_")
    write(conf, "experiment", "typo5", {"defaults": [{"override /encoder": "vitt"}]}, "_global_")
    write(conf, "corruption", "bare", {"_target_": "ssl_pipeline.x.bare"})
    with pytest.raises(ValueError) as caught:
        compose(overrides)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_broken_yaml_is_one_sentence(conf, monkeypatch, capsys):
    (conf / "encoder/conv.yaml").write_text("a: [1, 2\nb: 3\n")
    code, jobs = train([], monkeypatch)
    assert (code, jobs) == (1, [])
    assert capsys.readouterr().err.count("\n") == 1


def test_a_part_may_be_dropped(conf):
    assert compose(["~decoder"])["decoder"] == {}
    assert compose(["+trainer.accumulate_grad_batches=2"])["trainer"]["accumulate_grad_batches"] == 2


# Hydra around it


def test_compose_leaves_hydra_as_it_was(conf):
    GlobalHydra.instance().clear()
    compose([])
    assert not GlobalHydra.instance().is_initialized()
    with hydra.initialize_config_dir(str(conf), version_base="1.2"):
        outer = GlobalHydra.instance().hydra
        first, second = compose(["seed=1"]), compose(["seed=2"])
        assert GlobalHydra.instance().hydra is outer
        assert str(getbase()) == "1.2"
        with pytest.raises(ValueError):
            compose(["encoder=vitt"])
        assert GlobalHydra.instance().hydra is outer
    assert (first["seed"], second["seed"]) == (1, 2)


# The command line


def test_train_runs_one_job(conf, tmp_path, monkeypatch):
    code, jobs = train(["corruption=mask+noise", "corruption.noise.sigma=0.3", "name=try"], monkeypatch)
    assert code == 0
    (settings, folder, argv, full_error), *others = jobs
    assert settings == compose(["corruption=mask+noise", "corruption.noise.sigma=0.3", "name=try"]) and not others
    assert Path(folder).is_dir() and Path(folder).parent == tmp_path / "outputs/try"
    assert not list(Path(folder).iterdir())
    assert argv == ["corruption=mask+noise", "corruption.noise.sigma=0.3", "name=try"] and full_error is None
    assert sys.argv == ["train.py"] and cli.RUN_DIR not in os.environ


def test_experiment_names_the_folder_and_resume_keeps_it(conf, tmp_path, monkeypatch, capsys):
    _, [(_, folder, *_)] = train(["experiment=dae"], monkeypatch)
    assert Path(folder).parent == tmp_path / "outputs/dae"
    Path(folder).mkdir(parents=True, exist_ok=True)
    Path(folder, "config.yaml").write_text(yaml.safe_dump(compose(["experiment=dae"])))
    _, [(_, again, *_)] = train([f"resume={folder}"], monkeypatch)
    assert again == folder
    sets = {"a": {"root": "here", "size": 8}, "b": {"size": 8}}
    Path(folder, "config.yaml").write_text(yaml.safe_dump({"data": {"sets": sets}}))
    moved = {"data": {"sets": {"a": {"root": "there", "size": 9}}}}
    asked = {"resume": folder, **moved}
    assert resumed(asked, ["data.sets.a.root=there"])["data"]["sets"]["a"] == {"root": "there", "size": 8}
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
    assert cli.main(["trane"]) == 1
    assert capsys.readouterr().err == "error: there is no command 'trane'; nearest: train\n"
    assert cli.main([]) == 0
    assert "train" in capsys.readouterr().out


SCRIPT = """
import pathlib, sys
from ssl_pipeline.cli import main as cli
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
    assert not [line for line in done.stderr.splitlines() if line.endswith(" torch")]
    assert not list(tmp_path.iterdir())


# The real folder


@pytest.mark.parametrize("group", sorted(config.SIGNS))
def test_parts_are_headed_by_their_own_name(group):
    files = [file for file in sorted((ROOT / "conf" / group).glob("*.yaml")) if file.stem != "none"]
    assert files
    for file in files:
        assert file.read_text().splitlines()[0] == f"# @package {group}.{file.stem}"
        assert not set(file.stem) & set("+-")


@pytest.mark.parametrize(
    "overrides",
    [
        ["encoder.options={img_size: 8, patch_size: 4}"],
        ["+encoder.options.img_size=8", "+encoder.options.patch_size=4"],
    ],
)
def test_options_of_a_backbone_as_one_value_or_one_by_one(overrides):
    assert compose(["encoder=timm", *overrides])["encoder"]["options"] == {"img_size": 8, "patch_size": 4}


def test_the_real_defaults_compose():
    groups = [
        item for item in yaml.safe_load((ROOT / "conf/train.yaml").read_text())["defaults"] if isinstance(item, dict)
    ]
    chosen = [
        (group, name) for item in groups for group, name in item.items() if name and not group.startswith("override")
    ]
    missing = [
        pair
        for pair in chosen
        if not set("+-") & set(pair[1]) and not (ROOT / f"conf/{pair[0]}/{pair[1]}.yaml").exists()
    ]
    if missing:
        pytest.skip(f"not written yet: {missing}")
    assert list(compose([])["corruption"]) == ["mask", "noise"]
