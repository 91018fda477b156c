"""Every loss against a loop in float64 or torch's own, and what must never change it."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tasks import AFFECT, task_of
from torch import Tensor

from semanticmac.core import Kind
from semanticmac.train.losses import (
    ccc_losses,
    inter_sample_loss,
    intra_sample_loss,
    same_class,
    task_loss,
)

KINDS: tuple[Kind, ...] = ("regression", "single-label", "multi-label", "binary")


def exactly(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)


def soft_targets(kind: Kind, *shape: int) -> Tensor:
    values = torch.rand(*shape, dtype=torch.float64)
    return values / values.sum(-1, keepdim=True) if kind == "single-label" else values


def torch_loss(predictions: Tensor, targets: Tensor, kind: Kind, regression: str) -> Tensor:
    """torch's own loss of the clips that count, (n, K)."""
    if kind == "single-label":
        return F.cross_entropy(predictions, targets)
    if kind == "regression":
        return (
            F.l1_loss(predictions, targets)
            if regression == "l1"
            else F.mse_loss(predictions, targets)
        )
    return F.binary_cross_entropy(predictions.sigmoid(), targets)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("regression", ["l1", "mse"])
def test_task_loss_equals_torch_on_the_clips_that_count(kind: Kind, regression: str) -> None:
    torch.manual_seed(0)
    width = 1 if kind in ("regression", "binary") else 4
    predictions = torch.randn(6, 5, width, dtype=torch.float64, requires_grad=True)
    targets, weight = soft_targets(kind, 6, 5, width), torch.rand(6, 5) < 0.7
    targets[2], weight[:, 4] = torch.nan, False  # clip 2 is not labelled, sub-task 4 has no clip
    losses = task_loss(predictions, targets, weight, task_of(kind, 4), regression)  # type: ignore[arg-type]
    for s in range(4):
        counted = weight[:, s] & (torch.arange(6) != 2)
        exactly(
            losses[s], torch_loss(predictions[counted, s], targets[counted, s], kind, regression)
        )
    assert losses[4] == 0
    losses.sum().backward()
    assert predictions.grad is not None and predictions.grad.isfinite().all()
    assert (predictions.grad[2] == 0).all() and (predictions.grad[:, 4] == 0).all()


def intra_sample_loop(
    specific: Tensor, shared: Tensor, present: Tensor, temperature: float
) -> Tensor:
    """Eq. 16-17, pair by pair."""
    losses = []
    for s, h, has in zip(specific, shared, present, strict=True):
        s, h = [v / v.norm() for v in s], [v / v.norm() for v in h]
        here = [m for m in range(3) if has[m]]
        positive = sum(math.exp(h[u] @ h[v] / temperature) for u in here for v in here if u != v)
        negative = sum(math.exp(s[u] @ s[v] / temperature) for u in here for v in here if u != v)
        negative += sum(math.exp(s[m] @ h[m] / temperature) for m in here)
        if positive:
            losses.append(-math.log(positive / (positive + negative)))
    return torch.tensor(sum(losses) / max(len(losses), 1), dtype=torch.float64)


def inter_sample_loop(fused: Tensor, positives: Tensor, temperature: float) -> Tensor:
    """Eq. 18, anchor by anchor."""
    z = [v / v.norm() for v in fused]
    losses = []
    for i in range(len(z)):
        own = [p for p in range(len(z)) if p != i and positives[i, p]]
        everyone = sum(math.exp(z[i] @ z[a] / temperature) for a in range(len(z)) if a != i)
        if own:
            losses.append(
                -sum(math.log(math.exp(z[i] @ z[p] / temperature) / everyone) for p in own)
                / len(own)
            )
    return torch.tensor(sum(losses) / max(len(losses), 1), dtype=torch.float64)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(min_value=1, max_value=6),
    st.integers(min_value=0, max_value=999),
    st.sampled_from([0.1, 0.5, 1.0]),
)
def test_contrastive_losses_equal_the_loops_in_any_order(
    clips: int, seed: int, temperature: float
) -> None:
    draw = torch.Generator().manual_seed(seed)
    specific, shared = torch.randn(2, clips, 3, 5, dtype=torch.float64, generator=draw)
    present, order = (
        torch.rand(clips, 3, generator=draw) < 0.7,
        torch.randperm(clips, generator=draw),
    )
    intra = intra_sample_loss(specific, shared, present, temperature)
    exactly(intra, intra_sample_loop(specific, shared, present, temperature))
    exactly(intra_sample_loss(specific[order], shared[order], present[order], temperature), intra)
    absent = ~present[..., None]  # whatever stands for an absent modality
    garbage = specific.masked_fill(absent, 7e9), shared.masked_fill(absent, 0)
    exactly(intra_sample_loss(*garbage, present, temperature), intra)

    z, positives = specific[:, 0], torch.rand(clips, clips, generator=draw) < 0.4
    everyone = torch.ones(clips).bool()
    inter = inter_sample_loss(z, positives, everyone, temperature)
    exactly(inter, inter_sample_loop(z, positives, temperature))
    exactly(inter_sample_loss(z[order], positives[order][:, order], everyone, temperature), inter)
    some = present.any(1)  # a clip without any modality is not there
    exactly(
        inter_sample_loss(z, positives, some, temperature),
        inter_sample_loss(z[some], positives[some][:, some], everyone[some], temperature),
    )


