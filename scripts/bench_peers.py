"""Three libraries in turn, with the same model, batch, precision and time, on grey images.

python scripts/bench_peers.py data=fashion_mnist data.root=FOLDER

Needs the extra ``bench`` (pip install -e '.[bench]'). lightly and stable-pretraining run as their examples are wired:
their own views, losses and loaders, in Lightning, without probes and checkpoints; stable-pretraining makes its views
of whole batches on the device (kornia). The recipe is ours for all: views of the same strength, AdamW, warm-up and
cosine. ``--seconds 120`` trains each for so long, the rate following the clock, and measures all by
protocol P1, raw pixels and untrained encoders beside. The masked autoencoders of the others also crop and mirror, as
their examples do; ours masks alone.
"""

from __future__ import annotations

import argparse
import io
import logging
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import lightning as L
import torch
from bench_throughput import VIT, now, step_starts
from PIL import Image
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ssl_pipeline.config import compose
from ssl_pipeline.datasets import Data, sequential_batches
from ssl_pipeline.evaluation import P1
from ssl_pipeline.instantiate import instantiate
from ssl_pipeline.layers import Projector
from ssl_pipeline.optim import Recipe
from ssl_pipeline.records import as_float, clean_view
from ssl_pipeline.training import run
from ssl_pipeline.training.hardware import Hardware

MODELS = {
    "simclr, small conv": ["experiment=simclr"],
    "simclr, ViT 192 x 6": ["experiment=simclr", *VIT],
    "mae, ViT 192 x 6": ["experiment=mae", *VIT, "encoder.pool=1"],
}
WARM = 8
"""Steps at the start that are not counted."""


class Outcome(NamedTuple):
    """What a training gave."""

    samples_per_s: float
    steps: int
    embed: Callable[[Tensor], Tensor] | None  # None: the scores are there already
    scores: Mapping[str, float]


class Bound(NamedTuple):
    """When a training ends: after so many steps, or after so many seconds."""

    steps: int = -1
    seconds: float | None = None

    @property
    def options(self) -> dict[str, Any]:
        """For Lightning's trainer."""
        return {"max_steps": self.steps, "max_epochs": -1, "max_time": self.seconds and {"seconds": self.seconds}}

    def progress(self) -> Callable[[int], float]:
        """How far a training is at a step; by the clock, it begins when it is first asked."""
        if self.seconds is None:
            return lambda step: step / self.steps
        began, seconds = [], self.seconds

        def elapsed(step: int) -> float:
            began[:] = began or [time.perf_counter()]
            return (time.perf_counter() - began[0]) / seconds

        return elapsed


class Stopwatch(L.Callback):
    """When each step ended."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def on_train_batch_end(self, *_: Any) -> None:
        """Note the time."""
        self.ends.append(now())


def rate(times: list[float], batch: int) -> float:
    """Samples a second over all but the first steps, where there are enough."""
    first = WARM if len(times) > WARM + 1 else 0
    return batch * (len(times) - 1 - first) / (times[-1] - times[first])


class Job:
    """A model and a recipe, to be trained by each library.

    Args:
        words: overrides of ``train.py``.
        workers: processes in which lightly makes its views.
    """

    def __init__(self, words: list[str], workers: int) -> None:
        self.words, self.workers = words, workers
        self.config = compose([*words, "trainer.enable_progress_bar=false", "report.page=false"])
        self.data: Data = instantiate(self.config["data"])
        batches = [*sequential_batches(self.data.train, 10_000)]
        self.x = torch.cat([as_float(one.x, self.data.grid) for one in batches])
        self.labels = torch.cat([one.label for one in batches])
        self.batch = int(self.config["batch_size"])
        self.mean, self.std = [self.x.mean().item()], [self.x.std().item()]
        self.recipe: Recipe = instantiate(self.config["optimizer"])
        self.precision = Hardware(precision=self.config["hardware"]["precision"]).resolved_precision
        self.masks = self.config["name"] == "mae"

    def encoder(self) -> nn.Module:
        """Our encoder behind a plain call: images (B, C, H, W) to embeddings."""
        return Plain(instantiate(self.config["encoder"])(grid=self.data.grid, views=("view",)), self.data)

    def vit(self) -> VisionTransformer:
        """timm's of the same size, as the libraries' masked autoencoders want it."""
        e = self.config["encoder"]
        side, channels = self.data.grid.shape[0], self.data.grid.channels
        sizes = {"embed_dim": e["width"], "depth": e["depth"], "num_heads": e["heads"]}
        return VisionTransformer(img_size=side, patch_size=4, in_chans=channels, num_classes=0, **sizes)

    def trainer(self, bound: Bound, watch: Stopwatch, **more: Any) -> L.Trainer:
        """Lightning's, with nothing that costs time; it refuses to clip beside a fused optimiser, which is faster."""
        quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
        options = bound.options | quiet | {"devices": 1, "logger": False} | more
        return L.Trainer(callbacks=[watch], precision=self.precision, num_sanity_val_steps=0, **options)

    def schedule(self, bound: Bound) -> Callable[[int], float]:
        """Share of the highest rate at a step."""
        progress = bound.progress()
        return lambda step: self.recipe.rate(min(1.0, progress(step)))


