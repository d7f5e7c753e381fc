"""Our losses against those of lightly, where it is installed (the extra ``peers``): values and gradients.

Where a constant or a convention lies between the two, the test says which, and compares after it.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from helpers.embeddings import pair
from helpers.terms import LINE, joined, state
from helpers.views import seeded

from ssl_pipeline.corruptions import Mask
from ssl_pipeline.losses import (
    NNCLR,
    Alignment,
    BarlowTwins,
    Centering,
    InfoNCE,
    MoCo,
    NormalizedPatches,
    SelfDistillation,
    Sinkhorn,
    VICReg,
    sigreg,
    sinkhorn,
)
from ssl_pipeline.objectives import MaskedPrediction, TeacherPrediction
from ssl_pipeline.structures.batch import Latent, clean_view

loss = pytest.importorskip("lightly.loss")
swav_loss = pytest.importorskip("lightly.loss.swav_loss")
hypersphere_loss = pytest.importorskip("lightly.loss.hypersphere_loss")
modules = pytest.importorskip("lightly.models.modules")
utils = pytest.importorskip("lightly.models.utils")


def slopes(of, *inputs: torch.Tensor) -> list[torch.Tensor]:
    """A loss of some inputs, and its gradient along each."""
    leaves = [z.clone().requires_grad_() for z in inputs]
    value = of(*leaves).sum()  # some of lightly's are vectors of one number
    return [value.detach(), *torch.autograd.grad(value, leaves)]


def embeddings(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def said_of(z: torch.Tensor) -> dict[str, Latent]:
    """Embeddings (V, B, D) as an encoder's."""
    return {name: Latent(torch.zeros(len(row), 0, 6), row) for name, row in zip("abcd", z, strict=False)}


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (InfoNCE(temperature=0.2), lambda: loss.NTXentLoss(temperature=0.2)),
        (InfoNCE(temperature=0.5), lambda: loss.NTXentLoss(temperature=0.5)),
        (VICReg(), lambda: loss.VICRegLoss()),
        (VICReg(1.0, 2.0, 3.0), lambda: loss.VICRegLoss(lambda_param=1.0, mu_param=2.0, nu_param=3.0)),
        (BarlowTwins(), lambda: loss.BarlowTwinsLoss()),
        (BarlowTwins(off_diagonal=0.1), lambda: loss.BarlowTwinsLoss(lambda_param=0.1)),
        (Alignment(), lambda: hypersphere_loss.HypersphereLoss(lam=0.0)),
    ],
    ids=["info_nce", "info_nce_warm", "vicreg", "vicreg_weights", "barlow", "barlow_weight", "alignment"],
)
def test_loss_and_gradient_equal_those_of_lightly(ours, theirs):
    """No constant lies between them: normalisations are the same."""
    a, b = pair(32, 16)
    b = (a + 0.5 * b) * torch.linspace(0.1, 3, 16)
    torch.testing.assert_close(slopes(ours, a, b), slopes(theirs(), a, b), rtol=1e-4, atol=1e-6)


def test_byol_and_simsiam_are_the_negative_cosine():
    """Ours is the squared chord, 2 - 2 cos, as BYOL has it; theirs is -cos, as SimSiam has it."""
    a, b = pair(32, 16)
    theirs = loss.NegativeCosineSimilarity()
    torch.testing.assert_close(slopes(Alignment(), a, b), slopes(lambda x, y: 2 + 2 * theirs(x, y), a, b))


def test_moco_contrasts_with_its_queue():
    """Batches divide the queue here: at its end lightly drops what has no room, and ours goes round."""
    ours, theirs = MoCo(width=6, size=16, temperature=0.3), loss.NTXentLoss(temperature=0.3, memory_bank_size=(16, 6))
    theirs.memory_bank.bank.copy_(ours.queue.rows)
    for seed in range(3):
        a, b = pair(8, 6, seed=seed)
        torch.testing.assert_close(slopes(lambda x, b=b: ours(x, b), a), slopes(lambda x, b=b: theirs(x, b), a))
        ours.remember(b)
        torch.testing.assert_close(theirs.memory_bank.bank, ours.queue.rows)


def test_nnclr_finds_lightly_s_neighbours():
    """Theirs are not normalised, and lightly's recipe goes on to contrast neighbours with neighbours, too.

    Ours contrasts them with predictions only, as equation 3 of arXiv 2104.14548: see ``test_directed_losses``.
    """
    ours, theirs = NNCLR(width=6, size=16), modules.NNMemoryBankModule(size=(16, 6))
    theirs.bank.copy_(ours.queue.rows)
    for seed in range(3):
        _, b = pair(8, 6, seed=seed)
        torch.testing.assert_close(ours.target(b), F.normalize(theirs(b, update=True), dim=1))
        ours.remember(b)