def test_contrastive_losses_fall_as_the_figure_wants() -> None:
    axes = torch.eye(6)
    together = axes[3].expand(1, 3, 6)
    apart = intra_sample_loss(axes[None, :3], together, torch.ones(1, 3).bool(), 0.1)
    mixed = intra_sample_loss(together, axes[None, :3], torch.ones(1, 3).bool(), 0.1)
    assert apart < 0.01 < 1 < mixed
    classes = torch.tensor([[1, 0], [1, 0], [0, 1], [0, 1]]).bool()
    positives = (classes.float() @ classes.float().T).bool()
    apart, mixed = (
        inter_sample_loss(axes[rows], positives, torch.ones(4).bool(), 0.1)
        for rows in ([0, 0, 1, 1], [0, 1, 0, 1])
    )
    assert apart < 0.01 < 1 < mixed


@pytest.mark.parametrize("clips", [1, 3])
def test_nothing_to_compare_is_zero_with_a_zero_gradient(clips: int) -> None:
    specific, shared = torch.zeros(2, clips, 3, 4).requires_grad_(True).unbind(0)
    for present in (torch.zeros(clips, 3).bool(), torch.eye(3)[:1].expand(clips, 3).bool()):
        loss = intra_sample_loss(specific, shared, present, 0.1)
        assert loss == 0
        assert all(
            (g == 0).all() for g in torch.autograd.grad(loss, [specific, shared], retain_graph=True)
        )
    z = torch.randn(clips, 4, requires_grad=True)
    loss = inter_sample_loss(
        z, torch.eye(clips).bool(), torch.ones(clips).bool(), 0.1
    )  # nobody but itself
    assert loss == 0
    assert (torch.autograd.grad(loss, z)[0] == 0).all()


def test_equal_and_zero_representations_have_finite_losses_and_gradients() -> None:
    for values in (torch.ones(4, 3, 5), torch.zeros(4, 3, 5)):
        x = values.requires_grad_(True)
        loss = intra_sample_loss(x, x, torch.ones(4, 3).bool(), 0.1)
        loss = loss + inter_sample_loss(x[:, 0], torch.ones(4, 4).bool(), torch.ones(4).bool(), 0.1)
        # 6 pairs attract; 6 + 3 stay apart; the other 3 clips are alike
        torch.testing.assert_close(
            loss, torch.tensor(math.log(15 / 6) + math.log(3)) if values.any() else loss
        )
        assert loss.isfinite()
        assert torch.autograd.grad(loss, x)[0].isfinite().all()


def test_losses_keep_float32_inside_autocast() -> None:
    specific, shared = torch.randn(2, 8, 3, 16)
    present, inter = (
        torch.ones(8, 3).bool(),
        (specific[:, 0], torch.rand(8, 8) < 0.5, torch.ones(8).bool(), 0.1),
    )
    expected = intra_sample_loss(specific, shared, present, 0.1), inter_sample_loss(*inter)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = intra_sample_loss(specific, shared, present, 0.1), inter_sample_loss(*inter)
        half = task_loss(
            torch.randn(2, 5, 1).bfloat16(),
            torch.rand(2, 5, 1),
            torch.ones(2, 5).bool(),
            task_of("binary"),
        )
    torch.testing.assert_close(actual, expected, rtol=0, atol=0)
    assert half.dtype == torch.float32


