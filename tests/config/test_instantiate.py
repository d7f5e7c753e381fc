"""Targets, options and the allow-list."""

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from helpers.build import build

from ssl_pipeline.config.compose import compose, explained
from ssl_pipeline.config.instantiate import instantiate
from ssl_pipeline.structures.grid import Axis, GridSpec
from ssl_pipeline.training.plan import plan_run
from ssl_pipeline.utils.annotations import fits

GRID = GridSpec.of(("y", 8), ("x", 8), channels=1)

LINEAR = {"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 3}


def test_builds_from_the_inside_out():
    layer = {"_target_": "torch.nn.TransformerEncoderLayer", "d_model": 4, "nhead": 2, "dim_feedforward": 6}
    built = instantiate(
        {
            "_target_": "torch.nn.TransformerEncoder",
            "encoder_layer": layer,
            "num_layers": 1,
            "enable_nested_tensor": False,
        }
    )
    assert built.layers[0].linear1.out_features == 6


def test_dictionaries_lists_and_scalars_stay():
    node = {"a": [1, "x", None, {"b": 2.5}], "lowres-noise": {}}
    built = instantiate(node)
    assert built == node and built is not node
    layers = instantiate({"view": [LINEAR, LINEAR]})["view"]
    assert [type(layer) for layer in layers] == [torch.nn.Linear] * 2 and layers[0] is not layers[1]


def test_partial_waits_for_the_rest():
    build = instantiate({"_target_": "torch.optim.SGD", "_partial_": True, "lr": 0.5})
    assert isinstance(build, partial) and build.func is torch.optim.SGD
    assert build([torch.nn.Parameter(torch.zeros(1))]).defaults["lr"] == 0.5


def test_partials_inside_a_partial():
    axis = {"_target_": "ssl_pipeline.structures.grid.Axis", "_partial_": True, "name": "x"}
    build = instantiate({"_target_": "ssl_pipeline.structures.grid.GridSpec", "_partial_": True, "axes": [axis]})
    assert build.keywords["axes"][0](size=3) == Axis("x", 3)


def test_the_node_is_not_changed():
    node = {"_target_": "torch.nn.Linear", "_partial_": True, "bias": False}
    instantiate(node)
    assert node == {"_target_": "torch.nn.Linear", "_partial_": True, "bias": False}


@pytest.mark.parametrize("is_partial", [True, False])
def test_unknown_option_names_the_nearest(is_partial):
    node = {"_target_": "torch.nn.Dropout", "_partial_": is_partial, "inplce": True}
    with pytest.raises(ValueError, match=r"^torch.nn.Dropout has no option 'inplce'; nearest: inplace$"):
        instantiate(node)


def test_unknown_option_of_an_inner_part():
    inner = {"_target_": "ssl_pipeline.structures.grid.Axis", "_partial_": True, "nme": "x"}
    with pytest.raises(ValueError, match=r"grid\.Axis has no option 'nme'; nearest: name"):
        instantiate({"corruption": {"a-b": {"parts": [inner]}}})


def test_hydras_other_keys_are_options_like_any():
    with pytest.raises(ValueError, match="has no option '_args_'"):
        instantiate({"_target_": "torch.nn.Dropout", "_args_": [0.5]})


def test_missing_option_of_a_whole_is_refused():
    with pytest.raises(ValueError, match=r"torch\.nn\.Linear needs the option out_features"):
        instantiate({"_target_": "torch.nn.Linear", "in_features": 2})


def test_errors_of_the_constructor_keep_their_sentence():
    with pytest.raises(ValueError, match=r"^dropout probability has to be between 0 and 1, but got 2$"):
        instantiate({"_target_": "torch.nn.Dropout", "p": 2})


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "torch.load",
        "torch.nnx.Linear",
        "ssl_pipeline_evil.Thing",
        "timm.models.load_state_dict",  # unpickles
        "torch.nn.modules.module.torch.load",  # by way of an allowed module
        "ssl_pipeline.structures.batch.re.compile",
        "ssl_pipeline.config.instantiate.importlib.import_module",
        "ssl_pipeline.config.instantiate.instantiate",  # would bring a `trust` of its own
        "ssl_pipeline.cli.main.main",
        "ssl_pipeline.cli.commands.draw_dag",  # builds what it is told to
        "ssl_pipeline.report.write_report",
        "torch.nn.Linear.__init__.__globals__",
        "torch.nn.Module.__subclasses__",
    ],
)
@pytest.mark.parametrize("is_partial", [True, False])
def test_untrusted_targets(target, is_partial):
    with pytest.raises(ValueError, match=r"not on the allow-list .*trust="):
        instantiate({"a": [{"_target_": target, "_partial_": is_partial}]})


