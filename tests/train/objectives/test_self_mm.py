"""Self-MM: nine official steps of labels, banks and centres; classes; absence; resume."""

from __future__ import annotations

import math

import pytest
import torch
from support.golden import golden, same
from support.tasks import AFFECT, task_of
from torch import Tensor

from semanticmac.core import MODALITIES, Kind, Task
from semanticmac.model.baselines.self_mm import SelfMMSettings
from semanticmac.model.features import FusionOutput
from semanticmac.train.config import TrainConfig
from semanticmac.train.objectives.self_mm import HEADS, SelfMMObjective

OFFICIAL = {
    "multimodal": ("fusion", "M"),
    "text": ("text", "T"),
    "audio": ("audio", "A"),
    "vision": ("vision", "V"),
}
SIZES = {"fusion_feature": 6, "text_feature": 5, "audio_feature": 4, "vision_feature": 5}
WIDTHS = dict(zip(HEADS, SIZES.values(), strict=True))


def make(kind: Kind, truth: Tensor, **changes: object) -> SelfMMObjective:
    settings = SelfMMSettings(**SIZES, **changes)  # type: ignore[arg-type]
    return SelfMMObjective(settings, TrainConfig("mosi"), task_of(kind), truth)


@pytest.mark.parametrize(
    ("name", "zero_is_positive"), [("self_mm_update", False), ("self_mm_update_zero_in_pos", True)]
)
def test_nine_steps_give_the_official_losses_labels_banks_and_centres(name, zero_is_positive):
    tensors = golden(name)
    truth = tensors["init.label"][:, None]
    objective = make("regression", truth, label_limit=3.0, zero_is_positive=zero_is_positive)
    for step in range(9):
        rows = tensors[f"step{step}.indexes"]
        predictions, states = {}, {}
        for head, (mode, letter) in OFFICIAL.items():
            predictions[head] = tensors[f"step{step}.pred.{letter}"]
            states[f"feature.{head}"] = tensors[f"step{step}.feature.{mode}"]
        output = FusionOutput(predictions, states)
        terms = objective.loss(output, rows, truth[rows])
        same(terms["total"], tensors[f"step{step}.loss"])
        for head, (_, letter) in OFFICIAL.items():
            same(terms[head], tensors[f"step{step}.loss.{letter}"])

        objective.after_backward(output, rows)
        for labels, modality in zip(objective.labels, MODALITIES, strict=True):
            same(labels[:, 0], tensors[f"step{step}.label.{modality}"])
        for h, (head, (mode, _)) in enumerate(OFFICIAL.items()):
            for centre, sign in zip(objective.centres(head), ("pos", "neg"), strict=True):
                official = tensors[f"step{step}.center.{mode}.{sign}"]
                # In the first epoch unseen rows are zeros, and the official centres count them.
                same(centre[0] * seen_share(objective, h, sign, zero_is_positive), official)
        if step in (2, 5, 8):
            objective.end_epoch(step // 3 + 1)
    for head, (mode, _) in OFFICIAL.items():
        same(objective.banks[head], tensors[f"final.bank.{mode}"])


def seen_share(objective: SelfMMObjective, h: int, sign: str, zero_is_positive: bool) -> float:
    labels = (objective.truth if h == 0 else objective.labels[h - 1])[:, 0]
    members = labels < 0
    if sign == "pos":
        members = labels >= 0 if zero_is_positive else labels > 0
    return int((members & objective.seen[h]).sum()) / int(members.sum())


def random_output(clips: int, outputs: int, present: Tensor | None = None) -> FusionOutput:
    predictions, states = {}, {}
    for head, width in WIDTHS.items():
        predictions[head] = torch.randn(clips, outputs, dtype=torch.float64)
        states[f"feature.{head}"] = torch.randn(clips, width, dtype=torch.float64)
    return FusionOutput(predictions, states, present)


CLASS_TRUTH = {
    "binary": torch.tensor([[1.0], [0.0], [1.0], [0.0], [1.0], [0.0]]).double(),
    "single-label": torch.eye(3).repeat(2, 1).double(),
    "multi-label": torch.tensor(
        [[1, 0, 1], [0, 0, 0], [1, 1, 1], [0, 1, 0], [0, 0, 1], [1, 0, 0]]
    ).double(),
}


@pytest.mark.parametrize("kind", ["binary", "multi-label", "single-label"])
def test_labels_of_classes_equal_the_loop(kind):
    """Each class has a centre of the clips that show it and one of the clips that do not."""
    torch.manual_seed(0)
    truth = CLASS_TRUTH[kind]
    objective = make(kind, truth)
    rows = torch.arange(6)
    first, second = (random_output(6, truth.shape[1]) for _ in range(2))
    objective.after_backward(first, rows)
    objective.end_epoch(1)
    objective.after_backward(second, rows)
    for labels, modality in zip(objective.labels, MODALITIES, strict=True):
        for row in range(6):
            shares = []
            for k in range(truth.shape[1]):
                own = slow_alpha(first, second, modality, truth[:, k], row)
                joint = slow_alpha(first, second, "multimodal", truth[:, k], row)
                signed = 2 * float(truth[row, k]) - 1
                new = own / (joint + 1e-8) * signed / 2 + (signed + own - joint) / 2
                new = max(-1.0, min(1.0, new))
                shares.append((signed / 3 + new * 2 / 3 + 1) / 2)
            expected = torch.tensor(shares, dtype=torch.float64)
            if kind == "single-label":
                expected = expected / expected.sum()
            same(labels[row], expected)
    assert ((objective.labels >= 0) & (objective.labels <= 1)).all()


def slow_alpha(
    bank: FusionOutput, now: FusionOutput, head: str, classes: Tensor, row: int
) -> float:
    features = bank.states[f"feature.{head}"]
    feature = now.states[f"feature.{head}"][row].tolist()
    to_shown = math.dist(feature, features[classes > 0.5].mean(0).tolist())
    to_other = math.dist(feature, features[classes <= 0.5].mean(0).tolist())
    return (to_other - to_shown) / (to_shown + 1e-8)


def test_labels_stand_still_in_the_first_epoch_and_without_both_signs():
    truth = torch.tensor([[1.0], [2.0], [3.0]], dtype=torch.float64)  # no negative score
    objective = make("regression", truth)
    for epoch in (1, 2, 3):
        objective.after_backward(random_output(3, 1), torch.arange(3))
        objective.end_epoch(epoch)
    assert (objective.labels == truth).all()


def test_an_absent_modality_keeps_its_label_and_its_bank():
    truth = torch.tensor([[3.0], [-2.0], [1.5], [-1.0]], dtype=torch.float64)
    objective, rows = make("regression", truth), torch.arange(4)
    everything = torch.ones(4, 3, dtype=torch.bool)
    objective.after_backward(random_output(4, 1, everything), rows)
    objective.end_epoch(1)
    banks = objective.banks["audio"].clone()
    without = everything.clone()
    without[2, 1] = False
    output = random_output(4, 1, without)
    objective.after_backward(output, rows)
    assert objective.labels[1, 2] == 1.5 and objective.labels[0, 2] != 1.5
    same(objective.banks["audio"][2], banks[2])
    assert (objective.banks["audio"][3] != banks[3]).all()
    # Nor does a prediction of what is absent count.
    before = objective.loss(output, rows, truth)
    output.predictions["audio"][2] += 100
    after = objective.loss(output, rows, truth)
    for head in before:
        same(after[head], before[head])


def test_an_unlabelled_clip_gets_no_label_and_moves_no_centre():
    truth = torch.tensor([[1.0], [-2.0], [torch.nan], [2.0]], dtype=torch.float64)
    objective, rows = make("regression", truth), torch.arange(4)
    for epoch in (1, 2):
        output = random_output(4, 1)
        terms = objective.loss(output, rows, truth)
        assert all(term.isfinite() for term in terms.values())
        objective.after_backward(output, rows)
        objective.end_epoch(epoch)
    assert objective.labels[:, 2].isnan().all() and objective.labels[:, [0, 1, 3]].isfinite().all()
    positive, negative = objective.centres("text")
    assert positive.isfinite().all() and negative.isfinite().all()


def test_a_limit_of_zero_is_the_greatest_label_of_the_train_clips():
    scores = make("regression", torch.tensor([[0.5], [-0.8], [torch.nan]]))
    assert scores.limit.tolist() == pytest.approx([0.8])
    assert make("binary", torch.tensor([[1.0], [0.0]])).limit.tolist() == [1.0]


def test_resumes_with_the_same_bits_and_shows_its_labels():
    torch.manual_seed(0)
    truth = torch.randn(6, 1, dtype=torch.float64)
    one, rows = make("regression", truth), torch.arange(6)
    one.after_backward(random_output(6, 1), rows)
    one.end_epoch(1)
    one.after_backward(random_output(6, 1), rows)
    other = make("regression", truth)
    other.load_state_dict({name: tensor.clone() for name, tensor in one.state_dict().items()})
    output = random_output(4, 1)
    for objective in (one, other):
        objective.after_backward(output, rows[:4])
    assert torch.equal(one.labels, other.labels)
    shown = one.pseudo_labels()
    assert shown.shape == (4, 6, 1) and shown[0].isnan().all()
    assert torch.equal(shown[1:], one.labels)


def test_each_of_several_scores_moves_as_it_would_alone():
    torch.manual_seed(0)
    sizes = torch.tensor([3.0, 2.0, 50.0], dtype=torch.float64)
    neutral = torch.tensor([0.0, 3.0, 50.0], dtype=torch.float64)
    truth = neutral + sizes * (2 * torch.rand(12, 3, dtype=torch.float64) - 1)
    truth[[1, 6], 1] = torch.nan
    settings = SelfMMSettings(**SIZES)  # type: ignore[arg-type]
    config = TrainConfig("mosi")
    together = SelfMMObjective(settings, config, AFFECT, truth)
    alone = []
    for k, dimension in enumerate(AFFECT.dimensions):
        task = Task("regression", dimensions=(dimension,))
        alone.append(SelfMMObjective(settings, config, task, truth[:, k : k + 1]))

    for epoch in (1, 2, 3):
        for rows in (torch.arange(6), torch.arange(6, 12)):
            output = random_output(6, 3)
            for objective in (together, *alone):
                objective.after_backward(output, rows)
        for objective in (together, *alone):
            objective.end_epoch(epoch)
    for k, objective in enumerate(alone):
        torch.testing.assert_close(
            together.labels[..., k], objective.labels[..., 0], equal_nan=True
        )
        moved = objective.labels[..., 0] - truth[:, k]
        assert (moved.nan_to_num(0.0) != 0).any()


def test_the_weight_of_a_modality_is_taken_over_the_scores_that_a_clip_has():
    truth = torch.tensor([[1.0, torch.nan, 40.0], [-1.0, 2.0, 60.0]], dtype=torch.float64)
    settings, config = SelfMMSettings(**SIZES), TrainConfig("mosi")  # type: ignore[arg-type]
    objective = SelfMMObjective(settings, config, AFFECT, truth)
    objective.labels += torch.tensor([0.2, 0.4, 0.6], dtype=torch.float64)
    output = random_output(2, 3)
    terms = objective.loss(output, torch.arange(2), truth)
    expected = []
    for i, scores in enumerate(([0, 2], [0, 1, 2])):
        weight = torch.tensor([(0.2, 0.4, 0.6)[k] for k in scores]).double().mean().tanh()
        errors = []
        for k in scores:
            label = objective.labels[0, i, k]
            error = (output.predictions["text"][i, k] - label).abs()
            errors.append(AFFECT.loss_weights[k] * error)
        expected.append(weight * torch.stack(errors).mean())
    torch.testing.assert_close(terms["text"], torch.stack(expected).mean())
