"""The scripts' own logic; their training is tried by hand."""

from __future__ import annotations

import json
import re
import sys

import numpy as np
import pytest
import yaml
from helpers.paths import ROOT
from PIL import Image

from ssl_pipeline.config.compose import compose


def call(module, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, arguments)])
    return module.main()


def result(folder, row, seed, **scores):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{row}-{seed}.json").write_text(json.dumps({"row": row, "seed": seed, **scores}))


@pytest.mark.parametrize("name", ["images", "sound", "text"])
def test_rows_of_a_claim_compose_and_share_encoder_and_batch(name):
    rows = yaml.safe_load((ROOT / f"scripts/claim/{name}.yaml").read_text())
    configs = {row: compose(overrides) for row, overrides in rows.items() if row not in ("mae", "bert")}
    own = {"view_drop", "statistics", "masked"}  # of the encoder: what a method says of its views
    shared = [
        (config["batch_size"], {key: value for key, value in config["encoder"].items() if key not in own})
        for config in configs.values()
    ]
    assert all(some == shared[0] for some in shared) and len(shared) > 8


def claimed(clean, corrupted, found, suffix=""):
    """A summary: both probes are alike, and the two families are found as often around a mean."""
    forms = {"noise/3": found - 5, "blur/3": found + 5, "blur/5": 0.0}
    scores = dict.fromkeys(("knn", "linear"), clean)
    scores |= {f"corrupted/{key}": corrupted for key in scores} | {"corrupted_forms": {"found": forms}}
    return {f"{key}{suffix}": value for key, value in scores.items()}


def test_a_claim_is_a_difference_seed_by_seed_for_each_measure(script, tmp_path):
    for seed, ours in enumerate([80, 82, 84]):
        result(tmp_path, "ours", seed, **claimed(ours, 70, 90), **claimed(50, 40, 30, "_raw"))
        result(tmp_path, "crop_pair", seed, **claimed(79 + seed, 60 + seed, 50))
    result(tmp_path, "mask", 1, **claimed(72, 70, 50))
    result(tmp_path, "unlabelled", 1, corrupted_forms={"found": {"noise/3": 50.0}})
    head, _, pair, mask, unlabelled, raw = script("bench_claim").differences(tmp_path, "ours").splitlines()
    assert unlabelled == "| `unlabelled` | | | | +40.0 |"
    assert head.startswith("| `ours` minus | clean, mean of kNN and linear | corrupted kNN |")
    # Differences 1, 2 and 3: mean 2, standard error 1 / sqrt(3), 4.303 of them either way.
    assert pair == (
        "| `crop_pair` | +2.0 (-0.5 to +4.5) | +9.0 (+6.5 to +11.5) | +9.0 (+6.5 to +11.5) | +40.0 (+40.0 to +40.0) |"
    )
    assert mask == "| `mask` | +10.0 | +0.0 | +0.0 | +40.0 |"  # of the one seed that both have
    assert raw.startswith("| raw input | +32.0 (+27.0 to +37.0) | +30.0")


def test_corruptions_are_shown_one_by_one_beside_raw_input(script):
    def forms(knn):
        return {"knn": {"noise/1": knn, "noise/3": 40, "turn": 10}, "found": {"noise/1": 90, "noise/3": 80, "turn": 1}}

    some = [{"corrupted_seen": ["noise"], "corrupted_forms": forms(knn)} for knn in (50, 60)]
    some[0]["corrupted_forms_raw"] = forms(30)
    assert script("forms_table").table(some).splitlines()[2:] == [
        "| noise + | 55, 40 | 30, 40 | 90, 80 | 90, 80 |",
        "| turn | 10 | 10 | 1 | 1 |",
    ]


def test_rows_of_a_claim_are_timed_and_tried_and_the_best_go_on(script, tmp_path, monkeypatch):
    claim, ran = script("bench_claim"), []
    rows = {"ours": ["experiment=dag"], "rival": ["experiment=simclr"], "weak": ["experiment=mae"]}
    (tmp_path / "rows.yaml").write_text(yaml.safe_dump(rows))

    def run(name, seed, minutes, out, overrides, steps=None):
        ran.append((name, seed, steps, [one for one in overrides if not one.startswith("probe.")]))
        at = 40 if name == "weak" else 90 if "optimizer.lr=2" in overrides else 80
        result(out, name, seed, **claimed(at, at, at), steps=120, seconds=30.0)

    monkeypatch.setattr(claim, "run", run)
    monkeypatch.setattr(claim, "table", lambda out: "")
    words = [tmp_path / "rows.yaml", "--tune", "optimizer.lr=1,2", "--seeds", "1,2", "--out", tmp_path / "out"]
    call(claim, monkeypatch, *words, "--minutes", "2", "--behind", "5", "data=digits")
    assert ran[:3] == [(name, 0, None, [*asked, "probe=clean", "data=digits"]) for name, asked in rows.items()]  # timed
    tried = [(name, 0, 480, [*rows[name], f"optimizer.lr={rate}", "data=digits"]) for name in rows for rate in (1, 2)]
    assert ran[3:9] == tried
    chosen = {name: [*rows[name], "optimizer.lr=2", "data=digits"] for name in ("ours", "rival")}
    assert ran[9:] == [(name, seed, 480, asked) for seed in (1, 2) for name, asked in chosen.items()]


