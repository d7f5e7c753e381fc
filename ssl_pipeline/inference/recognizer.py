"""What happened to a sample, read off its latent."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float
from safetensors import safe_open
from torch import Tensor, nn

from ssl_pipeline.inference.weights import read_safetensors, remove_safetensors, write_safetensors
from ssl_pipeline.structures.batch import Latent

FILE = "recognizer.safetensors"
LIKELY = 0.5
"""Probability above which a corruption is said to have happened."""
_FAMILIES = "families"


class Happened(NamedTuple):
    """What happened to samples."""

    families: tuple[str, ...]  # names of F corruptions
    probability: Float[Tensor, "B F"]  # that a sample has passed each
    severity: Float[Tensor, "B F"]  # of each, where it has: 1 to 5
    novelty: Float[Tensor, "B"]  # above 1: the sample is unlike those of training

    def found(self, row: int) -> dict[str, float]:
        """Severities of the corruptions that a sample has probably passed, the surest first."""
        order = self.probability[row].argsort(descending=True).tolist()
        return {self.families[i]: self.severity[row, i].item() for i in order if self.probability[row, i] > LIKELY}

    def said(self, row: int = 0) -> str:
        """The same in words.

        >>> one = Happened(("noise", "jpeg"), torch.tensor([[0.9, 0.1]]), torch.tensor([[2.84, 1.0]]), torch.ones(1))
        >>> one.said(0)
        'noise 2.8'
        """
        return ", ".join(f"{name} {severity:.1f}" for name, severity in self.found(row).items()) or "nothing"


def joined(pieces: Happened) -> Happened:
    """What happened to a sample, as its pieces say: the mean, severities by how sure they are, the median novelty."""
    probability = pieces.probability
    sure = probability / probability.sum(0).clamp(min=1e-9)
    severity = (pieces.severity * sure).sum(0, keepdim=True)
    return Happened(pieces.families, probability.mean(0, keepdim=True), severity, pieces.novelty.median().unsqueeze(0))


def statistics(latent: Latent) -> Float[Tensor, "B S"]:
    """Mean and standard deviation of the embedding's tokens, and of the channels of each finer level."""
    tokens = latent.tokens.float()
    kept = torch.ones_like(tokens[..., :1]) if latent.valid is None else latent.valid.unsqueeze(2).float()
    count = kept.sum(1).clamp(min=1)
    mean = (tokens * kept).sum(1) / count
    spread = (((tokens - mean.unsqueeze(1)) * kept).square().sum(1) / count).sqrt()
    finer = [level.float().flatten(2) for level in latent.finer]
    return torch.cat([latent.pooled.float(), mean, spread, *(of for x in finer for of in (x.mean(2), x.std(2)))], 1)


class Recognizer(nn.Module):
    """Tells which corruptions samples have passed and how severe each was, and how unlike those of training they are.

    Novelty is the squared Mahalanobis distance (arXiv 1807.03888) of a latent's statistics from those of training, in
    units of the distance that 99 of 100 of these do not exceed.

    Args:
        families: names of F corruptions.
        width: numbers S in the statistics of a latent.
        hidden: numbers between.

    >>> Recognizer(["noise"], width=4)(torch.zeros(2, 4)).probability.shape
    torch.Size([2, 1])
    """

    mean: Tensor
    std: Tensor
    centre: Tensor
    whiten: Tensor

    def __init__(self, families: Sequence[str], width: int, hidden: int = 256) -> None:
        super().__init__()
        self.families = tuple(families)
        self.net = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, 2 * len(self.families)))
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("std", torch.ones(width))
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("whiten", torch.eye(width))

    def raw(self, z: Float[Tensor, "B S"]) -> tuple[Tensor, Tensor]:
        """Logits and severities (B, F)."""
        logits, severity = self.net((z - self.mean) / self.std).chunk(2, dim=1)
        return logits, 3 + severity  # the middle of 1 to 5

    def forward(self, z: Float[Tensor, "B S"]) -> Happened:
        """Of the statistics of latents."""
        logits, severity = self.raw(z)
        return Happened(self.families, logits.sigmoid(), severity.clamp(1, 5), self.distance(z))

    def distance(self, z: Float[Tensor, "B S"]) -> Float[Tensor, "B"]:
        """Novelty."""
        return ((z - self.centre) @ self.whiten).square().sum(1)


def write_recognizer(recognizer: Recognizer, folder: Path) -> None:
    """Into the folder of a run, or of one of its data sets."""
    folder.mkdir(exist_ok=True)
    names = {_FAMILIES: json.dumps(recognizer.families)}
    write_safetensors(recognizer.state_dict(), folder / FILE, names)


def forget_recognizer(folder: Path) -> None:
    """Remove that of a run, since it trains on."""
    remove_safetensors(folder / FILE)


def read_recognizer(folder: Path) -> Recognizer | None:
    """That of a run; None where it has none.

    Raises:
        ValueError: a damaged file.
    """
    file = folder / FILE
    if not file.is_file():
        return None
    state = read_safetensors(file)
    try:
        with safe_open(file, "pt") as opened:
            families = json.loads(opened.metadata()[_FAMILIES])
        hidden, width = state["net.0.weight"].shape
        recognizer = Recognizer([str(name) for name in families], width, hidden)
        recognizer.load_state_dict(state)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        why = " ".join(str(error).split())
        raise ValueError(f"{file} is damaged ({why}): remove it, or evaluate the run again") from None
    return recognizer.eval()