class Plain(nn.Module):
    """An encoder of ours as others call it."""

    def __init__(self, encoder: Any, data: Data) -> None:
        super().__init__()
        self.encoder, self.grid = encoder, data.grid
        self.width = encoder.embedding_width

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, D)."""
        return self.encoder({"view": clean_view(self.grid, x)})["view"].pooled


class Pictures(torch.utils.data.Dataset):
    """Images one by one with their labels, as torchvision's sets give them."""

    def __init__(self, x: Tensor, labels: Tensor) -> None:
        self.x, self.labels = (x * 255).round().to(torch.uint8).numpy(), labels.tolist()
        self.transform: Callable[[Image.Image], Any] = lambda image: image

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[Image.Image, int]:
        return self.transform(Image.fromarray(self.x[i, 0])), self.labels[i]


class Floats(torch.utils.data.Dataset):
    """Tensors one by one with their labels: nothing is left to decode."""

    def __init__(self, x: Tensor, labels: Tensor) -> None:
        self.x, self.labels = x, labels

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[Tensor, Tensor]:
        return self.x[i], self.labels[i]


def ours(job: Job, bound: Bound) -> Outcome:
    """The whole pipeline with its default callbacks; probes only after a training by the clock."""
    probed = ["probe.online=0", "probe.protocol.few=0"] if bound.seconds else ["probe=none"]
    limit = "null" if bound.seconds is None else time.strftime("00:%H:%M:%S", time.gmtime(bound.seconds))
    words = [f"trainer.max_steps={bound.steps}", "trainer.max_epochs=-1", f"trainer.max_time={limit}"]
    config = compose([*job.words, *probed, *words, "trainer.enable_progress_bar=false", "report.page=false"])
    with tempfile.TemporaryDirectory() as folder, step_starts() as starts:
        summary = run(config, str(Path(folder) / "run"))
    return Outcome(rate(starts, job.batch), summary["steps"], None, summary)


def lightly(job: Job, bound: Bound) -> Outcome:
    """After examples/pytorch_lightning/{simclr,mae}.py of its repository."""
    from lightly.data import LightlyDataset
    from lightly.transforms import MAETransform, SimCLRTransform

    side, norm = job.data.grid.shape[0], {"mean": job.mean, "std": job.std}
    crop = job.config["corruption"].get("crop_1", {})
    strength = {"cj_prob": 1.0, "cj_bright": 0.8, "cj_contrast": 0.8, "cj_sat": 0.0, "cj_hue": 0.0}
    less = {"random_gray_scale": 0.0, "gaussian_blur": 0.0}  # of grey images nothing is left to take
    transform = (
        MAETransform(side, normalize=norm)
        if job.masks
        else SimCLRTransform(side, min_scale=crop["scale"][0], normalize=norm, **strength, **less)
    )
    dataset = LightlyDataset.from_torch_dataset(Pictures(job.x, job.labels), transform=transform)
    keep = {"num_workers": job.workers, "persistent_workers": job.workers > 0}
    loader = DataLoader(dataset, batch_size=job.batch, shuffle=True, drop_last=True, **keep)
    module, watch = _lightly_module(job, bound), Stopwatch()
    job.trainer(bound, watch).fit(module, loader)
    module.eval()
    return Outcome(rate(watch.ends, job.batch), len(watch.ends), module.embed, {})


