"""The page of a run: one file that needs no other, of finished, interrupted and killed runs on any kind of data."""

from __future__ import annotations

import html
import json
import re
import shutil
import time

import numpy as np
import pytest
import torch
from helpers.build import build
from helpers.small_models import CONV, VIT

from ssl_pipeline import load
from ssl_pipeline.cli import main as cli
from ssl_pipeline.cli.arguments import parse
from ssl_pipeline.commands import draw_dag
from ssl_pipeline.config.compose import compose
from ssl_pipeline.data import digits
from ssl_pipeline.report import dag_svg, write_report
from ssl_pipeline.report.compare import compare_page
from ssl_pipeline.report.latents import latent_map
from ssl_pipeline.report.sheets import marked
from ssl_pipeline.report.tidy import read_tidy
from ssl_pipeline.training import run
from ssl_pipeline.training.callbacks import StopOnSignal
from ssl_pipeline.training.profiler import Waiting

pytestmark = pytest.mark.page
TINY = [
    "batch_size=32",
    "trainer.max_steps=6",
    "diagnostics.every=2",
    "trainer.log_every_n_steps=2",
    "report.samples=40",
]
PROBED = [
    *TINY,
    "probe.protocol.train_limit=100",
    "probe.protocol.few_shot=0",
    "probe=clean",
    "probe.online=1",
]
TINY += ["probe=none"]
KINDS = {
    "images": [*CONV, "corruption=mask+noise"],
    "sounds": [*CONV, "data=tones", "corruption=noise+reversal", "encoder.pool=1"],
    "waves": [*VIT, "data=tones", "data.features=waveform", "encoder.patch=50", "decoder.patch=50", "corruption=noise"],
    "texts": ["experiment=bart", "data.length=32", "data.windows.stride=32", "encoder.width=16", "encoder.depth=1"],
}
KINDS["texts"] += ["encoder.heads=2", "decoder.width=16", "decoder.depth=1", "decoder.heads=2", "batch_size=8"]


def checked(page):
    """The text of a page that needs nothing from elsewhere."""
    text = page.read_text()
    sources = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert sources and all(source.startswith("data:") for source in sources)
    assert "http" not in re.sub(r'xmlns="[^"]*"', "", re.sub(r"base64,[^\"]*", "", text)).replace("https://", "http")
    assert "<script" not in text and "@import" not in text and "url(" not in text
    tags = re.findall(r"<img[^>]*>", text)
    assert tags and all('alt="' in tag for tag in tags)
    return text


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images") / "run"
    run(compose([*PROBED, *KINDS["images"]]), str(folder))
    return folder


def test_a_page_of_images(images):
    text = checked(images / "report.html")
    for title in ("Results", "The graph", "Samples", "The latent space", "The training", "Diagnostics"):
        assert f"<h2>{title}</h2>" in text
    summary = json.loads((images / "summary.json").read_text())
    assert all(re.search(rf"<td[^>]*>{summary[key]:.1f}</td>", text) for key in ("knn", "knn_raw", "knn_balanced"))
    best = max(summary[key] for key in ("knn", "knn_raw", "knn_untrained"))
    assert f'<td class="best">{best:.1f}</td>' in text and "raw input in" in text and "its untrained twin in" in text
    for what in ("What passes the encoder, mask", "What passes decoders and heads", "Steps of the weights"):
        assert f"<h3>{what}</h3>" in text
    assert "Losses at the encoder" in text and "Probes on the way" in text and "interrupted" not in text
    assert text.count("data:image/png") == 2  # a sheet a view
    assert {"data_wait", "memory_gb", "samples_per_s"} <= summary.keys()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sounds", "waves", "texts"])
def test_a_page_of_other_kinds_of_data(kind, tmp_path):
    run(compose([*TINY, *KINDS[kind]]), str(tmp_path / "run"))
    text = checked(tmp_path / "run/report.html")
    if kind == "texts":
        assert "<del>" in text and '<dl class="text">' in text and "data:image/png" not in text
    else:
        views = 2 if kind == "sounds" else 1
        assert text.count("<audio controls") == views * 3 * 3 == text.count("data:audio/wav")


