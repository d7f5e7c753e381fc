"""A small stand-in for ``conf``, and the command line that trains nothing."""

import os
import shutil
import sys

import pytest
import yaml
from helpers.paths import ROOT

from ssl_pipeline.cli import train as cli
from ssl_pipeline.config import compose as config

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
    "decoder": {"conv": {}, "cross_attention": {}},
    "teacher": {"none": {}},
    "callback": {"none": {}},
    "sampler": {"none": {}},
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
    write(folder, group, name, {"type": name} | options, f"{group}.{name}" if group in config.COMBINING_SIGNS else None)


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