def test_runs_that_are_there_are_not_run_again(script, tmp_path, monkeypatch):
    bench = script("bench_methods")
    monkeypatch.setattr(bench.subprocess, "run", lambda *_, **__: pytest.fail("it ran"))
    result(tmp_path, "mae", 0, asked=[5.0, "experiment=mae"])
    bench.run("mae", 0, 5.0, tmp_path, ["experiment=mae"])
    with pytest.raises(SystemExit, match="another length of training"):
        bench.run("mae", 0, 4.0, tmp_path, ["experiment=mae"])
    result(tmp_path, "mae", 1, asked=[5.0, "experiment=mae"], protocol="P0")
    with pytest.raises(SystemExit, match="scored by protocol P0, expected P1"):
        bench.run("mae", 1, 5.0, tmp_path, ["experiment=mae"])


def test_a_table_has_means_and_spreads_best_first(script, tmp_path):
    result(tmp_path, "a", 0, knn=80.0, linear=70.0, samples_per_s=1000.0, std=0.5, knn_raw=60.0, linear_raw=61.0)
    result(tmp_path, "b", 0, knn=81.0, linear=90.0)
    result(tmp_path, "b", 1, knn=83.0, linear=90.0)
    head, _, *rows = script("bench_methods").table(tmp_path).splitlines()
    assert head.split(" | ")[1:3] == ["samples/s", "kNN-20"]
    assert [row.split(" | ")[0] for row in rows] == ["| `b`", "| `a`", "| raw input"]
    assert "82.0 ± 1.4" in rows[0] and "| 1,000 | 80.0 |" in rows[1] and "60.0 | 61.0" in rows[2]


def test_a_sweep_is_shown_by_what_differs(script, tmp_path, monkeypatch, capsys):
    for number, (rate, knn) in enumerate([(0.1, 50.0), (0.2, 60.0)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "config.yaml").write_text(yaml.safe_dump({"optimizer": {"lr": rate}, "seed": 0}))
        (folder / "summary.json").write_text(json.dumps({"knn": knn, "std": 0.031}))
    module = script("sweep_table")
    call(module, monkeypatch, tmp_path)
    head, _, first, second = capsys.readouterr().out.splitlines()
    assert "optimizer.lr" in head and "seed" not in head
    assert "| 0.2 |" in first and "60.0" in first and "0.03" in first and "| 0.1 |" in second
    with pytest.raises(SystemExit):
        call(module, monkeypatch, tmp_path, "--by", "knnn")
    assert "no run has knnn; there are knn, std" in capsys.readouterr().err


def test_shared_models_are_compared_view_by_view(script, tmp_path, monkeypatch, capsys):
    module = script("shared_table")
    monkeypatch.setattr(module, "parameters", lambda run: 100)
    for name, found in {"both": {"noise": 0.2, "mask": 0.3}, "noise": {"noise": 0.1}, "mask": {"mask": 0.3}}.items():
        (tmp_path / name).mkdir()
        summary = {f"reconstruction/{view}": value for view, value in found.items()} | {"loss": 1.0}
        (tmp_path / name / "summary.json").write_text(json.dumps(summary))
    call(module, monkeypatch, tmp_path / "both", tmp_path / "noise", tmp_path / "mask")
    said = capsys.readouterr().out
    assert "| noise | 0.20000 | 0.10000 | 2.00 |" in said and "| parameters | 100 | 200 | 0.50 |" in said
    with pytest.raises(SystemExit):
        call(module, monkeypatch, tmp_path / "both", tmp_path / "noise")
    assert "no single run restores mask" in capsys.readouterr().err


def test_photographs_are_shown_under_each_case_as_far_as_tools_are_installed(script, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "bm3d", None)
    module, pixels = script("restored_photographs"), np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for i in range(11):
        Image.fromarray(pixels.integers(256, size=(32, 16, 3), dtype=np.uint8)).save(tmp_path / f"photos/{i:02}.png")
    shown, sheet = [], module.sheet
    monkeypatch.setattr(module.sslp, "load", lambda run: None)
    monkeypatch.setattr(module, "restorer", lambda model: lambda x: x)
    monkeypatch.setattr(module, "sheet", lambda *of: shown.append(sheet(*of)) or shown[0])
    words = ["run", "--photos", tmp_path / "photos", "--picture", tmp_path / "out.jpg"]
    call(module, monkeypatch, *words)
    titles = [axis.get_title() for axis in shown[0].axes]
    assert {*module.CASES} <= {title.partition(", ")[0] for title in titles} and titles[-1] == "09"
    assert re.fullmatch(r"noise 15, 2\d\.\d dB", titles[0])
    assert titles[1:3] == [titles[0].replace("noise 15", "restored"), "00"]
    assert sum(title.startswith("bicubic, ") for title in titles) == 2 and "BM3D" not in "".join(titles)
    with Image.open(tmp_path / "out.jpg") as picture:
        assert picture.size == (1054, 2766)


@pytest.mark.slow
def test_decoding_is_timed_for_every_kind_of_file(script, monkeypatch, capsys):
    module = script("bench_decode")
    call(module, monkeypatch, "--images", 3, "--sounds", 3, "--size", 16, "--batch", 2, "--rounds", 1)
    head, _, *lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0][2:] for line in lines] == list(module.rows(16))
    for line in lines:
        other, *numbers = line.strip("|").split("|")[1:]
        assert len(numbers) + 2 == head.count("|") - 1 and all(float(n.replace(",", "")) >= 0 for n in numbers)
        assert bool(other.strip()) == ("images" in line)


