"""Parts by name, their options, and classes that must be trusted."""

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from helpers.build import build

from ssl_pipeline.config.build import build_part, build_parts
from ssl_pipeline.config.compose import compose, explained
from ssl_pipeline.losses import SelfDistillation, Sinkhorn
from ssl_pipeline.objectives import TeacherPrediction
from ssl_pipeline.optim.rules import make_recipe
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.training.plan import plan_run
from ssl_pipeline.utils.annotations import fits

GRID = GridSpec.of(("y", 8), ("x", 8), channels=1)


def test_builds_from_the_inside_out():
    loss = {"type": "self_distillation", "balance": {"type": "sinkhorn", "iterations": 5}}
    built = build_part("objective", {"type": "teacher_prediction", "loss": loss, "projector": "projector"})
    assert isinstance(built, TeacherPrediction) and isinstance(built.loss, SelfDistillation)
    assert isinstance(built.loss.balance, Sinkhorn) and built.loss.balance.iterations == 5


def test_parts_by_name_and_parts_inside_parts():
    node = {"type": "chain", "ask": {"type": "template", "families": {"a": ["{}"]}, "room": 4}, "noise": "noise"}
    views = build_parts("corruption", {"a-b": node, "echo": {"type": "echo"}}, at="corruption")
    assert [*views] == ["a-b", "echo"] and [*views["a-b"].parts] == ["ask", "noise"]
    assert views["a-b"].parts["ask"].room == 4
    inner = {"type": "mixed", "sets": {"a": "digits", "b": {"type": "arithmetic", "bits": 3}}}
    sets = build_part("data", inner)
    with pytest.raises(ValueError, match=r"data.sets.c is mixed itself: name each of its sets here"):
        build_part("data", {"type": "mixed", "sets": {"a": "digits", "c": inner}})
    assert [*sets] == ["a", "b"] and sets["b"].name == "arithmetic, add"


def test_plain_values_stay_as_they_are():
    node = {"type": "timm", "options": {"img_size": [8, 8], "type": "x", "_target_": "os.system"}}
    assert build_part("encoder", node).options == node["options"]  # a dictionary, of which nothing is made


@pytest.mark.parametrize("nothing", [None, {}])
def test_an_empty_node_is_no_part(nothing):
    assert build_part("teacher", nothing) is None and build_parts("callback", nothing, at="callback") == {}


def test_layers_and_optimisers_wait_for_sizes_and_weights():
    rule = build_part("optimizer", {"type": "sgd", "lr": 0.5})
    assert isinstance(rule, partial) and rule.func is torch.optim.SGD
    assert rule([torch.nn.Parameter(torch.zeros(1))]).defaults["lr"] == 0.5
    encoder = build_part("encoder", {"type": "vit", "mlp": {"type": "swiglu", "bias": False}})
    assert encoder.mlp(8, 16).fc1_g.bias is None
    assert build_part("encoder", {"type": "vit", "mlp": "low_rank_bilinear"}).mlp(8, 4).out_features == 8


def test_the_node_is_not_changed():
    node = {"type": "slots", "slots": 2, "fuse": {"type": "relaxed", "steps": 1}}
    build_part("latent", node)
    assert node == {"type": "slots", "slots": 2, "fuse": {"type": "relaxed", "steps": 1}}


@pytest.mark.parametrize(
    ("kind", "node", "sentence"),
    [
        ("loss", "mask", r"^there is no loss 'mask'; there are: .* and \d+ others; one of your own"),
        ("loss", "vicregg", r"^there is no loss 'vicregg'; nearest: vicreg"),
        ("loss", {"type": "smooth_l1", "bta": 1}, r"^loss smooth_l1 has no option 'bta'; nearest: beta$"),
        ("loss", {"type": "mse", "beta": 1}, r"^loss mse has no option 'beta'; there are none$"),
        ("optimizer", {"type": "sgd", "momentm": 1}, r"^optimizer sgd has no option 'momentm'; nearest: momentum$"),
        ("loss", "self_distillation", r"^loss self_distillation needs the option balance$"),
        ("loss", {"type": "self_distillation", "balance": "mse"}, r"^self_distillation.balance: there is no balance"),
        ("latent", {"type": "slots", "fuse": {"type": "mse"}}, r"^slots.fuse: there is no consensus 'mse'"),
        ("loss", {"type": "info_nce", "temperature": {"type": "mse"}}, "temperature=.*: expected a number"),
        ("corruption", {"type": "chain", "a": {"type": "mse"}}, r"^chain.a: there is no corruption 'mse'"),
        ("loss", {"beta": 1.0}, r"^loss={'beta': 1.0}: expected a loss as {type: NAME, ...}$"),
        ("loss", 3, r"^loss=3: expected a loss as"),
        ("loss", {"type": 3}, r"^loss: expected the name of a loss as type, got 3$"),
        ("loss", {"type": "mse", "_target_": "a.B"}, r"^loss says type=mse and _target_=a.B: drop one of them$"),
        ("loss", {"type": "mse", "_args_": [1]}, r"_args_"),
    ],
)
def test_what_is_wrong_is_one_sentence(kind, node, sentence):
    with pytest.raises((ValueError, TypeError), match=sentence):
        build_part(kind, node)


