"""Mechanisms shown by real training on what needs no download; larger runs stand in docs/."""

from __future__ import annotations

import pytest
import soundfile
import torch

import ssl_pipeline
from ssl_pipeline.config.build import build_part
from ssl_pipeline.config.compose import compose
from ssl_pipeline.diagnostics import ProbeBatch, gap, look, signs
from ssl_pipeline.evaluation import output_agreement, prompted
from ssl_pipeline.evaluation.strings import exact_match
from ssl_pipeline.inference.inference import Inference
from ssl_pipeline.training import run

pytestmark = pytest.mark.slow


def trained(folder, *overrides):
    config = compose(
        [
            *overrides,
            "probe.online=0",
            "probe.baselines=false",
            "probe.protocol.few_shot=0",
            "probe=clean",
        ]
    )
    return run(config, str(folder)), build_part("data", config["data"])


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """Four damages of spectrograms, one latent."""
    folder = tmp_path_factory.mktemp("sound")
    summary, data = trained(
        folder,
        *["data=tones", "seed=1", "corruption=noise+lowres+mask+reversal", "corruption.noise.snr_db=[0,5]"],
        *["corruption.lowres.factor=5", "corruption.mask.cell=[8,10]", "views_per_step=1", "batch_size=64"],
        *["encoder=vit", "encoder.patch=[8,10]", "encoder.width=96", "encoder.depth=3", "decoder=cross_attention"],
        *["decoder.patch=[8,10]", "decoder.width=96", "optimizer.lr=2e-3", "trainer.max_steps=500"],
    )
    return folder, summary, data


@pytest.mark.parametrize(("view", "gain"), [("noise", 4), ("lowres", 0.3), ("mask", 3), ("reversal", 3)])
def test_a_damaged_sound_is_restored(sound, view, gain):
    """M2, M3, M4: closer to the clean sound than what came in (interpolated, mean-filled); M5: than read backwards."""
    _, summary, _ = sound
    assert summary[f"psnr/{view}"] > summary[f"psnr_input/{view}"] + gain


def test_a_reversed_sound_comes_back_the_right_way_round(sound):
    """M5, sample by sample: closer to x than to its mirror image."""
    folder, _, data = sound
    graph = ssl_pipeline.load(folder).graph
    batch = data.test[range(200)]
    view = graph.corrupt(batch, whole=True).views["reversal"]
    restored = Inference(graph).restore("reversal", view)
    to_clean = (restored - batch.x).square().flatten(1).mean(1)
    to_mirror = (restored - batch.x.flip(-1)).square().flatten(1).mean(1)
    assert (to_clean < to_mirror).float().mean() > 0.8


def test_the_files_can_be_listened_to(sound):
    folder, _, data = sound
    for name in ("clean", "noise", "noise_restored", "reversal_restored"):
        wave, rate = soundfile.read(folder / "samples" / f"0_{name}.wav")
        assert rate == 8000 and len(wave) == data.codec.samples and abs(wave).max() > 0.01


def test_a_text_goes_through_a_few_slots(tmp_path):
    """M9 in small (docs/results.md has the full size): unseen strings return exactly, and not without the latent."""
    _, data = trained(
        tmp_path,
        *[
            "experiment=text_autoencoder",
            "data.length=9",
            "data.windows.stride=2",
            "data.windows.min_length=2",
            "latent.slots=3",
        ],
        *["encoder.patch=3", "encoder.width=64", "encoder.depth=1", "latent.depth=1", "decoder.width=64"],
        *["decoder.depth=1", "optimizer.lr=3e-3", "trainer.max_steps=1500"],
    )
    graph = ssl_pipeline.load(tmp_path).graph
    found, without = exact_match(graph, data), exact_match(graph, data, zeroed=True)
    assert found.count > 500
    assert found.percent > 95
    assert without.percent < 2