def _lightly_module(job: Job, bound: Bound) -> Any:
    from lightly.loss import NTXentLoss
    from lightly.models import utils
    from lightly.models.modules import MaskedVisionTransformerDecoderTIMM, MaskedVisionTransformerTIMM
    from lightly.models.modules.heads import SimCLRProjectionHead

    class Base(L.LightningModule):
        def configure_optimizers(self) -> Any:
            optimizer = job.recipe.optimizer(self, job.batch)
            schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, job.schedule(bound))
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    class SimCLR(Base):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = job.encoder()
            self.projection_head = SimCLRProjectionHead(self.backbone.width, 256, 128)
            self.criterion = NTXentLoss(temperature=0.1)
            self.embed = self.backbone

        def training_step(self, batch: Any, _: int) -> Tensor:
            (a, b), _, _ = batch
            return self.criterion(*(self.projection_head(self.backbone(x)) for x in (a, b)))

    class MAE(Base):
        def __init__(self) -> None:
            super().__init__()
            vit, d = job.vit(), job.config["decoder"]
            self.patch_size, self.ratio = 4, job.config["corruption"]["mask"]["ratio"]
            self.backbone = MaskedVisionTransformerTIMM(vit)
            self.sequence_length = self.backbone.sequence_length
            self.embed_decoder = nn.Linear(vit.embed_dim, d["width"])
            patches = vit.patch_embed.num_patches
            self.decoder = MaskedVisionTransformerDecoderTIMM(patches, d["width"], d["depth"], d["heads"])
            self.predict = nn.Linear(d["width"], self.patch_size**2 * job.data.grid.channels)

        def embed(self, x: Tensor) -> Tensor:
            return self.backbone.encode(x)[:, 1:].mean(1)

        def training_step(self, batch: Any, _: int) -> Tensor:
            images = batch[0][0]
            size = (len(images), self.sequence_length)
            kept, hidden = utils.random_token_mask(size, self.ratio, device=images.device)
            encoded = self.embed_decoder(self.backbone.encode(images, idx_keep=kept))
            tokens = utils.repeat_token(self.decoder.mask_token, size).to(encoded.dtype)
            decoded = self.decoder(utils.set_at_index(tokens, kept, encoded))
            predicted = self.predict(utils.get_at_index(decoded, hidden))
            patches = utils.patchify(images, self.patch_size)
            target = utils.normalize_mean_var(utils.get_at_index(patches, hidden - 1), dim=-1)
            return nn.functional.mse_loss(predicted, target)

    return MAE() if job.masks else SimCLR()


def stable(job: Job, bound: Bound) -> Outcome:
    """After benchmarks/imagenet10/two_view_gpu.py and mae-vit-base.py of its repository."""
    import stable_pretraining as spt
    from stable_pretraining import forward
    from stable_pretraining.data import gpu_transforms as gt
    from stable_pretraining.methods.mae import MAE

    side, norm = job.data.grid.shape[0], gt.GPUNormalize(job.mean, job.std)
    crop = job.config["corruption"].get("crop_1", {"scale": (0.2, 1.0)})
    window = [gt.GPURandomResizedCrop(side, tuple(crop["scale"])), gt.GPURandomHorizontalFlip(0.5)]
    jitter = [] if job.masks else [gt.GPUColorJitter(brightness=0.8, contrast=0.8, p=1.0)]
    chain = gt.GPUCompose([*window, *jitter, norm])
    views = chain if job.masks else gt.StackedMultiView(chain, n_views=2)
    dataset = spt.data.FromTorchDataset(Floats(job.x, job.labels), ["image", "label"], gpu_transform=views)
    loader = DataLoader(dataset, batch_size=job.batch, shuffle=True, drop_last=True)
    if job.masks:
        decoder = {f"decoder_{k}": job.config["decoder"][v] for k, v in _MAE_DECODER.items()}
        module: Any = MAE(job.vit(), mask_ratio=job.config["corruption"]["mask"]["ratio"], **decoder)
        embed, masked = _mae_embedding(module), module.forward
        module.forward = lambda batch, stage: {"loss": masked(batch["image"]).loss}
    else:
        encoder: Any = job.encoder()
        head, loss = Projector(encoder.width, 256, 128), spt.losses.NTXEntLoss(temperature=0.1)
        module = spt.Module(backbone=encoder, projector=head, forward=forward.simclr, simclr_loss=loss)
        embed = encoder
    module.optim = {
        "optimizer": partial(job.recipe.make, lr=job.recipe.peak(job.batch), weight_decay=job.recipe.weight_decay),
        "scheduler": partial(torch.optim.lr_scheduler.LambdaLR, lr_lambda=job.schedule(bound)),
        "interval": "step",
    }
    watch = Stopwatch()
    data = spt.data.DataModule(train=loader)
    job.trainer(bound, watch).fit(module, data)
    module.eval()
    return Outcome(rate(watch.ends, job.batch), len(watch.ends), embed, {})


_MAE_DECODER = {"embed_dim": "width", "depth": "depth", "num_heads": "heads"}


def _mae_embedding(module: Any) -> Callable[[Tensor], Tensor]:
    return lambda x: module.encoder.forward_features(x)[:, 1:].mean(1)