def test_the_price_of_the_pipeline_is_measured(script, monkeypatch, capsys):
    words = ["--steps", 2, "--rounds", 1, "--only", "simclr, small", "--precision", "32-true"]
    call(script("bench_throughput"), monkeypatch, "data=digits", "batch_size=16", *words)
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| simclr")]
    name, bare, whole, ratio, *shares, memory = [cell.strip() for cell in row.strip("|").split("|")]
    assert name == "simclr, small conv, fp32" and float(memory) > 0
    assert all(float(cell.split()[0].replace(",", "")) > 0 for cell in (bare, whole, ratio))
    damages, forward, backward, optimiser, waiting, rest = (float(share.rstrip(" %")) for share in shares)
    assert min(damages, forward, backward, optimiser, waiting) >= 0 and forward + backward > 20
    assert max(damages, waiting, rest) < 80  # of the whole, in which they are contained


@pytest.mark.slow
def test_all_studies_of_dynamics_print_a_table_and_draw_a_figure(script, tmp_path, monkeypatch, capsys):
    module = script("probe_dynamics")
    call(module, monkeypatch, "--quick", "--out", tmp_path)
    tables = [block for block in capsys.readouterr().out.split("\n\n") if block.startswith("|")]
    assert [file.stem for file in sorted(tmp_path.iterdir())] == sorted(module.STUDIES)
    assert len(tables) == len(module.STUDIES)
    for text in tables:
        head, _, *rows = text.splitlines()
        assert len(rows) >= 6 and {row.count("|") for row in rows} == {head.count("|")}
    with pytest.raises(SystemExit):
        call(module, monkeypatch, "--only", "depht")
    assert "there is no study depht; studies are depth," in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("library", ["ours", "lightly", "stable-pretraining"])
@pytest.mark.parametrize("model", ["simclr, small", "mae"])
def test_libraries_are_measured_beside_each_other(library, model, script, monkeypatch, capsys):
    pytest.importorskip(library.replace("-", "_") if library != "ours" else "ssl_pipeline")
    words = ["--steps", 2, "--rounds", 1, "--seconds", 2, "--batch", 16, "--workers", 0, "--only", model]
    overrides = (
        "data=digits",
        *(["encoder.patch=4", "decoder.patch=4", "corruption.mask.cell=4"] if model == "mae" else []),
    )
    call(script("bench_peers"), monkeypatch, *overrides, *words, "--libraries", library)
    out = capsys.readouterr().out
    (row,) = [line for line in out.splitlines() if line.startswith(f"| {model}") and f"| {library} |" in line]
    *_, steps, rate, knn, linear = (float(cell.replace(",", "")) for cell in row.strip("| ").split("|")[2:])
    assert steps > 1 and rate > 1 and min(knn, linear) > 50


