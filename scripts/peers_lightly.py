"""lightly, as its examples are wired."""

# pyright: reportMissingImports=false
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning as L
import torch
from peers_job import Bound, Job, Outcome, Stopwatch, rate
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset


class Pictures(Dataset):
    """Images one by one with their labels, as torchvision's sets give them."""

    def __init__(self, x: Tensor, labels: Tensor) -> None:
        self.x, self.labels = (x * 255).round().to(torch.uint8).numpy(), labels.tolist()
        self.transform: Callable[[Image.Image], Any] = lambda image: image

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[Image.Image, int]:
        return self.transform(Image.fromarray(self.x[i, 0])), self.labels[i]


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
            self.predict = nn.Linear(d["width"], self.patch_size**2 * job.data.grid.width)

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
