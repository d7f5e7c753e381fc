"""Models from outside through whole runs, and under the methods that hide something."""

from __future__ import annotations

import lightning
import pytest
import timm
import torch
from helpers.graph_kinds import composed
from torch import nn
from torch.utils.data import DataLoader

import ssl_pipeline as sslp
from ssl_pipeline.cli import main as cli
from ssl_pipeline.config.compose import compose
from ssl_pipeline.config.saved import read_saved
from ssl_pipeline.data import digits
from ssl_pipeline.evaluation.subjects import subjects_of_run
from ssl_pipeline.exporting import export_part
from ssl_pipeline.graph.builder import GraphFactory
from ssl_pipeline.structures.batch import Batch
from ssl_pipeline.structures.data_spec import DataSpec
from ssl_pipeline.structures.grid import GridSpec
from ssl_pipeline.training.plan import plan_run

QUICK = {"probe": "none", "report.page": False, "hardware": "cpu", "diagnostics.every": 0, "batch_size": 32}
DIGITS = GridSpec.of(("y", 8), ("x", 8), channels=1)
VIT = ["encoder=timm", "encoder.name=vit_tiny_patch16_224"]
VIT += [f"encoder.options.{option}" for option in ("patch_size=2", "embed_dim=24", "depth=3", "num_heads=2")]
OF = f"{__name__}.Net"
CNN = ["encoder=timm", "encoder.name=resnet10t"]


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(1, 8, 2, stride=2)

    def forward(self, x):
        return self.body(x).mean((2, 3))


def test_a_module_from_pretraining_to_another_process(tmp_path, capsys):
    net, x, folder = Net(), torch.rand(5, 1, 8, 8), tmp_path / "run"
    before = net.body.weight.detach().clone()
    run = sslp.pretrain("digits", encoder=net, steps=2, output=folder, options=QUICK)
    assert "the encoder Net skips no tokens: it sees masked places as they are filled" in capsys.readouterr().out
    assert not torch.equal(net.body.weight, before)
    z = run.model.embed(x)
    assert run.model.graph.encoder.model is not net and z.shape == (5, 8)
    torch.testing.assert_close(sslp.embed(run, x), z)
    export_part(run.model, "encoder", tmp_path / "out")
    line = next(line for line in (tmp_path / "out/README.md").read_text().splitlines() if "sslp.load(" in line)
    assert line.startswith('model = sslp.load(".", encoder=module).part()') and line.endswith("an object of " + OF)
    torch.testing.assert_close(sslp.load(tmp_path / "out", encoder=Net()).embed(x), z)
    other = Net()
    first = other.body.weight.detach().clone()
    torch.testing.assert_close(sslp.load(folder, encoder=other).embed(x), z)
    assert torch.equal(other.body.weight, first)  # it can be given for another run, too
    sentence = r"encoder is an object of Python \(\S+\.Net\).*sslp.load\(folder, encoder=module\)"
    with pytest.raises(ValueError, match=sentence):
        sslp.load(folder)
    assert cli.main(["train", f"resume={folder}", "trainer.max_steps=3"]) == 1
    assert "options={'resume': folder}" in capsys.readouterr().err
    on = QUICK | {"resume": str(folder)}
    assert sslp.pretrain("digits", encoder=Net(), steps=3, options=on).summary["steps"] == 3
    with pytest.raises(ValueError, match="do not fit"):
        sslp.load(folder, encoder=nn.Conv2d(1, 8, 2))


class Detached(Net):
    def forward(self, x):
        return super().forward(x).detach()


def test_an_encoder_without_gradient_is_refused_and_a_frozen_one_is_named(tmp_path, capsys):
    with pytest.raises(ValueError, match="the encoder Detached has got no gradient in the first step"):
        sslp.pretrain("digits", encoder=Detached(), steps=1, output=tmp_path / "detached", options=QUICK)
    unused = Net().requires_grad_(False)
    unused.head = nn.Linear(8, 3)
    with pytest.raises(ValueError, match="also freeze what its forward does not use"):
        sslp.pretrain("digits", encoder=unused, steps=1, output=tmp_path / "unused", options=QUICK)
    frozen = Net().requires_grad_(False)
    sslp.pretrain("digits", encoder=frozen, steps=1, output=tmp_path / "frozen", options=QUICK)
    assert "frozen     the encoder Net learns nothing" in capsys.readouterr().out


class Mixing(Net):
    def forward(self, x):
        return super().forward(x).mean(0, keepdim=True)


def test_an_encoder_that_mixes_samples_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"the encoder Mixing returns \(1, .*\) for 32 samples: expected as many"):
        sslp.pretrain("digits", encoder=Mixing(), steps=1, output=tmp_path / "run", options=QUICK)


def test_an_object_of_timms_is_loaded_without_it(tmp_path):
    model = timm.create_model(
        "vit_tiny_patch16_224", img_size=8, patch_size=2, in_chans=1, embed_dim=24, depth=1, num_heads=2
    )
    before = model.blocks[0].mlp.fc1.weight.detach().clone()
    run = sslp.pretrain("digits", "mae", encoder=model, steps=2, output=tmp_path / "run", options=QUICK)
    moved = (model.blocks[0].mlp.fc1.weight.detach() - before).abs()
    assert 0 < moved.max() < 0.01  # it was trained, from the weights that it had
    x = torch.rand(5, 1, 8, 8)
    torch.testing.assert_close(sslp.load(tmp_path / "run").embed(x), run.model.embed(x))


