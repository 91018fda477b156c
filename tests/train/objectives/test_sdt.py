"""SDT's loss: task, students where they have their modality, distillation by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from semanticmac.core import MODALITIES, Task
from semanticmac.model.dialogue.sdt import SdtSettings
from semanticmac.model.features import FusionOutput
from semanticmac.train.config import TrainConfig
from semanticmac.train.objectives.sdt import SdtObjective, divergence

CLASSES = Task("single-label", ("a", "b", "c"))
LABELS = Task("multi-label", ("a", "b", "c"))


def softmax(logits: list[float]) -> list[float]:
    powers = [math.exp(logit) for logit in logits]
    return [power / sum(powers) for power in powers]


def make_output() -> FusionOutput:
    torch.manual_seed(0)
    heads = ("multimodal", *MODALITIES)
    predictions = {name: torch.randn(4, 3, dtype=torch.float64) for name in heads}
    present = torch.tensor([[True, True, False], [True, False, True], [False] * 3, [True] * 3])
    return FusionOutput(predictions, present=present)


def test_divergence_of_one_class_of_several() -> None:
    teacher, student = [1.0, -0.5, 2.0], [0.3, 0.1, -1.0]
    expected = 0.0
    scaled = softmax([x / 2 for x in teacher]), softmax([x / 2 for x in student])
    for p, q in zip(*scaled, strict=True):
        expected += p * math.log(p / q)
    actual = divergence(torch.tensor([teacher]), torch.tensor([student]), CLASSES, 2.0)
    assert actual.item() == pytest.approx(expected, rel=1e-5)


def test_divergence_of_several_labels_and_of_a_score() -> None:
    teacher, student = torch.tensor([[1.0, -2.0]]), torch.tensor([[0.5, 0.0]])
    expected = 0.0
    for p, q in zip(teacher[0].sigmoid().tolist(), student[0].sigmoid().tolist(), strict=True):
        expected += p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    assert divergence(teacher, student, LABELS, 1.0).item() == pytest.approx(expected, rel=1e-5)
    score = divergence(torch.tensor([[2.0]]), torch.tensor([[0.5]]), Task("regression"), 3.0)
    assert score.item() == pytest.approx(2.25)


def test_the_total_equals_the_loop() -> None:
    settings = SdtSettings(student_weight=0.5, distillation_weight=0.25, temperature=2.0)
    objective = SdtObjective(settings, TrainConfig("x"), CLASSES, torch.zeros(4, 3))
    output = make_output()
    targets = torch.eye(3, dtype=torch.float64)[[0, 1, 2, 0]]
    terms = objective.loss(output, torch.arange(4), targets)
    assert output.present is not None

    def task(name: str, clips: list[int]) -> float:
        losses = []
        for clip in clips:
            shares = softmax(output.predictions[name][clip].tolist())
            losses.append(-math.log(shares[int(targets[clip].argmax())]))
        return sum(losses) / len(losses)

    expected = task("multimodal", [0, 1, 3])
    for m, name in enumerate(MODALITIES):
        clips = output.present[:, m].nonzero()[:, 0].tolist()
        expected += 0.5 * task(name, clips)
        assert terms[name].item() == pytest.approx(task(name, clips))
        divergences = []
        for clip in clips:
            teacher = softmax([x / 2 for x in output.predictions["multimodal"][clip].tolist()])
            student = softmax([x / 2 for x in output.predictions[name][clip].tolist()])
            pairs = zip(teacher, student, strict=True)
            divergences.append(sum(p * math.log(p / q) for p, q in pairs))
        expected += 0.25 * sum(divergences) / len(divergences)
    assert terms["total"].item() == pytest.approx(expected)


def test_a_batch_without_a_modality_has_a_finite_gradient() -> None:
    predictions: dict[str, Tensor] = {}
    for name in ("multimodal", *MODALITIES):
        predictions[name] = torch.randn(2, 3, requires_grad=True)
    present = torch.tensor([[True, False, False]]).expand(2, -1)
    objective = SdtObjective(SdtSettings(), TrainConfig("x"), CLASSES, torch.zeros(2, 3))
    output = FusionOutput(predictions, present=present)
    objective.loss(output, torch.arange(2), torch.eye(3)[:2])["total"].backward()
    assert predictions["text"].grad is not None and predictions["text"].grad.isfinite().all()
    silent = predictions["audio"].grad
    assert silent is None or not silent.any()
