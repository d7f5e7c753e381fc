"""Equivalent prompts: templates from files, and whether what stands in them leads to the same output."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import torch
from helpers.build import build

import ssl_pipeline
from ssl_pipeline.config.compose import compose
from ssl_pipeline.config.families import read_families
from ssl_pipeline.corruptions import Template
from ssl_pipeline.data import Bytes
from ssl_pipeline.data.memory import MemoryDataset
from ssl_pipeline.evaluation import output_agreement, prompted
from ssl_pipeline.evaluation.agreement import found_across
from ssl_pipeline.inference.inference import Inference
from ssl_pipeline.inference.weights import load_weights
from ssl_pipeline.losses import jensen_shannon
from ssl_pipeline.report.headline import agreeing
from ssl_pipeline.structures.batch import clean_view
from ssl_pipeline.training import run

SMALL = ["encoder.width=16", "encoder.depth=1", "encoder.heads=2", "decoder.width=16", "decoder.depth=1"]
TEXTS = ["a tree", "the house", "a tree", "one", "we read it"]
CODEC = Bytes(12)


def graph(*overrides):
    torch.manual_seed(0)
    return build(compose(["experiment=prompts_agree", *SMALL, *overrides]), CODEC.grid).eval()


def dataset(texts=TEXTS):
    x, valid = CODEC.encode(texts)
    return MemoryDataset(x, valid=valid)


def say(*templates):
    return Template(families={"say": templates}, room=24).bind(CODEC.grid)


def test_templates_are_read_when_the_configuration_is(tmp_path):
    """So that a run's folder holds them, and can be read where the file is not."""
    (tmp_path / "mine.yaml").write_text("say: ['Nochmal: {}', 'Und {}']\nask: ['{}?']", encoding="utf-8")
    parts = [
        "data=pydoc",
        "corruption=template+template",
        "encoder=vit",
        "decoder=cross_attention",
        "objective=cross_entropy",
    ]
    mine = f"corruption.template_1.families=${{ssl_pipeline.config.families:{tmp_path}/mine.yaml}}"
    written = "corruption.template_2.families={own: ['{} again']}"
    found = compose([*parts, mine, written])["corruption"]
    assert found["template_1"]["families"] == {"say": ["Nochmal: {}", "Und {}"], "ask": ["{}?"]}
    assert found["template_2"]["families"] == {"own": ["{} again"]}
    assert compose(parts)["corruption"]["template_1"]["families"] == read_families("paraphrases")
    with pytest.raises(ValueError, match=r"'paraphrase' comes with the package \(nearest: paraphrases\)"):
        compose([*parts, "corruption.template_1.families=${ssl_pipeline.config.families:paraphrase}"])


def test_the_second_experiment_starts_from_the_weights_of_the_first(tmp_path):
    run(compose(["experiment=prompts", *SMALL, "trainer.max_steps=1", "batch_size=8", "probe=none"]), str(tmp_path))
    assert load_weights(graph("data.length=25"), tmp_path) == []


def test_known_new_and_other_templates_have_nothing_in_common():
    """Each family has as many in each of three folds, and what the experiments call new is not known."""
    known, new = (set(made.templates) for made in graph().corruptions.values())
    assert len(known) == len(new) == 16 and not known & new
    counts = Counter(template for family in read_families("paraphrases").values() for template in family)
    assert max(counts.values()) == 1 and max(len(template.encode()) for template in counts) - 2 <= 24


def test_agreement_is_that_of_outputs_and_embeddings():
    """Against one pass over all samples; divergence counts real places only, and equal texts are one content."""
    one, views = graph(), {"a": say("Say {}"), "b": say("{} again"), "c": say("Say {}")}
    found = output_agreement(one, dataset(), views, batch_size=2)
    x, valid = CODEC.encode(TEXTS)
    clean = clean_view(CODEC.grid, x, valid)
    inference = Inference(one)
    with torch.no_grad():
        latents = {name: inference.encoded("unknown", view(clean, torch.Generator())) for name, view in views.items()}
        logits = {name: inference.decoder()(latent) for name, latent in latents.items()}
    js = jensen_shannon(logits["a"], logits["b"])[valid].mean()
    right = (logits["a"].argmax(-1) == x)[valid].float().mean()
    assert found.divergence["a", "b"] == pytest.approx(js.item(), rel=1e-4) and js > 1e-5
    assert found.divergence["a", "c"] == pytest.approx(0, abs=1e-6)
    assert found.accuracy["a"] == pytest.approx(100 * right.item())
    content = torch.tensor([0, 1, 0, 2, 3]).numpy()
    z = {name: latent.pooled.numpy() for name, latent in latents.items()}
    assert found.found["a", "b"] == found_across(z["a"], z["b"], content) and found.found["a", "c"] == 100
    assert found.summary().keys() == {f"{k}/{p}" for k in ("divergence", "found") for p in ("a~b", "a~c", "b~c")}


def test_what_is_decoded_symbol_by_symbol_is_compared_after_the_true_ones():
    one = graph("decoder=autoregressive")
    found = output_agreement(one, dataset(), {"a": say("Say {}"), "b": say("{} again")})
    x, valid = CODEC.encode(TEXTS)
    clean = clean_view(CODEC.grid, x, valid)
    inference = Inference(one)
    with torch.no_grad():
        a, b = (inference.encoded("unknown", say(t)(clean, torch.Generator())) for t in ("Say {}", "{} again"))
        js = jensen_shannon(*(inference.decoder()(z, target=x.unsqueeze(-1)) for z in (a, b)))[valid].mean()
        free = inference.decoder().generate(a).argmax(-1)
    assert found.divergence["a", "b"] == pytest.approx(js.item(), rel=1e-4)
    assert found.accuracy["a"] == pytest.approx(100 * (free == x)[valid].float().mean().item())


def test_only_templates_are_prompts():
    assert list(prompted(graph())) == ["template_1", "template_2"]
    other = ["corruption=template+noise", "encoder=vit", "decoder=cross_attention", "objective=cross_entropy", *SMALL]
    assert not prompted(build(compose(["data=pydoc", *other, "corruption.template.room=24"]), CODEC.grid))


def test_a_run_says_whether_its_templates_agree_and_takes_texts_in_them(tmp_path, capsys):
    few_shot = [
        "probe.protocol.train_limit=50",
        "probe.protocol.test_limit=50",
        "probe.online=0",
        "probe.baselines=false",
    ]
    parts = ["experiment=prompts_agree", *SMALL, *few_shot, "trainer.max_steps=2", "batch_size=8"]
    summary = run(compose(parts), str(tmp_path))
    table = agreeing(json.loads((tmp_path / "summary.json").read_text()))
    assert table.rows == agreeing(summary).rows and table.rows[0][0] == "template_1~template_2"
    assert 0 <= summary["divergence/template_1~template_2"] <= 0.694
    assert "same content in two templates" in capsys.readouterr().out
    assert "accuracy/template_2" in summary  # restored, though never told a target
    model = ssl_pipeline.load(tmp_path)
    longer = "Please copy the words of the dedicated"
    assert model.restore([longer], "template_2").shape == (1, 25)
    z = model.embed([longer, longer + " few"], view="template_1")
    assert (z[0] != z[1]).any()  # the end of a text in a template is read, too