def test_a_module_in_a_loop_of_ones_own():
    net = Net()
    graph = sslp.Graph(
        {"mask": sslp.Mask(ratio=0.75), "noise": sslp.Noise()}, encoder=net, objective=sslp.Reconstruction()
    )
    module = sslp.PretrainModule(graph, optimizer=sslp.AdamW(lr=1e-3))
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    before = net.body.weight.detach().clone()
    loader = DataLoader(torch.rand(64, 1, 8, 8), batch_size=32)
    lightning.Trainer(max_steps=2, accelerator="cpu", **quiet).fit(module, loader)
    assert module.graph.encoder.model is net and not torch.equal(net.body.weight, before)


def losses(*overrides):
    config = composed(*overrides)
    torch.manual_seed(0)
    graph = GraphFactory(config).build(DataSpec(DIGITS))
    found = graph(graph.corrupt(Batch(torch.rand(8, 1, 8, 8), torch.arange(8))))
    found["loss"].backward()
    return graph, found["loss"]


@pytest.mark.parametrize("method", ["mae", "simmim", "ijepa", "data2vec", "ibot"])
def test_a_vit_of_timms_under_every_masked_method(method):
    masks = {"ibot": "crop-mask.mask", "ijepa": "multiblock"}
    crops = [f"corruption.{masks.get(method, 'mask')}.cell=2"]
    graph, loss = losses(f"experiment={method}", *VIT, *crops)
    assert torch.isfinite(loss) and graph.encoder.skips is (method not in ("simmim", "ibot"))
    assert not [name for name, p in graph.encoder.named_parameters() if p.requires_grad and p.grad is None]


@pytest.mark.parametrize(
    ("method", "sentence"),
    [
        ("mae", None),
        ("simmim", "timm's resnet10t is no vision transformer .* set encoder.masked=keep"),
        ("data2vec", "teacher.layers=3: expected 1 to the 1 blocks that the encoder can average"),
    ],
)
def test_a_convolutional_model_under_masked_methods(method, sentence):
    if sentence is None:
        graph, loss = losses(f"experiment={method}", *CNN)
        assert torch.isfinite(loss) and graph.encoder.sees_filling
        return
    with pytest.raises(ValueError, match=sentence):
        losses(f"experiment={method}", *CNN)


def test_options_of_the_experiments_own_encoder_go_with_it(capsys):
    config = compose(["experiment=simmim", *VIT])
    assert config["encoder"]["masked"] == "token" and "width" not in config["encoder"]
    said = "note: the experiment's width, depth, heads, pool are not used, since encoder=timm has no such options"
    assert said in capsys.readouterr().err
    assert config["encoder"]["options"] == {"patch_size": 2, "embed_dim": 24, "depth": 3, "num_heads": 2}
    with pytest.raises(ValueError, match=r"there is no option encoder\.wdith"):
        compose(["experiment=mae", "encoder=timm", "encoder.wdith=3"])


def test_what_does_not_fit_is_one_sentence(capsys, tmp_path):
    short = ["train", *VIT[:2], "decoder=cross_attention", f"hydra.run.dir={tmp_path}", "hardware=cpu"]
    assert cli.main(short) == 1
    sentence = "vit_tiny_patch16_224 cuts images into patches of 16 x 16, which do not divide (8, 8) cells: "
    assert f"{sentence}set encoder.options.patch_size to one of [1, 2, 4, 8]" in capsys.readouterr().err
    assert cli.main([*short, "encoder.options.patchsize=2"]) == 1
    said = "encoder.options.patchsize: vit_tiny_patch16_224 is a VisionTransformer, which has no such option"
    assert said in capsys.readouterr().err


def test_a_run_remembers_what_it_trusts(tmp_path, monkeypatch):
    code = "import ssl_pipeline\n\nclass Dark(ssl_pipeline.Corruption):\n    def __call__(self, view, generator):\n"
    (tmp_path / "cellar.py").write_text(f"{code}        return view._replace(x=1 - view.x)\n")
    monkeypatch.syspath_prepend(tmp_path)
    dark = {"+corruption.dark": {"_target_": "cellar.Dark"}, "trust": ["cellar"]}
    run = sslp.pretrain("digits", steps=1, output=tmp_path / "run", options=QUICK | dark)
    assert "dark" in run.model.views


def test_the_untrained_encoder_is_a_row_only_where_it_is_known(tmp_path):
    net = Net()
    before = net.body.weight.detach().clone()
    run = sslp.pretrain("digits", encoder=net, steps=1, output=tmp_path / "run", options=QUICK)
    known = subjects_of_run(run.model, digits())
    found = dict(known.each())
    assert list(found) == ["this encoder", "untrained encoder"] and known.note is None
    assert torch.equal(found["untrained encoder"].embedder.encoder.model.body.weight, before)
    for given in (net, sslp.ModuleEncoder(net)):
        unknown = subjects_of_run(sslp.load(run.folder, encoder=given), digits())
        assert [row for row, _ in unknown.each()] == ["this encoder"] and "is left out: how the object" in unknown.note
    config = read_saved(run.folder).config | {"resume": str(run.folder)}
    for given, remembers in ((net, False), (run.encoder, True)):  # a run that goes on
        assert plan_run(config, given).factory.parts["encoder"].user_module.remembers is remembers