def test_errors_name_options_as_they_are_typed():
    views = {"crop-noise": {"type": "chain", "noise": {"type": "noise", "severity": 9}}}
    with pytest.raises(ValueError, match=r"^corruption\.crop-noise\.noise\.severity is a number or .*, got 9"):
        build_parts("corruption", views, at="corruption")
    with pytest.raises(ValueError, match=r"^severity is a number"):
        build_part("corruption", {"type": "noise", "severity": 9})


def test_an_error_says_where():
    loss = {"type": "self_distillation", "balance": "sinkorn"}
    node = {"byol": {"type": "teacher_prediction", "loss": loss}}
    with pytest.raises(ValueError, match=r"^objective\.byol\.loss\.balance: there is no balance 'sinkorn'; nearest: "):
        build_parts("objective", node, at="objective")


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/b", "", "a.b", "a\nb"])
def test_names_of_parts_cannot_lead_to_other_folders(name):
    with pytest.raises(ValueError, match=r"^corruption has a part called .*: expected letters, digits"):
        build_parts("corruption", {name: {"type": "echo"}}, at="corruption")


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "torch.load",
        "torch.nn.Linear",
        "ssl_pipeline_evil.Thing",
        "timm.models.load_state_dict",
    ],
)
@pytest.mark.parametrize("key", ["type", "_target_"])
def test_untrusted_targets(key, target):
    with pytest.raises(ValueError, match=rf"^{target} is neither a registered loss nor of a package") as caught:
        build_part("loss", {key: target})
    assert "trust=" not in str(caught.value)


@pytest.mark.parametrize(
    "target",
    [
        "ssl_pipeline.losses.MSE",
        "ssl_pipeline.inference.weights.write_safetensors",
        "ssl_pipeline.config.build.build_part",
        "ssl_pipeline.cli.main.main",
    ],
)
@pytest.mark.parametrize("trust", [(), ("ssl_pipeline",), ("torch",)])
def test_parts_of_this_package_have_names_whoever_is_trusted(target, trust):
    with pytest.raises(ValueError, match=r"parts of ssl_pipeline have names of their own"):
        build_part("loss", {"_target_": target}, trust=trust)


def test_an_untrusted_module_is_not_even_imported(tmp_path, monkeypatch):
    (tmp_path / "evil_module.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="evil_module"):
        build_part("loss", {"_target_": "evil_module.f"})


def test_trust_is_of_whole_names_and_of_what_is_written_there(tmp_path, monkeypatch):
    (tmp_path / "own_module.py").write_text(
        "import os\nfrom ssl_pipeline import load\nclass Own:\n    def __init__(self, x=1, trust=()): self.x = x\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    node = {"_target_": "own_module.Own", "x": 2}
    assert build_part("loss", node, trust=("own_module",)).x == 2
    assert build_part("loss", node, trust=("own_module.Own",)).x == 2
    assert build_part("loss", "own_module.Own", trust=("own_module",)).x == 1
    for trust in ("own", "own_modul", "own_module.O", ""):
        with pytest.raises(ValueError, match="is neither a registered loss"):
            build_part("loss", node, trust=(trust,))
    for path in ("own_module.os.system", "own_module.load", "own_module.Own.__init__.__globals__"):
        with pytest.raises(ValueError, match="is neither a registered loss"):
            build_part("loss", {"_target_": path}, trust=("own_module",))
    with pytest.raises(ValueError, match="trust is no option of a part"):
        build_part("loss", node | {"trust": ["os"]}, trust=("own_module",))


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("torch.nn.Linaer", "there is no 'Linaer'; nearest: .*Linear"),
        ("torch.nx.Linear", "there is no 'nx'"),
        ("torch.nn", "is no class or function"),
    ],
)
def test_targets_that_do_not_exist(target, sentence):
    with pytest.raises(ValueError, match=sentence):
        build_part("loss", {"_target_": target}, trust=("torch",))


