"""stable-pretraining, as its benchmarks on GPUs are wired."""

# pyright: reportMissingImports=false
from __future__ import annotations

from functools import partial
from typing import Any

import torch
from peers_job import Bound, Job, Outcome, Stopwatch, rate
from torch.utils.data import DataLoader, TensorDataset

from ssl_pipeline.models.layers import Projector


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
    dataset = spt.data.FromTorchDataset(TensorDataset(job.x, job.labels), ["image", "label"], gpu_transform=views)
    loader = DataLoader(dataset, batch_size=job.batch, shuffle=True, drop_last=True)
    if job.masks:
        d, ratio = job.config["decoder"], job.config["corruption"]["mask"]["ratio"]
        sizes = {"decoder_embed_dim": d["width"], "decoder_depth": d["depth"], "decoder_num_heads": d["heads"]}
        module: Any = MAE(job.vit(), mask_ratio=ratio, **sizes)
        embed, masked = (lambda x: module.encoder.forward_features(x)[:, 1:].mean(1)), module.forward
        module.forward = lambda batch, stage: {"loss": masked(batch["image"]).loss}
    else:
        encoder: Any = job.encoder()
        head, loss = Projector(256, 128).bind(encoder.width), spt.losses.NTXEntLoss(temperature=0.1)
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