def test_prompts_agree_that_no_target_was_told_for(tmp_path):
    """M12 in small (docs/prompts.md has the full size): outputs of new templates come to those of known ones."""
    small = ["data.length=9", "data.windows.stride=2", "data.windows.min_length=2", "batch_size=64", "encoder.width=48"]
    small += ["encoder.depth=1", "decoder.width=48", "decoder.depth=1", "probe=none", "report.page=false"]
    templates = {"known": ["Say: {}", "{} now", "<{}>"], "new": ["Once more {}", "'{}' again", "Copy [{}]"]}

    def shown(view, family):
        options = {"families": f"{{{family}: {templates[family]}}}", "only": "null", "fold": "null", "room": 12}
        return [f"corruption.{view}.{key}={value}" for key, value in options.items()]

    steps = ["trainer.max_steps=700"]
    run(compose(["experiment=prompts", *small, *shown("template", "known"), *steps]), str(tmp_path / "first"))
    views, steps = shown("template_1", "known") + shown("template_2", "new"), ["trainer.max_steps=800"]
    agree = ["experiment=prompts_agree", *small, *views, *steps, f"init_from={tmp_path / 'first'}"]
    run(compose(agree), str(tmp_path / "agree"))
    after = ssl_pipeline.load(tmp_path / "agree")
    data, asked, pair = build_part("data", after.config["data"]), prompted(after.graph), ("template_1", "template_2")
    found = output_agreement(after.graph, data.test, asked)
    before = output_agreement(ssl_pipeline.load(tmp_path / "first").graph, data.test, asked)
    assert before.exact["template_1"] > 90 and before.exact["template_2"] < 10
    assert found.exact["template_1"] > 90 and found.exact["template_2"] > 80
    assert found.divergence[pair] < 0.1 * before.divergence[pair]
    assert found.found[pair] > 95


def test_magnets_bring_views_together_without_collapse(tmp_path):
    """M14: with a magnet the latents of unseen samples lie nearer, in units of their spread, and do not touch."""
    apart = {}
    for weight in (0, 0.1, 1):
        magnet = ["objective=reconstruct+align", f"objective.align.weight={weight}"] if weight else []
        summary, data = trained(
            tmp_path / str(weight),
            *["corruption=mask+noise", "encoder.widths=[16,32]", "decoder.widths=[16,16]", "batch_size=128"],
            *["trainer.max_steps=300", *magnet],
        )
        graph = ssl_pipeline.load(tmp_path / str(weight)).graph
        z, _ = look(graph, ProbeBatch(data.test[range(len(data.test))]), seed=0, layers=False)
        apart[weight] = gap([*z.values()])
        assert all(signs(view).spread > 0.5 and signs(view).rank > 10 for view in z.values())
        # The decoder still holds both; in comes 13.6 dB, since a file clips the noise (10.6 dB with all of it).
        assert summary["psnr/noise"] > summary["psnr_input/noise"] + 2
    assert 0.05 < apart[1] < apart[0.1] < 0.8 * apart[0], apart


def test_a_relaxed_ball_needs_a_term_that_keeps_its_latents_apart(tmp_path, capsys):
    """M13 in training: the ball is told of the clean sample, so its decoder can do without what the views say."""
    options = ["corruption=mask+noise+lowres", "batch_size=64", "optimizer.lr=3e-3", "trainer.max_steps=450"]
    options += ["encoder=vit", "encoder.width=32", "encoder.depth=1", "encoder.heads=4"]
    options += ["decoder=cross_attention", "decoder.width=32", "decoder.depth=1", "decoder.heads=4"]
    options += ["latent=slots", "latent.slots=4", "latent.depth=1", "latent.fuse=relaxed"]
    options += ["allow_collapse=true"]  # the first of the two is refused without it
    knn = {}
    for objective in ("reconstruct", "reconstruct+sigreg"):
        folder = tmp_path / objective
        summary, data = trained(folder, *options, f"objective={objective}")
        assert ("of what comes of mask depends on the sample" in capsys.readouterr().err) is (
            objective == "reconstruct"
        )
        graph, batch = ssl_pipeline.load(folder).graph, data.test[range(300)]
        knn[objective] = summary["knn"]
        loss = graph.state(graph.corrupt(batch)).consensus.energy
        assert (loss.diff(dim=0) <= 1e-5).all()
    pulls = []
    for steps in (graph.latent.fuse.steps, 400):
        graph.latent.fuse.steps = steps
        state = graph.state(graph.corrupt(batch, whole=True))
        pulls.append(torch.stack([state.latents[view].tokens - state.consensus.tokens for view in graph.corruptions]))
    assert torch.cosine_similarity(*(pull.flatten() for pull in pulls), dim=0) > 0.98  # at the default it is at rest
    assert loss[-1].mean() < 0.95 * loss[0].mean()  # of the second; a collapsed ball may be too touchy to move
    assert knn["reconstruct+sigreg"] > knn["reconstruct"] + 15