@pytest.mark.slow
def test_a_page_of_several_kinds_of_data(tmp_path):
    sets = ["experiment=mixed", "encoder.width=16", "encoder.depth=1", "encoder.heads=2", "decoder.width=16"]
    run(compose([*TINY, *sets, "decoder.depth=1", "decoder.heads=2"]), str(tmp_path / "run"))
    text = checked(tmp_path / "run/report.html")
    assert text.count("<svg") == text.count("<h2>The graph</h2>") == 3
    assert "<h1>digits</h1>" in text and "<h1>tones</h1>" in text


def test_a_page_of_an_interrupted_run(tmp_path, monkeypatch):
    start = StopOnSignal.on_train_start

    def stopping(self, trainer, module):
        start(self, trainer, module)
        self.heard = 2

    monkeypatch.setattr(StopOnSignal, "on_train_start", stopping)
    with pytest.raises(KeyboardInterrupt):
        run(compose([*TINY, *KINDS["images"]]), str(tmp_path / "run"))
    text = checked(tmp_path / "run/report.html")
    assert "This run was interrupted" in text and "<h2>Samples</h2>" in text and "<h2>Results</h2>" not in text


@pytest.mark.slow
def test_an_alarm_that_ends_a_run_stands_in_its_page(tmp_path):
    words = ["corruption=crop+crop", "objective=reconstruct+info_nce", "objective.info_nce.weight=1e-9"]
    words += ["encoder.norm=group"]  # statistics of such a small batch are next to an alarm themselves
    with pytest.raises(ValueError, match=r"step 4: info_nce.*teaches the encoder nothing.*resume="):
        run(compose([*TINY, *CONV, *words, "diagnostics.on_alarm=stop"]), str(tmp_path / "run"))
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["interrupted"] and summary["alarms"][0].startswith("step 4: info_nce/crop_1~crop_2 teaches")
    assert html.escape(summary["alarms"][0]) in checked(tmp_path / "run/report.html")


@pytest.mark.slow
def test_the_page_is_made_again_from_the_folder(images, tmp_path, capsys):
    killed = shutil.copytree(images, tmp_path / "killed")
    for name in ("report.html", "summary.json"):
        (killed / name).unlink()
    with (killed / "metrics.csv").open("a") as file:
        file.write("8,loss,0.")  # it was writing
    assert cli.main(["report", f"run={killed}", "samples=40"]) == 0
    text = checked(killed / "report.html")
    assert "This run was interrupted" in text and "Diagnostics" in text
    assert cli.main(["report", f"run={tmp_path}"]) == 1 and "error: " in capsys.readouterr().err


def test_a_page_that_fails_takes_nothing_from_the_run(tmp_path, monkeypatch, capsys):
    def broken(*_, **__):
        raise RuntimeError("no ink")

    monkeypatch.setattr("ssl_pipeline.training.stages.report.write_report", broken)
    summary = run(compose([*TINY, *KINDS["images"]]), str(tmp_path / "run"))
    assert summary["steps"] == 6 and load(tmp_path / "run").views == ("mask", "noise")
    assert "there is no report.html (RuntimeError: no ink)" in capsys.readouterr().err
    monkeypatch.undo()
    run(compose([*TINY, *KINDS["images"], "report.page=false"]), str(tmp_path / "without"))
    assert not (tmp_path / "without/report.html").exists()


# The graph.


@pytest.mark.parametrize(
    "words",
    [
        ["corruption=mask+noise-lowres", "objective=reconstruct+align"],
        ["corruption=crop+crop+mask", "objective=info_nce"],
        ["corruption=crop+crop", "objective=byol", "teacher=ema"],
        ["corruption=crop+crop+mask", "objective=info_nce+info_nce+reconstruct+l1"],
        ["corruption=noise+lowres", "objective=reconstruct+reconstruct", "objective.reconstruct_2.to=views"],
        [*VIT, "latent=slots", "latent.heads=2", "latent.fuse=mean", "corruption=mask+noise"],
    ],
)
def test_every_node_and_edge_is_drawn(words):
    graph = build(compose([*CONV, *words] if words[0][:7] != "encoder" else words), digits().grid)
    svg = dag_svg(graph)
    for edges in graph.edges.values():
        for edge in edges:
            assert f"<title>{html.escape(edge.name)}</title>" in svg
    lines = re.findall(r'<path d="([^"]+)" fill="none" stroke="#(?!999)', svg)
    assert len(lines) == len(set(lines)) > 0  # no edge lies on another
    heads = [term for term in graph.objective.terms.values() if any(p.numel() for p in term.parameters())]
    assert svg.count("; ■ projector ") == sum(hasattr(term, "projector") for term in heads)
    for view in graph.corruptions:
        assert f">{view.replace('-', ' → ')}</text>" in svg
    assert svg.count(">decoder</text>") == len(graph.decoders)
    assert svg.count(">teacher ") == sum(node.kind == "teacher" for node in graph.nodes)
    for term in graph.edges:
        assert f">{term}: " in svg