def test_sinkhorn_gives_lightly_s_codes():
    scores = embeddings(12, 6) / 3
    for iterations in (1, 3, 10):
        theirs = swav_loss.sinkhorn(scores, iterations=iterations, epsilon=0.1)
        torch.testing.assert_close(sinkhorn(scores, iterations, 0.1), theirs)


def test_swav_of_several_crops():
    """Two large crops give codes, which they and the small ones predict."""
    z = embeddings(4, 12, 6) / 3
    term = TeacherPrediction(loss=SelfDistillation(Sinkhorn(3, 0.2), temperature=0.3), targets=["a", "b"])
    term = joined(term, "swav")
    theirs = loss.SwaVLoss(temperature=0.3, sinkhorn_iterations=3, sinkhorn_epsilon=0.2)
    torch.testing.assert_close(
        slopes(lambda x: torch.stack([*term(state(said_of(x))).values()]).mean(), z),
        slopes(lambda x: theirs([*x[:2]], [*x[2:]]), z),
    )


def test_dino_of_several_crops_and_its_centre():
    """The teacher sees two crops; their centre moves after each of three steps."""
    term = TeacherPrediction(loss=SelfDistillation(Centering(6, 0.8, 0.2), temperature=0.5), targets=["a", "b"])
    term = joined(term, "dino")
    theirs = loss.DINOLoss(output_dim=6, teacher_temp=0.2, student_temp=0.5, center_momentum=0.8)
    for seed in range(3):
        z, taught = embeddings(4, 12, 6, seed=seed), embeddings(2, 12, 6, seed=seed + 10)
        torch.testing.assert_close(
            slopes(lambda x, t=taught: torch.stack([*term(state(said_of(x), teacher=said_of(t))).values()]).mean(), z),
            slopes(lambda x, t=taught: theirs([*t], [*x]), z),
        )
        torch.testing.assert_close(term.state_dict()["loss.balance.centre"], theirs.center.flatten())


def test_ibot_of_masked_tokens_and_its_centre():
    """As many are masked in each sample, since ours refuses others: lightly divides by each sample's number."""
    term = MaskedPrediction(loss=SelfDistillation(Centering(6, 0.8, 0.2), temperature=0.5), normalize=False)
    term = joined(term, "ibot", "a")
    theirs = loss.IBOTPatchLoss(output_dim=6, teacher_temp=0.2, student_temp=0.5, center_momentum=0.8)
    for seed in range(3):
        view = Mask(ratio=0.5, cell=1).bind(LINE)(clean_view(LINE, torch.zeros(8, 1, 6)), seeded(seed))
        tokens, taught = embeddings(8, 6, 6, seed=seed), embeddings(8, 6, 6, seed=seed + 10)
        assert view.mask is not None

        def ours(x, view=view, taught=taught):
            student, teacher = ({"a": Latent(z, z.mean(1))} for z in (x, taught))
            return term(replace(state(student, teacher=teacher), views={"a": view}))["ibot/a"]

        def lightly(x, mask=view.mask, taught=taught):
            return theirs(taught[mask], x[mask], mask.unsqueeze(1))

        torch.testing.assert_close(slopes(ours, tokens), slopes(lightly, tokens))
        torch.testing.assert_close(term.state_dict()["loss.balance.centre"], theirs.center.value.flatten())


@pytest.mark.parametrize("local", [1, 2])
def test_lejepa_of_global_and_local_crops(local):
    """Lightly draws its directions from torch's generator: the same are given to ours."""
    z = embeddings(2 + local, 12, 6)
    theirs = loss.LeJEPALoss(lambda_param=0.3, sigreg_knots=5, sigreg_t_max=2.0, sigreg_num_vectors=4)
    torch.manual_seed(0)
    along = F.normalize(torch.randn(6, 4), dim=0)

    def lightly(x):
        torch.manual_seed(0)
        return theirs(global_proj=x[:2], local_proj=x[2:])

    def ours(x):
        return sigreg([dict(zip("abcd", x, strict=False))], along, 0.3, 5, 2.0, anchors=("a", "b"))

    torch.testing.assert_close(slopes(ours, z), slopes(lightly, z))


def test_patches_are_normalised_as_for_mae():
    """Our prediction is in the data's units, theirs (that of MAE) in each patch's own.

    Their variance of 12 numbers is divided by 11, ours by 12.
    """
    prediction, target = embeddings(8, 5, 12), 3 * embeddings(8, 5, 12, seed=1) + 2
    mean, std = target.mean(-1, keepdim=True), (target.var(-1, keepdim=True) + 1e-2).sqrt()

    def lightly(x):
        return 12 / 11 * F.mse_loss((x - mean) / std, utils.normalize_mean_var(target, eps=1e-2))

    torch.testing.assert_close(
        slopes(lambda x: NormalizedPatches(eps=1e-2 * 11 / 12)(x, target), prediction), slopes(lightly, prediction)
    )
