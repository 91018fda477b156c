"""MISA's losses: the official numbers and gradients, their loops, absent modalities."""

from __future__ import annotations

import math

import pytest
import torch
from support.golden import golden, same
from support.tasks import task_of
from torch import Tensor

from semanticmac.core import MODALITIES
from semanticmac.model.baselines.misa import MISASettings
from semanticmac.model.features import FusionOutput
from semanticmac.train.config import TrainConfig
from semanticmac.train.objectives.misa import (
    MISAObjective,
    central_moment_discrepancy,
    difference_loss,
    reconstruction_loss,
)

LETTERS = {"t": "text", "a": "audio", "v": "vision"}
OFFICIAL = {
    "projected": "utt_{}_orig",
    "private": "utt_private_{}",
    "shared": "utt_shared_{}",
    "reconstructed": "utt_{}_recon",
}
# L is measured with the squared error of the original.
SQUARED = TrainConfig("mosi", regression_loss="mse")


def test_gives_the_official_terms_and_gradients():
    """Without detaching the norms the gradients of the difference would be off by up to 0.6."""
    tensors = golden("misa")
    states, names = {}, {}
    for state, pattern in OFFICIAL.items():
        for letter, modality in LETTERS.items():
            name = pattern.format(letter)
            states[f"{state}.{modality}"] = tensors[f"output.{name}"].clone().requires_grad_()
            names[f"{state}.{modality}"] = name
    targets = tensors["input.labels"]
    objective = MISAObjective(MISASettings(), SQUARED, task_of("regression"), targets)
    output = FusionOutput({"multimodal": tensors["output.prediction"]}, states)
    terms = objective.loss(output, torch.arange(4), targets)
    assert list(terms) == ["total", "task", "diff", "sim", "recon"]
    for term, loss in terms.items():
        same(loss, tensors[f"loss.{term}"])
    for term in ("diff", "sim", "recon"):
        gradients = torch.autograd.grad(
            terms[term], list(states.values()), retain_graph=True, allow_unused=True
        )
        for state, gradient in zip(states, gradients, strict=True):
            expected = tensors.get(f"grad.{term}.{names[state]}")
            if expected is None:
                assert gradient is None
            else:
                same(gradient, expected)


def draw(clips: int = 6, width: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    first, second = torch.rand(2, clips, width, dtype=torch.float64)
    return first, second, torch.tensor([1, 1, 0, 1, 0, 1]).bool()[:clips]


def test_the_difference_equals_the_loop():
    first, second, counted = draw()
    rows = []
    for values in (first[counted], second[counted]):
        normed = []
        for row in values - values.mean(0):
            normed.append(row / (math.sqrt(sum(float(x) ** 2 for x in row)) + 1e-6))
        rows.append(normed)
    total = 0.0
    for i in range(4):
        for j in range(4):
            entry = sum(float(x[i] * y[j]) for x, y in zip(*rows, strict=True))
            total += entry**2
    same(difference_loss(first, second, counted), torch.tensor(total / 16, dtype=torch.float64))


def test_the_discrepancy_equals_the_loop():
    first, second, counted = draw()
    x, y = first[counted], second[counted]
    expected = math.dist(x.mean(0).tolist(), y.mean(0).tolist())
    for k in range(2, 6):
        moments = []
        for values in (x, y):
            centred = values - values.sum(0) / len(values)
            moments.append(
                [sum(float(v) ** k for v in column) / len(values) for column in centred.T]
            )
        expected += math.dist(*moments)
    same(
        central_moment_discrepancy(first, second, counted),
        torch.tensor(expected, dtype=torch.float64),
    )


def test_the_discrepancy_of_equal_vectors_is_zero_with_a_finite_gradient():
    """The original has a square root without an ε: its gradient is infinite here."""
    first, _, counted = draw()
    first.requires_grad_()
    loss = central_moment_discrepancy(first, first.detach().clone(), counted)
    loss.backward()
    assert loss == 0 and first.grad.isfinite().all()


def test_the_reconstruction_is_the_mean_of_the_counted_rows():
    first, second, counted = draw()
    expected = torch.nn.functional.mse_loss(first[counted], second[counted])
    same(reconstruction_loss(first, second, counted), expected)


def test_an_absent_modality_takes_no_part():
    """The losses of a batch whose last clip lacks audio, whatever stands in its vectors."""
    torch.manual_seed(0)
    states = {}
    for state in OFFICIAL:
        for modality in MODALITIES:
            states[f"{state}.{modality}"] = torch.rand(4, 5, dtype=torch.float64)
    predictions, targets = torch.randn(2, 4, 1, dtype=torch.float64)
    present = torch.ones(4, 3, dtype=torch.bool)
    present[3, 1] = False
    objective = MISAObjective(MISASettings(), SQUARED, task_of("regression"), targets)

    def losses() -> dict[str, Tensor]:
        output = FusionOutput({"multimodal": predictions}, states, present)
        return objective.loss(output, torch.arange(4), targets)

    before = losses()
    for state in OFFICIAL:
        states[f"{state}.audio"][3] += 7
    after = losses()
    for term, loss in before.items():
        same(after[term], loss)


@pytest.mark.parametrize("present", [True, False])
def test_a_batch_of_one_clip_has_finite_losses(present):
    states = {}
    for state in OFFICIAL:
        for modality in MODALITIES:
            states[f"{state}.{modality}"] = torch.rand(1, 5).requires_grad_()
    targets = torch.zeros(1, 1)
    output = FusionOutput(
        {"multimodal": torch.zeros(1, 1)}, states, torch.full((1, 3), fill_value=present)
    )
    objective = MISAObjective(MISASettings(), SQUARED, task_of("regression"), targets)
    total = objective.loss(output, torch.arange(1), targets)["total"]
    total.backward()
    assert total.isfinite()
    assert all(state.grad.isfinite().all() for state in states.values())