def test_the_graph_of_a_configuration_is_drawn(tmp_path, capsys):
    file = tmp_path / "pictures/dag.svg"
    assert cli.main(["draw_dag", *CONV, "corruption=mask+noise", f"out={file}"]) == 0
    assert file.read_text().startswith("<svg") and "z noise" in file.read_text()
    assert cli.main(["draw_dag", "corruption=nois", f"out={file}"]) == 1
    assert "noise" in capsys.readouterr().err
    assert cli.main(["draw_dag", *CONV, f"out={tmp_path}/dag.png"]) == 1
    assert "name a file that ends in .svg" in capsys.readouterr().err


def test_runs_are_compared_on_a_page_and_nowhere_else(images, tmp_path, capsys):
    shutil.copytree(images, tmp_path / "other")
    config = images / "config.yaml"
    before = config.read_text()
    assert cli.main(["compare", str(images), f"{tmp_path}/other", f"out={config}"]) == 1
    assert "name a file that ends in .html" in capsys.readouterr().err and config.read_text() == before
    for name, text in (("config.yaml", "a: !!python/object:os.system {}"), ("summary.json", "")):
        (tmp_path / f"other/{name}").write_text(text)
        assert cli.main(["compare", str(images), f"{tmp_path}/other", f"out={tmp_path}/page.html"]) == 1
        assert f"{name} is damaged" in capsys.readouterr().err
        shutil.copy(images / name, tmp_path / f"other/{name}")


def test_the_graph_of_a_run_is_drawn(images, tmp_path, capsys):
    file = tmp_path / "dag.svg"
    assert cli.main(["draw_dag", f"run={images}", f"out={file}"]) == 0
    assert "<title>" in file.read_text()
    assert cli.main(["draw_dag", f"run={images}", "corruption=mask", f"out={file}"]) == 1
    assert "a run has its own options" in capsys.readouterr().err


# Parts.


def test_marks_keep_both_texts():
    def without(tag, marks):
        return html.unescape(re.sub(r"</?(ins|del)>", "", re.sub(rf"<{tag}>.*?</{tag}>", "", marks, flags=re.S)))

    for clean, text in (("a < b\n", "a > c\n"), ("", "x"), ("same", "same"), ("abc", "")):
        assert without("del", marked(clean, text)) == text and without("ins", marked(clean, text)) == clean


def test_a_cut_line_is_left_out(tmp_path):
    (tmp_path / "m.csv").write_text("step,name,value\n1,loss,2.5\n2,loss,nan\n3,lo")
    assert read_tidy(tmp_path / "m.csv")["loss"].values[0] == 2.5 and len(read_tidy(tmp_path / "m.csv")) == 1
    assert read_tidy(tmp_path / "none.csv") == {}


def test_runs_side_by_side(images, tmp_path, capsys):
    other = tmp_path / "other"
    run(compose([*PROBED, *KINDS["images"], "optimizer.lr=2e-3", "seed=1", "report.page=false"]), str(other))
    assert cli.main(["compare", str(images), str(other), f"out={tmp_path}/both.html"]) == 0
    text = checked(tmp_path / "both.html")
    assert "optimizer.lr" in text and "<td>0.001</td><td>0.002</td>" in text and "<td>seed</td>" not in text
    assert "raw input" in text and "untrained encoder" in text and "<h2>Curves</h2>" in text
    for words, said in (
        (["compare", str(images)], "two runs at least"),
        (["compare", f"run={images},x"], "there is no folder x"),
    ):
        assert cli.main(words) == 1 and said in capsys.readouterr().err
    with pytest.raises(FileNotFoundError):
        compare_page([images, tmp_path], tmp_path / "page.html")


def test_folders_stand_for_runs(tmp_path):
    def f(run: str, out: str = ""): ...

    assert parse(f, [str(tmp_path), str(tmp_path), "out=x"]) == {"run": f"{tmp_path},{tmp_path}", "out": "x"}


# Loggers.


