"""The configuration language, on a small stand-in for ``conf`` and on the real one."""

import shutil

import hydra
import pytest
import yaml
from helpers.paths import ROOT
from helpers.small_conf import train, write
from hydra.core.global_hydra import GlobalHydra
from hydra.version import getbase

from ssl_pipeline.config import compose as config
from ssl_pipeline.config.compose import compose

# The language


def test_an_experiments_options_go_with_the_teacher_that_the_user_takes_out(capsys):
    assert compose(["experiment=moco", "teacher=none"])["teacher"] is None
    assert "note: options of teacher are not used" in capsys.readouterr().err
    assert not compose([])["teacher"] and compose(["experiment=moco"])["teacher"]["momentum"] == 0.99
    assert not capsys.readouterr().err
    with pytest.raises(ValueError, match=r"teacher\.momentum=0\.9 is an option of a teacher, and there is none"):
        compose(["experiment=moco", "teacher=none", "teacher.momentum=0.9"])


@pytest.mark.parametrize("of", ["[noise,blur]", "noise"])
def test_options_of_what_any_does_not_draw_are_refused(of):
    words = ["corruption=crop-any", f"corruption.crop-any.any.of={of}"]
    found = compose([*words, "corruption.crop-any.any.noise.severity=3"])["corruption"]["crop-any"]["any"]
    assert found["noise"]["severity"] == 3
    with pytest.raises(ValueError, match=r"any\.jpeg\.quality=5: corruption\.crop-any\.any\.of leaves out 'jpeg'"):
        compose([*words, "corruption.crop-any.any.jpeg.quality=5"])


def test_options_of_what_any_draws_by_its_data_are_taken():
    found = compose(["corruption=any", "corruption.any.jpeg.quality=5"])["corruption"]["any"]
    assert found["jpeg"]["quality"] == 5


def test_defaults_are_plain_and_resolved(conf):
    found = compose([])
    assert list(found["corruption"]) == ["mask", "noise"]
    assert found["corruption"]["noise"] == {"type": "noise", "sigma": 0.1}
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
        "type": "chain",
        "lowres": {"type": "lowres", "factor": 2},
        "noise": {"type": "noise", "sigma": 0.4},
    }
    assert list(compose(["corruption=noise-noise"])["corruption"]["noise-noise"])[1:] == ["noise_1", "noise_2"]


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
    write(conf, "corruption", "bare", {"type": "bare"})
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
    assert compose(["+trainer.limit_train_batches=2"])["trainer"]["limit_train_batches"] == 2


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
        with pytest.raises(ValueError, match="there is no encoder 'vitt'"):
            compose(["encoder=vitt"])
        assert GlobalHydra.instance().hydra is outer
    assert (first["seed"], second["seed"]) == (1, 2)


# The real folder


@pytest.mark.parametrize("group", sorted(config.COMBINING_SIGNS))
def test_parts_are_headed_by_their_own_name(group):
    folders = (ROOT / "conf", ROOT / "ssl_pipeline/lab/conf")
    files = [file for folder in folders for file in (folder / group).glob("*.yaml") if file.stem != "none"]
    assert files
    for file in files:
        assert file.read_text().splitlines()[0] == f"# @package {group}.{file.stem}"
        assert not set(file.stem) & set("+-")


@pytest.mark.parametrize(
    "overrides",
    [
        ["encoder.options={img_size: 8, patch_size: 4}"],
        ["+encoder.options.img_size=8", "+encoder.options.patch_size=4"],
        ["encoder.options.img_size=8", "encoder.options.patch_size=4"],
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
        (group, name)
        for group, name in chosen
        if not set("+-$") & set(name)
        and (group, name) != ("encoder", "suitable")
        and not (ROOT / f"conf/{group}/{name}.yaml").exists()
    ]
    assert not missing
    found = compose([])
    assert list(found["corruption"]) == ["mask", "noise"] and list(found["objective"]) == ["reconstruct"]
    assert found["encoder"]["type"] == found["decoder"]["type"] == "conv"