def test_needs_no_hydra_and_no_torch():
    heavy = "{'hydra', 'omegaconf', 'torch'} & {*sys.modules}"
    code = f"import sys, ssl_pipeline.config.build, ssl_pipeline.config.registry; sys.exit(bool({heavy}))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.parametrize(
    ("hint", "good", "bad"),
    [
        (int, [1, -1], [True, 0.5, "1", None, [1]]),
        (float, [1, 0.5], [True, "x", None]),
        (str, ["", "x"], [1, None, ["x"]]),
        (bool, [True], [1, "true", None]),
        (int | str | None, [1, "auto", None], [0.5, [1], True]),
        (Literal["mean", "noise"] | float, ["mean", 2], ["median", None]),
        (Sequence[int], [[1, 2], (1,), []], [1, "12", [0.5], ["a"], None]),
        (tuple[float, float], [[0, 1.0]], [[1], [1, 2, 3], [1, "x"]]),
        (tuple[int, ...], [[1, 2, 3], []], [[1, "x"]]),
        (Mapping[str, int], [{"a": 1}, {}], [{"a": "x"}, [1], 1]),
        (Callable[[int], int], [abs], [1, "x", None]),
        (Any, [1, None, [1], {}], []),
        (GridSpec, [GRID, 1, "x"], [None, [1]]),  # of what is no plain kind nothing is said
        (Path, ["x"], []),
    ],
)
def test_kinds_of_plain_values(hint, good, bad):
    assert [value for value in good if not fits(value, hint)] == []
    assert [value for value in bad if fits(value, hint)] == []


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("encoder.widths=8", r"encoder\.widths=8: expected a list of whole numbers"),
        ("corruption.mask.fill=median", r"corruption\.mask\.fill='median': expected 'mean', 'noise' or a number"),
        ("corruption.noise.sigma=nan", r"corruption\.noise\.sigma=nan: expected finite numbers"),
        ("optimizer.make.betas=[nan,0.9]", r"optimizer\.make\.betas=\[nan, 0.9\]: expected finite numbers"),
        ("trainer.max_time=[1]", r"trainer\.max_time=\[1\]: expected text, \{\.\.\.\}, a number or null"),
        ("optimizer.lr=fast", r"optimizer\.lr='fast': expected a number"),
        (
            "hardware.precision=bf16-true",
            r"=bf16-true: expected auto, 32-true, bf16-mixed or",
        ),
        ("hardware.precision=64-true", r"hardware\.precision=64-true: expected auto, 32-true"),
        ("trainer.accumulate_grad_batches=0", r"accumulate_grad_batches=0: expected the number of micro-batches"),
        ("hardware.compile=3", r"hardware\.compile=3: expected true or false"),
        ("trainer.gradient_clip_val=x", r"trainer\.gradient_clip_val='x': expected a number or null"),
        ("probe.protocol.k=0", r"probe\.protocol\.k=0: expected at least 1"),
        ("probe.online=[1]", r"probe\.online=\[1\]: "),
        ("optimizer.make.betas=[2]", r"optimizer\.make\.betas=\[2\]: expected a list of 2, each a number or Tensor"),
    ],
)
def test_values_are_refused_by_their_place(override, sentence):
    with pytest.raises(ValueError, match=sentence):
        plan_run(compose(["corruption=mask+noise", override]))


def test_none_stands_for_a_default_of_none():
    assert build_part("segments", {"type": "motion", "around": None}).around is None
    assert plan_run(compose(["trainer.max_time=90"])).clock.max_time == 90


def test_a_group_takes_a_name():
    said = explained(TypeError("argument of type 'int' is not iterable"), ["seed=[1]", "teacher=[1]"])
    assert said == "teacher=[1]: a group takes the name of one of its files, as in teacher=ema"


def test_sizes_of_which_nothing_can_be_made():
    config = compose(["encoder=vit", "decoder=cross_attention", "objective=swav", "objective.swav.projector.count=-1"])
    with pytest.raises(ValueError, match=r"objective\.swav cannot be made with these options: .*negative dimension"):
        build(config, GRID)
    recipe = compose(["optimizer=lars", "optimizer.make.momentum=nonsense"])["optimizer"]
    with pytest.raises(ValueError, match=r"optimizer\.make: Lars refuses its options: "):
        make_recipe(recipe).optimizer(torch.nn.Linear(2, 2), 8)