def test_waiting_counts_the_loader_alone():
    waiting = Waiting()
    for action, seconds in (("[_TrainingEpochLoop].train_dataloader_next", 0.05), ("optimizer_step", 0.15)):
        waiting.start(action)
        time.sleep(seconds)
        waiting.stop(action)
    assert 0.05 <= waiting.seconds < 0.1 + 0.05


@pytest.mark.parametrize("kind", ["images", "sounds"])
def test_tensorboard_shows_samples(kind, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run(compose([*TINY, *KINDS[kind], "report.page=false"]), str(tmp_path / "run"))
    events = EventAccumulator(str(tmp_path / "run/tensorboard"))
    events.Reload()
    tags = events.Tags()["images" if kind == "images" else "audio"]
    assert {"samples/0_clean", "samples/0_noise_restored"} <= set(tags)
    assert {"loss", "data_wait", "memory_gb", "diagnostics/least_share"} <= set(events.Tags()["scalars"])


@pytest.mark.parametrize(("name", "module"), [("wandb", "wandb"), ("mlflow", "mlflow")])
def test_other_loggers(name, module, tmp_path, monkeypatch):
    pytest.importorskip(module)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    offline = ["logger.offline=true"] if name == "wandb" else []
    words = [*TINY, *KINDS["images"], "report.page=false", "probe=none", f"logger={name}", *offline]
    run(compose(words), str(tmp_path / "run"))
    kept = {path.name for path in (tmp_path / "run").rglob("*")}
    assert "mlflow.db" in kept if name == "mlflow" else any(file.startswith("run-") for file in kept)
    if name == "mlflow":
        assert len([*(tmp_path / "run/mlruns").rglob("0_noise_restored.png")]) == 1


def test_a_logger_that_is_not_there_is_said_before_data_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr("ssl_pipeline.training.loggers.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"logger=wandb needs wandb: pip install 'ssl_pipeline\[wandb\]'"):
        run(compose(["logger=wandb", "data=folder", f"data.root={tmp_path}/nowhere"]), str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("words", [["report.map=tsne"], ["report.samples=1"], ["report.page=maybe"]])
def test_a_wrong_setting_is_refused(words):
    with pytest.raises(ValueError, match="report"):
        compose(words)


def test_a_map_that_needs_a_package(tmp_path, monkeypatch):
    monkeypatch.setattr("ssl_pipeline.training.plan.find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match="umap-learn"):
        run(compose(["report.map=umap"]), str(tmp_path / "run"))


def test_a_page_of_a_collapsed_graph(tmp_path):
    graph = build(compose([*CONV, "corruption=mask+noise"]), digits().grid)
    with torch.no_grad():
        for weight in graph.encoder.parameters():
            weight.zero_()
    text = checked(write_report(tmp_path, {"digits": graph}, {"digits": digits()}, samples=30))
    assert "The embeddings do not vary" in text and "<h2>Samples</h2>" in text


def test_names_of_classes_are_no_formulas():
    z = np.random.default_rng(0).normal(size=(20, 4))
    assert latent_map(z, np.arange(20) % 2, ["a$b_^$", "c$"], {"mask": z}).startswith("data:image")


def test_a_killed_sitting_is_told_from_a_finished_run(images, tmp_path, monkeypatch):
    folder = shutil.copytree(images, tmp_path / "run")

    def killed(*_, **__):
        raise RuntimeError("killed")

    monkeypatch.setattr("ssl_pipeline.training.module.PretrainModule.training_step", killed)
    with pytest.raises(RuntimeError, match="killed"):
        run(compose([f"resume={folder}", "trainer.max_steps=9"]), str(folder))
    assert json.loads((folder / "summary.json").read_text()) == {
        "name": "train",
        "steps": 6,
        "interrupted": True,
        "trained": False,
        "evaluated": False,
    }


def test_a_data_set_of_ones_own_is_drawn(tmp_path, monkeypatch, capsys):
    (tmp_path / "mydata.py").write_text("from ssl_pipeline.data import digits\n\ndef mine():\n    return digits()\n")
    monkeypatch.syspath_prepend(tmp_path)
    words = ["draw_dag", "trust=[mydata]", "data={type:mydata.mine}", f"out={tmp_path}/dag.svg"]
    assert cli.main(words) == 0, capsys.readouterr().err
    options = {"trust": ["mydata"], "data": {"type": "mydata.mine"}}
    assert draw_dag(options, out=tmp_path / "python.svg").is_file()