def table(said):
    """Cells of the rows of all tables, without their heads."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in said.splitlines() if line[:1] == "|"]
    heads = {number - 1 for number, row in enumerate(rows) if set(row[0]) == {"-"}}
    return [row for number, row in enumerate(rows) if number not in heads and number - 1 not in heads]


def purified(said):
    """Of the two tables of a probe: R² by task, encoder and factor, and the largest rise by task, encoder and mix."""
    rows = table(said)
    r2 = {tuple(row[:3]): float(row[3]) for row in rows if len(row) == 11}
    return r2, {tuple(row[:3]): float(row[5]) for row in rows if len(row) == 6}


@pytest.mark.slow
def test_purity_is_measured_beside_raw_input_and_a_taught_encoder(script, monkeypatch, capsys, tmp_path):
    words = ["--quick", "--only", "xor", "--out", tmp_path, "hardware.precision=32-true"]
    call(script("probe_purification"), monkeypatch, *words)
    r2, rise = purified(capsys.readouterr().out)
    assert {encoder for _, encoder, _ in r2} == {"raw", "untrained", "autoencoder", "dae", "supervised"}
    assert r2["xor", "raw", "a"] == 1 and abs(r2["xor", "raw", "b"]) < 0.05
    assert len(rise) == 5 * 4
    assert all(by < 0.03 for (*_, mix), by in rise.items() if mix != "random ReLU layer")  # M21
    assert (tmp_path / "purification.png").stat().st_size > 10_000
    with pytest.raises(SystemExit):
        call(script("probe_purification"), monkeypatch, "--only", "divide")
    assert "tasks are scenes, add, multiply, xor" in capsys.readouterr().err


@pytest.mark.slow
def test_encoders_purify_and_mixing_does_not(script, monkeypatch, capsys, tmp_path):
    """M20, M21. Measured at 600 steps: b of a XOR .00 raw, .73 by the autoencoder, 1.00 taught; largest rise .007."""
    words = ["--only", "scenes,xor", "--steps", 300, "--out", tmp_path, "hardware.precision=32-true"]
    call(script("probe_purification"), monkeypatch, *words)
    r2, rise = purified(capsys.readouterr().out)
    for factor in ("digit", "x", "y", "brightness", "size"):
        assert r2["scenes", "autoencoder", factor] > r2["scenes", "raw", factor] + 0.1
    assert abs(r2["xor", "raw", "b"]) < 0.05 and r2["xor", "supervised", "b"] > 0.95
    assert r2["xor", "untrained", "b"] + 0.05 < r2["xor", "autoencoder", "b"] < 0.95
    assert all(by < 0.02 for (_, encoder, _), by in rise.items() if encoder != "raw")


@pytest.mark.slow
def test_any_experiment_can_be_probed(script, monkeypatch, capsys, tmp_path):
    words = ["--quick", "--only", "scenes", "--experiments", "mae,byol", "--out", tmp_path]
    call(script("probe_purification"), monkeypatch, *words)
    r2, _ = purified(capsys.readouterr().out)
    assert {encoder for _, encoder, _ in r2} == {"raw", "untrained", "mae", "byol", "supervised"}


def test_capacity_is_judged_family_by_family(script, monkeypatch, capsys, tmp_path):
    words = ["--quick", "--families", "relu; bilinear", "--targets", "product", "--out", tmp_path]
    call(script("probe_capacity"), monkeypatch, *words)
    verdicts = {row[1]: row[-1] for row in table(capsys.readouterr().out)}
    assert verdicts == {"relu": "no", "bilinear": "yes"}  # M33
    assert (tmp_path / "capacity.png").stat().st_size > 10_000
    with pytest.raises(SystemExit):
        call(script("probe_capacity"), monkeypatch, "--families", "linear")
    assert "there is no linear" in capsys.readouterr().err


@pytest.mark.slow
def test_capacity_of_all_families(script, monkeypatch, capsys, tmp_path):
    """M33: what multiplies covers products, what adds does not, and a line is covered by ReLU."""
    words = ["--families", "relu; tanh; bilinear", "--targets", "linear; two products", "--seeds", 2, "--out", tmp_path]
    call(script("probe_capacity"), monkeypatch, *words)
    verdicts = {(row[0], row[1]): row[-1] for row in table(capsys.readouterr().out)}
    covered = {("linear", "relu"), ("linear", "bilinear"), ("two products", "bilinear")}
    assert len(verdicts) == 6 and {pair for pair, verdict in verdicts.items() if verdict == "yes"} == covered
