"""MMIM's losses: the official numbers, their loops, groups of classes, memory."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from support.fusions import make_features, make_fusion, small_settings
from support.golden import golden, same
from support.tasks import AFFECT, task_of
from torch import Tensor

from semanticmac.core import Kind
from semanticmac.train.config import TrainConfig
from semanticmac.train.objectives.mmim import (
    RIDGE,
    MMIMObjective,
    contrastive_prediction,
    entropy_groups,
    gaussian_bound,
    group_entropy,
)

ALL = torch.ones(4, dtype=torch.bool)


def official_pairs() -> Iterator[tuple[dict[str, Tensor], str]]:
    for name, pairs in (("mmim", ("tv", "ta")), ("mmim_va", ("tv", "ta", "va"))):
        tensors = golden(name)
        for pair in pairs:
            yield tensors, pair


def test_the_bound_is_the_official_one_and_the_log_variance_that_it_lacks():
    """Without −½·log σ² a greater variance always pays, so the official nets run away."""
    for tensors, pair in official_pairs():
        log_variance = tensors[f"output.logvar_{pair}"]
        mean, y = tensors[f"output.mu_{pair}"], tensors[f"output.Feature_{pair[1]}"]
        bound = gaussian_bound(mean, log_variance, y, ALL)
        lacking = log_variance.sum(1).mean() / 2
        same(bound + lacking, tensors[f"output.lld_{pair}"])
        assert lacking.abs() > 0.01
        greater = gaussian_bound(mean, log_variance + 50, y, ALL)
        assert greater < bound


def test_the_entropy_is_the_official_one_up_to_the_ridge():
    for tensors, pair in official_pairs():
        parts, groups = [], []
        for g, sign in enumerate(("pos", "neg")):
            for source in ("mem", "sample"):
                part = tensors[f"output.{source}.{pair}.{sign}"]
                parts.append(part)
                groups += [g] * len(part)
        members = torch.stack([torch.tensor(groups) == g for g in (0, 1)])
        projections = torch.cat(parts)
        official = tensors[f"output.H_{pair}"]
        same(group_entropy(projections, members, ridge=0.0), official)
        assert 0 < group_entropy(projections, members) - official < 1e-3


def test_the_contrastive_prediction_equals_the_loop():
    torch.manual_seed(0)
    vectors, predicted = torch.randn(2, 5, 3, dtype=torch.float64)
    counted = torch.tensor([1, 0, 1, 1, 0]).bool()
    rows = [i for i in range(5) if counted[i]]
    losses = []
    for i in rows:
        scores = [cosine(vectors[i], predicted[j]) for j in rows]
        losses.append(math.log(sum(map(math.exp, scores))) - cosine(vectors[i], predicted[i]))
    expected = torch.tensor(sum(losses) / len(losses), dtype=torch.float64)
    same(contrastive_prediction(vectors, predicted, counted), expected)


def cosine(x: Tensor, y: Tensor) -> float:
    return float(x @ y / (x.norm() * y.norm()))


def test_the_bound_equals_the_density_of_torch():
    torch.manual_seed(0)
    mean, log_variance, y = torch.randn(3, 5, 3, dtype=torch.float64)
    counted = torch.tensor([1, 0, 1, 1, 0]).bool()
    density = torch.distributions.Normal(mean, (log_variance / 2).exp()).log_prob(y)
    constant = 3 * math.log(2 * math.pi) / 2
    expected = density.sum(1)[counted].mean() + constant
    same(gaussian_bound(mean, log_variance, y, counted), expected)


@pytest.mark.parametrize(
    ("kind", "targets", "groups"),
    [
        ("regression", [[1.5], [-2.0], [0.0], [torch.nan]], [[1, 0, 0, 0], [0, 1, 0, 0]]),
        ("binary", [[1.0], [0.0], [1.0], [torch.nan]], [[1, 0, 1, 0], [0, 1, 0, 0]]),
        ("single-label", [[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]], [[1, 0, 0], [0, 1, 1]]),
        ("multi-label", [[1.0, 1.0], [0.0, 1.0], [0.0, 0.0]], [[1, 0, 0], [1, 1, 0]]),
    ],
)
def test_the_groups_of_each_kind_of_task(kind, targets, groups):
    assert entropy_groups(torch.tensor(targets), task_of(kind, 2)).int().tolist() == groups


def test_the_entropy_is_the_mean_over_groups_with_enough_clips():
    torch.manual_seed(0)
    projections = torch.rand(9, 2, dtype=torch.float64)
    groups = torch.zeros(3, 9, dtype=torch.bool)
    groups[0, :4], groups[1, 4:7], groups[2, 7:] = True, True, True  # 4, 3 and 2 clips
    expected = []
    for rows in (slice(0, 4), slice(4, 7)):
        covariance = torch.cov(projections[rows].T, correction=0) + RIDGE * torch.eye(2)
        expected.append(float(covariance.logdet()) / 2)
    same(group_entropy(projections, groups), torch.tensor(sum(expected) / 2, dtype=torch.float64))
    assert group_entropy(projections, groups[2:]) == 0


def run(kind: Kind, outputs: int, batches: int) -> tuple[MMIMObjective, list[dict[str, Tensor]]]:
    torch.manual_seed(0)
    fusion = make_fusion("mmim", outputs)
    truth = torch.randn(12, outputs, dtype=torch.float64)
    if kind != "regression":
        truth = (truth > 0).double()
    objective = MMIMObjective(small_settings("mmim"), TrainConfig("mosi"), task_of(kind), truth)
    terms = []
    for _ in range(batches):
        output = fusion(make_features([3] * 12, [4] * 12, [5] * 12))
        terms.append(objective.loss(output, torch.arange(12), truth))
        objective.after_backward(output, torch.arange(12))
    return objective, terms


def test_the_entropy_starts_with_the_second_batch_of_an_epoch():
    objective, (first, second) = run("regression", 1, 2)
    assert first["entropy"] == 0 and second["entropy"] != 0
    assert first["bound"] == first["fit"]
    expected = second["task"] + 0.1 * second["nce"]
    expected = expected - 0.1 * (second["bound"] + second["entropy"]) - second["fit"]
    same(second["total"], expected)
    objective.end_epoch(1)
    assert objective.state_dict() == {}


def test_resumes_with_the_same_bits():
    objective, _ = run("multi-label", 3, 1)
    state = objective.state_dict()
    assert state and all(isinstance(tensor, Tensor) for tensor in state.values())
    other, _ = run("multi-label", 3, 0)
    other.load_state_dict(state)
    output = make_fusion("mmim", 3)(make_features([3] * 12, [4] * 12, [5] * 12))
    truth, rows = torch.ones(12, 3, dtype=torch.float64), torch.arange(12)
    losses = [each.loss(output, rows, truth) for each in (objective, other)]
    for term in losses[0]:
        assert torch.equal(losses[0][term], losses[1][term])


def test_each_of_several_scores_has_two_groups_around_its_neutral_point():
    nan = torch.nan
    targets = torch.tensor([[1.0, 2.0, 50.0], [-1.0, nan, 70.0], [nan, nan, nan], [0.0, 5.0, 0.0]])
    groups = entropy_groups(targets, AFFECT)
    assert groups.int().tolist() == [
        [1, 0, 0, 0],
        [0, 0, 0, 1],
        [0, 1, 0, 0],
        [0, 1, 0, 0],
        [1, 0, 0, 0],
        [0, 0, 0, 1],
    ]