LIBRARIES: dict[str, Callable[[Job, Bound], Outcome]] = {"ours": ours, "lightly": lightly, "stable-pretraining": stable}


def scores(job: Job, outcome: Outcome) -> Mapping[str, float]:
    """kNN and linear of the frozen encoder."""
    if outcome.embed is None:
        return outcome.scores
    embed, protocol = outcome.embed, P1(few=0)
    mean, std = job.mean[0], job.std[0]
    return protocol.score(protocol.features(lambda b: embed((as_float(b.x, job.data.grid) - mean) / std), job.data))


def speeds(job: Job, libraries: list[str], steps: int, rounds: int) -> dict[str, list[float]]:
    """Samples a second of each library, in turn, so many times."""
    found: dict[str, list[float]] = {name: [] for name in libraries}
    for _ in range(rounds):
        for name in libraries:
            found[name].append(_quietly(LIBRARIES[name], job, Bound(steps + WARM)).samples_per_s)
    return found


def _alone() -> None:
    """Take back the callbacks that stable-pretraining, once installed, adds to every trainer of Lightning's."""
    with suppress(ModuleNotFoundError):
        import stable_pretraining as spt
        from stable_pretraining.callbacks.factories import _DEFAULT_CALLBACK_REGISTRY as added

        spt.set(verbose="error")
        added.clear()  # its setting knows of some of them only


def _quietly(train: Callable[[Job, Bound], Outcome], job: Job, bound: Bound) -> Outcome:
    torch.manual_seed(0)
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            return train(job, bound)
    finally:
        logging.disable(logging.NOTSET)


def main() -> None:
    """Measure, and print a table of speeds and, if asked for, one of accuracies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=30, help="counted steps of a round")
    parser.add_argument("--rounds", type=int, default=3, help="of speeds; 0: none")
    parser.add_argument("--seconds", type=float, default=0, help="of training before the probe; 0: speeds alone")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument(
        "--workers", type=int, default=0, help="processes in which lightly makes its views; on two cores they cost"
    )
    parser.add_argument("--only", nargs="*", default=[], help="beginnings of models")
    parser.add_argument("--libraries", nargs="*", default=[*LIBRARIES], choices=[*LIBRARIES])
    parser.add_argument(
        "overrides", nargs="*", help="of train.py, the same for all: data=... hardware.precision=32-true"
    )
    asked = parser.parse_args()
    chosen = {n: w for n, w in MODELS.items() if not asked.only or n.startswith(tuple(asked.only))}
    shared = [f"batch_size={asked.batch}", *asked.overrides]
    if asked.rounds:
        print("| samples/s | " + " | ".join(asked.libraries) + " |\n|---|" + "---|" * len(asked.libraries), flush=True)
    _alone()
    jobs = {name: Job([*words, *shared], asked.workers) for name, words in chosen.items()}
    for model, job in jobs.items() if asked.rounds else ():
        found = speeds(job, asked.libraries, asked.steps, asked.rounds)
        cells = [f"{statistics.median(r):,.0f} ({min(r):,.0f}-{max(r):,.0f})" for r in found.values()]
        print(f"| {model} | " + " | ".join(cells) + " |", flush=True)
    if "ours" in asked.libraries and (not asked.only or "fast" in asked.only):
        jobs["fast"] = Job(["experiment=fast", *asked.overrides], asked.workers)
    if asked.seconds:
        accuracies(jobs, asked.libraries, Bound(seconds=asked.seconds))


def accuracies(jobs: Mapping[str, Job], libraries: list[str], bound: Bound) -> None:
    """Train by the clock, probe, and print a table."""
    head = f"| {bound.seconds:.0f} s | library | steps | samples/s | kNN-20 | linear |"
    print(f"\n{head}\n|---|---|---|---|---|---|", flush=True)

    def line(*cells: str, of: Mapping[str, float], kind: str = "") -> None:
        found = [f"{of[key + kind]:.1f}" for key in ("knn", "linear")]
        print("| " + " | ".join([*cells, *found]) + " |", flush=True)

    for model, job in jobs.items():
        for name in libraries if model in MODELS else ["ours"]:
            outcome = _quietly(LIBRARIES[name], job, bound)
            found = scores(job, outcome)
            line(model, name, f"{outcome.steps:,}", f"{outcome.samples_per_s:,.0f}", of=found)
            for kind in ("raw", "untrained"):
                if f"knn_{kind}" in found:
                    line(model, kind, "", "", of=found, kind=f"_{kind}")


if __name__ == "__main__":
    main()