def test_an_untrusted_module_is_not_even_imported(tmp_path, monkeypatch):
    (tmp_path / "evil_module.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="evil_module"):
        instantiate({"_target_": "evil_module.f"})


def test_trust_extends_the_list_by_whole_names():
    node = {"_target_": "fractions.Fraction", "numerator": 1, "denominator": 3}
    assert float(instantiate(node, trust=("fractions",))) == pytest.approx(1 / 3)
    assert float(instantiate([node], trust=("fractions.Fraction",))[0]) == pytest.approx(1 / 3)
    with pytest.raises(ValueError, match=r"pass trust=\('fractions',\)"):
        instantiate(node, trust=("fraction",))


def test_a_target_that_takes_trust_is_refused(tmp_path, monkeypatch):
    (tmp_path / "loader_module.py").write_text("def load(path, trust=()): ...")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match="decides itself what to trust"):
        instantiate({"_target_": "loader_module.load", "path": "x"}, trust=("loader_module",))


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("ssl_pipeline.structures.grid.GridSpecs", "there is no 'GridSpecs'; nearest: GridSpec"),
        ("ssl_pipeline.grids.GridSpec", "there is no 'grids'"),
        ("torch.nn.Linaer", "nearest: .*Linear"),
        ("ssl_pipeline.structures.grid", "is no class or function"),
    ],
)
def test_targets_that_do_not_exist(target, sentence):
    with pytest.raises(ValueError, match=sentence):
        instantiate({"_target_": target})


@pytest.mark.parametrize(
    "node", [{"_partial_": True, "sigma": 1}, {"_target_": 3}, {"_target_": "torch.nn.GELU", "_partial_": "x"}]
)
def test_malformed_nodes(node):
    with pytest.raises(ValueError, match="_partial_"):
        instantiate(node)


def test_timm_is_allowed_where_it_cannot_unpickle():
    assert instantiate({"_target_": "timm.layers.Mlp", "in_features": 2}).fc1.in_features == 2
    assert instantiate({"_target_": "timm.layers.Mlp", "_partial_": True}).func.__name__ == "Mlp"
    gelu = instantiate({"_target_": "torch.nn.functional.gelu", "_partial_": True})
    assert gelu(torch.zeros(1)) == 0


def test_needs_no_hydra():
    code = "import sys, ssl_pipeline.config.instantiate; sys.exit(bool({'hydra', 'omegaconf'} & {*sys.modules}))"
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
        ("encoder.widths=8", r"encoder\.widths=8: expected list\[int\]"),
        ("corruption.mask.fill=median", r"corruption\.mask\.fill='median': expected 'mean' \| 'noise' \| float"),
        ("corruption.noise.sigma=nan", r"corruption\.noise\.sigma=nan: expected finite numbers"),
        ("optimizer.make.betas=[nan,0.9]", r"optimizer\.make\.betas=\[nan, 0.9\]: expected finite numbers"),
        ("trainer.max_time=[1]", r"trainer\.max_time=\[1\]: expected float \| str \| \{\.\.\.\} \| null"),
        ("optimizer.lr=fast", r"optimizer\.lr='fast': expected float"),
        ("hardware.compile=3", r"hardware\.compile=3: expected bool"),
        ("trainer.gradient_clip_val=x", r"trainer\.gradient_clip_val='x': expected float \| int \| null"),
        ("probe.protocol.k=0", r"probe\.protocol\.k=0: expected at least 1"),
        ("probe.online=[1]", r"probe\.online=\[1\]: "),
        ("optimizer.make.betas=[2]", r"optimizer\.make\.betas=\[2\]: expected list\[.*float, .*float\]"),
    ],
)
def test_values_are_refused_by_their_place(override, sentence):
    with pytest.raises(ValueError, match=sentence):
        plan_run(compose(["corruption=mask+noise", override]))


def test_none_stands_for_a_default_of_none():
    pool = instantiate({"_target_": "torch.nn.AvgPool1d", "kernel_size": 2, "stride": None})
    assert pool.stride == (2,)
    assert plan_run(compose(["trainer.max_time=90"])).clock.max_time == 90


def test_a_group_takes_a_name():
    said = explained(TypeError("argument of type 'int' is not iterable"), ["seed=[1]", "teacher=[1]"])
    assert said == "teacher=[1]: a group takes the name of one of its files, as in teacher=ema"


def test_sizes_of_which_nothing_can_be_made():
    config = compose(["encoder=vit", "decoder=cross_attention", "objective=swav", "objective.swav.projector.hidden=-1"])
    with pytest.raises(ValueError, match=r"objective\.swav cannot be made with these options: .*negative dimension"):
        build(config, GRID)
    recipe = compose(["optimizer=lars", "optimizer.make.momentum=nonsense"])["optimizer"]
    with pytest.raises(ValueError, match=r"optimizer\.make: Lars refuses its options: "):
        instantiate(recipe).optimizer(torch.nn.Linear(2, 2), 8)