@pytest.mark.parametrize(
    ("kind", "targets", "positive_pairs"),
    [
        ("regression", [[-2.0], [-0.1], [0.0], [3.0], [0.0]], {(0, 1), (2, 4)}),
        ("binary", [[0.0], [1.0], [1.0]], {(1, 2)}),
        ("single-label", [[1.0, 0, 0], [0, 0, 1.0], [1.0, 0, 0]], {(0, 2)}),
        (
            "multi-label",
            [[1.0, 1, 0], [0, 1.0, 1], [0, 0, 0], [0, 0, 1], [0, 0, 0]],
            {(0, 1), (1, 3)},
        ),
        ("regression", [[1.0], [math.nan], [2.0], [math.nan]], {(0, 2)}),
    ],
)
def test_same_class(
    kind: Kind, targets: list[list[float]], positive_pairs: set[tuple[int, int]]
) -> None:
    same = same_class(torch.tensor(targets), task_of(kind))
    assert torch.equal(same, same.T)
    assert {(i, j) for i, j in same.nonzero().tolist() if i < j} == positive_pairs


def ccc_loop(predictions: Tensor, targets: Tensor, counted: Tensor, weights: Tensor) -> Tensor:
    """1 − CCC of each score by sums over clips, averaged over the scores that have one."""
    losses = []
    for k in range(targets.shape[1]):
        rows = [i for i in range(len(targets)) if counted[i, k]]
        values = {round(float(targets[i, k]), 9) for i in rows}
        if len(values) < 2:
            continue
        total = sum(float(weights[i]) for i in rows)
        mean_y = sum(weights[i] * targets[i, k] for i in rows) / total
        mean_p = sum(weights[i] * predictions[i, k] for i in rows) / total
        covariance = variance = 0.0
        for i in rows:
            y, p = targets[i, k] - mean_y, predictions[i, k] - mean_p
            covariance = covariance + weights[i] * y * p / total
            variance = variance + weights[i] * (y * y + p * p) / total
        losses.append(1 - 2 * covariance / (variance + (mean_y - mean_p) ** 2))
    return torch.stack(losses).mean() if losses else torch.zeros((), dtype=targets.dtype)


def draw_scores(seed: int, clips: int = 9) -> tuple[Tensor, Tensor]:
    """Predictions and targets (clips, 5, 3) of the scores of AFFECT; a target in four is NaN."""
    random = torch.Generator().manual_seed(seed)
    centres, sizes = torch.tensor([0.0, 3.0, 50.0]), torch.tensor([3.0, 2.0, 50.0])
    shape = (clips, 5, 3)
    targets = centres + sizes * (2 * torch.rand(shape, generator=random) - 1)
    predictions = targets + sizes * torch.randn(shape, generator=random) / 2
    targets[torch.rand(shape, generator=random) < 0.25] = torch.nan
    return predictions.double(), targets.double()


@pytest.mark.parametrize("seed", range(5))
def test_ccc_loss_equals_the_loop(seed: int) -> None:
    predictions, targets = draw_scores(seed)
    weight = torch.rand(9, 5, generator=torch.Generator().manual_seed(seed)) < 0.8
    losses = task_loss(predictions, targets, weight, AFFECT, "ccc")
    ones = torch.ones(9, dtype=torch.float64)
    for s in range(5):
        counted = weight[:, s, None] & ~targets[:, s].isnan()
        expected = ccc_loop(predictions[:, s], targets[:, s], counted, ones)
        torch.testing.assert_close(losses[s], expected, rtol=1e-9, atol=1e-9)


def test_weights_of_clips_are_those_of_the_loop_and_repeat_clips() -> None:
    predictions, targets = draw_scores(0)
    counted, weights = ~targets[:, 0].isnan(), torch.tensor([1.0, 2, 0, 1, 3, 1, 1, 2, 1]).double()
    found = ccc_losses(predictions[:, :1], targets[:, :1], counted[:, None], weights[:, None])
    expected = ccc_loop(predictions[:, 0], targets[:, 0], counted, weights)
    torch.testing.assert_close(found[0], expected, rtol=1e-9, atol=1e-9)


