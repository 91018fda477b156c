"""LNLN's losses: the sum of its parts, the discriminator's loss, absent modalities."""

from __future__ import annotations

import math

import torch
from support.golden import same
from support.tasks import task_of

from semanticmac.core import MODALITIES
from semanticmac.model.baselines.lnln import LNLNSettings
from semanticmac.model.features import FusionOutput
from semanticmac.train.config import TrainConfig
from semanticmac.train.objectives.lnln import LNLNObjective, discriminator_loss


def test_the_discriminator_equals_the_loop():
    torch.manual_seed(0)
    language, proxy = torch.randn(2, 4, 1, dtype=torch.float64)
    counted = torch.tensor([1, 0, 1, 1]).bool()
    losses = []
    for row in (0, 2, 3):
        right = 1 / (1 + math.exp(-float(language[row])))
        wrong = 1 / (1 + math.exp(-float(proxy[row])))
        losses.append(-(math.log(right) + math.log(1 - wrong)) / 2)
    expected = torch.tensor(sum(losses) / 3, dtype=torch.float64)
    same(discriminator_loss(language, proxy, counted), expected)


def test_is_the_sum_of_its_parts_without_absent_modalities():
    torch.manual_seed(0)
    draw = {"dtype": torch.float64}
    states = {"completeness": torch.rand(3, 1, **draw), "kept": torch.rand(3, 1, **draw)}
    states |= {name: torch.randn(3, 1, **draw) for name in ("language_logit", "proxy_logit")}
    for m in MODALITIES:
        states[f"reconstructed.{m}"], states[f"complete.{m}"] = torch.randn(2, 3, 4, **draw)
    predictions, targets = torch.randn(2, 3, 1, **draw)
    present = torch.tensor([[1, 1, 1], [1, 0, 1], [0, 1, 1]]).bool()
    objective = LNLNObjective(LNLNSettings(), TrainConfig("mosi"), task_of("regression"), targets)
    terms = objective.loss(
        FusionOutput({"multimodal": predictions}, states, present), torch.arange(3), targets
    )

    same(terms["task"], (predictions - targets).abs().mean())
    same(terms["completeness"], (states["completeness"] - states["kept"]).square().mean())
    recon = 0.0
    for m, rows in zip(MODALITIES, ([0, 1], [0, 2], [0, 1, 2]), strict=True):
        error = states[f"reconstructed.{m}"][rows] - states[f"complete.{m}"][rows]
        recon = recon + error.square().mean() / 3
    same(terms["recon"], recon)
    with_both = torch.tensor([True, True, False])
    logits = (states["language_logit"], states["proxy_logit"])
    same(terms["adversarial"], discriminator_loss(*logits, with_both))
    expected = terms["task"] + 0.9 * terms["completeness"] + 0.8 * terms["adversarial"]
    same(terms["total"], expected + 0.1 * terms["recon"])