def test_ccc_loss_has_the_right_gradient() -> None:
    predictions, targets = draw_scores(1)
    predictions = predictions[:, :1].requires_grad_()
    counted = ~targets[:, :1].isnan()
    torch.autograd.gradcheck(lambda p: ccc_losses(p, targets[:, :1], counted), (predictions,))


@pytest.mark.parametrize(
    "targets",
    [
        torch.tensor([[0.1, 2.0, 40.0]]),  # one clip
        torch.tensor([[0.1, 2.0, 40.0]]).repeat(4, 1),  # constant targets
        torch.full((3, 3), torch.nan),
        torch.tensor([[0.1, torch.nan, torch.nan], [torch.nan, 1.0, torch.nan]]),
    ],
)
def test_without_two_different_targets_the_ccc_loss_and_its_gradient_are_0(targets: Tensor) -> None:
    predictions = torch.randn(len(targets), 1, 3, requires_grad=True)
    weight = torch.ones(len(targets), 1, dtype=torch.bool)
    loss = task_loss(predictions, targets[:, None], weight, AFFECT, "ccc")
    assert loss.tolist() == [0.0]
    loss.sum().backward()
    assert predictions.grad is not None and predictions.grad.abs().sum() == 0


def test_equal_predictions_and_targets_have_a_ccc_loss_of_0_and_a_finite_gradient() -> None:
    targets = draw_scores(2)[1][:, :1].nan_to_num(1.0).float()
    predictions = targets.clone().requires_grad_()
    weight = torch.ones(len(targets), 1, dtype=torch.bool)
    loss = task_loss(predictions, targets, weight, AFFECT, "ccc")
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
    loss.sum().backward()
    assert predictions.grad is not None and predictions.grad.isfinite().all()


def test_the_ccc_loss_falls_to_0_by_its_gradient() -> None:
    targets = draw_scores(3)[1][:, :1].nan_to_num(1.0)
    predictions = torch.randn(targets.shape, dtype=torch.float64, requires_grad=True)
    weight = torch.ones(len(targets), 1, dtype=torch.bool)
    optimizer = torch.optim.Adam([predictions], lr=1.0)
    for _ in range(600):
        optimizer.zero_grad()
        loss = task_loss(predictions, targets, weight, AFFECT, "ccc").sum()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.02


@pytest.mark.parametrize("regression", ["l1", "mse"])
def test_a_clip_is_trained_on_the_scores_that_it_has(regression: str) -> None:
    predictions, targets = draw_scores(4)
    losses = task_loss(predictions, targets, torch.ones(9, 5).bool(), AFFECT, regression)  # type: ignore[arg-type]
    for s in range(5):
        clips = []
        for i in range(9):
            errors = []
            for k in range(3):
                error = abs(float(predictions[i, s, k] - targets[i, s, k]))
                if not math.isnan(error):
                    size = error if regression == "l1" else error**2
                    errors.append(AFFECT.loss_weights[k] * size)
            if errors:
                clips.append(sum(errors) / len(errors))
        assert losses[s].item() == pytest.approx(sum(clips) / len(clips), rel=1e-9)


def test_a_missing_score_gives_no_gradient() -> None:
    predictions, targets = draw_scores(4)
    predictions.requires_grad_()
    for regression in ("l1", "mse", "ccc"):
        predictions.grad = None
        losses = task_loss(predictions, targets, torch.ones(9, 5).bool(), AFFECT, regression)  # type: ignore[arg-type]
        losses.sum().backward()
        assert predictions.grad is not None and predictions.grad.isfinite().all()
        assert (predictions.grad[targets.isnan()] == 0).all()
        assert (predictions.grad[~targets.isnan()] != 0).any()


def test_clips_are_positives_if_every_score_that_both_have_is_on_the_same_side() -> None:
    nan = math.nan
    targets = torch.tensor(
        [
            [1.0, 4.0, 60.0],
            [2.0, 3.5, nan],
            [2.0, 2.0, 60.0],
            [nan, nan, 10.0],
            [nan, nan, nan],
            [0.0, 3.0, 50.0],
            [nan, 3.0, nan],
        ]
    )
    same = same_class(targets, AFFECT)
    pairs = {(i, j) for i, j in same.nonzero().tolist() if i < j}
    assert pairs == {(0, 1), (5, 6)}
