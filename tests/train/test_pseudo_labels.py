"""Pseudo labels equal a literal transcription of equations 13 to 15.

Also their bounds, their degenerate cases and an exact resume.
"""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.syncs import SyncCounter
from torch import Tensor

from semanticmac.train.pseudo_labels import (
    BLOCK_DISTANCES,
    PseudoLabelConfig,
    PseudoLabels,
    block_distances,
    factor_rounding,
    movement,
    neighbours,
)


def exactly(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9, equal_nan=True)


def neighbours_loop(bank: Tensor, k: int, valid: Tensor, i: int) -> list[tuple[float, int]]:
    """Eq. 13 for clip i: (D_ij, j), nearest first."""
    others = [j for j in range(len(bank)) if j != i and valid[j]]
    return sorted((math.dist(bank[i], bank[j]) / math.sqrt(bank.shape[1]), j) for j in others)[:k]


def movement_loop(bank: Tensor, truth: Tensor, valid: Tensor, k: int) -> Tensor:
    """Eq. 14, clip by clip and neighbour by neighbour."""
    delta = torch.zeros_like(truth)
    for i in range(len(bank)):
        near = neighbours_loop(bank, k, valid, i) if valid[i] else []
        for distance, j in near:
            delta[i] += math.exp(-(distance**2)) * (truth[j] - truth[i]) / len(near)
    return delta


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 45), st.integers(1, 12), st.integers(1, 50), st.integers(0, 999))
def test_neighbours_and_movement_equal_the_loop(clips: int, k: int, block: int, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    bank, truth = torch.randn(clips, 8, dtype=torch.float64, generator=draw).split([6, 2], dim=1)
    valid = torch.rand(clips, generator=draw) < 0.8
    truth[~valid] = torch.nan
    indices, distances = neighbours(bank, k, valid, block)
    for i in range(clips):
        if not valid[i]:
            assert (indices[i] == i).all() and distances[i].isinf().all()
            continue
        expected = neighbours_loop(bank, k, valid, i)
        assert indices[i].tolist() == [j for _, j in expected]
        exactly(distances[i], torch.tensor([d for d, _ in expected], dtype=torch.float64))
    delta = movement(bank, truth, valid, k)
    exactly(delta, movement_loop(bank, truth, valid, k))
    assert (delta[~valid] == 0).all()
    order = torch.randperm(clips, generator=draw)
    exactly(movement(bank[order], truth[order], valid[order], k), delta[order])


def test_neighbours_stay_exact_where_a_product_in_float32_does_not() -> None:
    """Two tight crowds far apart: their spread is below the rounding of ‖a‖² + ‖b‖² − 2ab."""
    torch.manual_seed(0)
    bank = torch.randn(120, 8) * 1e-4
    bank[:60] += 30.0
    bank[60:] -= 70.0
    indices, distances = neighbours(bank, 5, torch.ones(120).bool())
    wide = bank.double()
    exact = (wide[:, None] - wide[None]).norm(dim=2).fill_diagonal_(math.inf)
    nearest = exact.topk(5, largest=False)
    torch.testing.assert_close(distances.double() * math.sqrt(8), nearest.values, rtol=1e-5, atol=0)
    chosen = exact.gather(1, indices)
    torch.testing.assert_close(chosen, nearest.values, rtol=1e-5, atol=0)  # as near as the nearest


@pytest.mark.parametrize("precision", ["highest", "high", "medium"])
@pytest.mark.parametrize("block", [None, 100])
def test_neighbours_of_many_clips_are_those_of_all_distances(
    precision: str, block: int | None
) -> None:
    """More clips than groups of minima; neighbours are exact at every precision of torch."""
    torch.manual_seed(0)
    bank, valid = torch.randn(1500, 16) + 5, torch.rand(1500) < 0.9
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        indices, distances = neighbours(bank, 10, valid, block)
    finally:
        torch.set_float32_matmul_precision(before)
    exact = (
        torch.cdist(bank.double(), bank.double())
        .fill_diagonal_(math.inf)
        .masked_fill(~valid, math.inf)
    )
    nearest = exact.topk(10, largest=False)
    torch.testing.assert_close(
        distances[valid].double() * 4, nearest.values[valid], rtol=1e-5, atol=0
    )
    torch.testing.assert_close(
        exact.gather(1, indices)[valid], nearest.values[valid], rtol=1e-5, atol=0
    )


def record_all(labels: PseudoLabels, representations: Tensor, present: Tensor) -> None:
    """Two batches in some order, as an epoch does."""
    for rows in torch.randperm(len(representations)).chunk(2):
        labels.record(rows, representations[rows], present[rows])


@pytest.mark.parametrize("momentum", [True, False])
@pytest.mark.parametrize("start_epoch", [1, 2])
def test_update_transcribes_equation_15(momentum: bool, start_epoch: int) -> None:
    torch.manual_seed(0)
    truth = torch.randn(9, 2, dtype=torch.float64)
    truth[4] = torch.nan  # not labelled
    present = torch.rand(9, 3) < 0.7
    present[0] = False  # nothing at all
    config = PseudoLabelConfig(momentum=momentum, neighbours=3, start_epoch=start_epoch)
    labels, rows = PseudoLabels(truth, 4, config), torch.arange(9)
    previous = truth.expand(4, 9, 2)
    for n in range(2, 6):
        representations = torch.randn(9, 4, 4, dtype=torch.float64)
        record_all(labels, representations, present)
        labels.update(n)
        expected = []
        for s in range(4):
            has = present.any(1) if s == 0 else present[:, s - 1]
            delta = movement_loop(representations[:, s], truth, has & ~truth.isnan().any(1), 3)
            moved = truth + delta
            if n > start_epoch and momentum:
                moved = (n - 1) / (n + 1) * previous[s] + 2 / (n + 1) * moved
            expected.append(moved if n > start_epoch else truth)
        previous = torch.stack(expected)
        exactly(labels.targets(rows), torch.cat([truth[:, None], previous.transpose(0, 1)], dim=1))
        exactly(labels.targets(torch.tensor([7, 1]))[:, 0], truth[[7, 1]])
    exactly(
        labels.targets(torch.tensor([0]))[0], truth[[0]].expand(5, 2)
    )  # absent: it keeps the truth


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 20), st.integers(1, 30), st.booleans(), st.integers(0, 999))
def test_labels_stay_in_the_range_of_the_truth(
    clips: int, k: int, momentum: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    config = PseudoLabelConfig(momentum=momentum, neighbours=k)
    score, onehot = torch.rand(clips, 1) * 6 - 3, torch.eye(4)[torch.randint(4, (clips,))]
    multihot = torch.randint(2, (clips, 4)).float()
    for truth, low, high in ((score, -3.0, 3.0), (onehot, 0.0, 1.0), (multihot, 0.0, 1.0)):
        labels = PseudoLabels(truth, 3, config)
        for n in range(2, 6):
            record_all(
                labels, torch.randn(clips, 4, 3) * 10.0 ** -(n - 3), torch.rand(clips, 3) < 0.8
            )
            labels.update(n)
            targets = labels.targets(torch.arange(clips))
            assert targets.min() >= low - 1e-6 and targets.max() <= high + 1e-6
            if truth is onehot:
                torch.testing.assert_close(targets.sum(-1), torch.ones(clips, 5))


def test_degenerate_banks_are_defined() -> None:
    truth = torch.tensor([[1.0], [2.0], [3.0]], dtype=torch.float64)
    alike, everyone = torch.ones(3, 2, dtype=torch.float64), torch.ones(3).bool()
    exactly(
        movement(alike, truth, everyone, 99), torch.tensor([[1.5], [0.0], [-1.5]]).double()
    )  # exp(0) = 1
    assert (movement(alike[:1], truth[:1], everyone[:1], 10) == 0).all()  # one clip
    assert (movement(alike, truth, torch.tensor([False, True, False]), 10) == 0).all()
    assert (movement(alike, truth, ~everyone, 10) == 0).all()
    assert (
        movement(torch.randn(3, 2).double(), truth * 0 + 2, everyone, 2) == 0
    ).all()  # equal labels
    assert (
        movement(alike * torch.tensor([[0.0], [1e4], [2e4]]), truth, everyone, 2) == 0
    ).all()  # far away
    assert (
        movement(torch.ones(3000, 2), torch.arange(3000.0)[:, None], torch.ones(3000).bool(), 10)
        .isfinite()
        .all()
    )


def test_before_anything_is_recorded_nothing_moves() -> None:
    truth = torch.randn(5, 1)
    labels = PseudoLabels(truth, 3, PseudoLabelConfig(momentum=False))
    labels.update(2)
    exactly(labels.targets(torch.arange(5)), truth[:, None].expand(5, 5, 1))


def test_switched_off_every_sub_task_learns_the_truth() -> None:
    truth = torch.randn(5, 1)
    labels = PseudoLabels(truth, 3, PseudoLabelConfig(enabled=False))
    record_all(labels, torch.randn(5, 4, 3), torch.ones(5, 3).bool())
    labels.update(2)
    exactly(labels.targets(torch.arange(5)), truth[:, None].expand(5, 5, 1))


def test_record_takes_the_model_s_output_without_its_graph() -> None:
    labels = PseudoLabels(torch.randn(5, 1), 3)
    representations = torch.randn(1, 4, 3, dtype=torch.bfloat16, requires_grad=True)
    labels.record(torch.tensor([1]), representations, torch.ones(1, 3).bool())
    assert labels.banks.dtype == torch.float32 and not labels.banks.requires_grad


def run_epochs(labels: PseudoLabels, numbers: range) -> Tensor:
    for n in numbers:
        torch.manual_seed(n)
        record_all(labels, torch.randn(8, 4, 3), torch.rand(8, 3) < 0.8)
        labels.update(n)
    return labels.targets(torch.arange(8))


def test_resuming_goes_on_to_the_bit() -> None:
    truth = torch.randn(8, 2)
    whole = PseudoLabels(truth, 3)
    run_epochs(whole, range(2, 4))
    state = whole.state_dict()
    expected = run_epochs(whole, range(4, 6))
    resumed = PseudoLabels(truth, 3)
    resumed.load_state_dict(state)
    assert resumed.epoch == 3
    assert torch.equal(run_epochs(resumed, range(4, 6)), expected)


def test_what_does_not_fit_is_refused() -> None:
    labels = PseudoLabels(torch.randn(8, 2), 3)
    with pytest.raises(
        ValueError,
        match=r"saved labels are \(4, 9, 2\), this train split and model need \(4, 8, 2\)",
    ):
        labels.load_state_dict(PseudoLabels(torch.randn(9, 2), 3).state_dict())
    with pytest.raises(ValueError, match="epoch 1 are followed by those of 2, not of 3"):
        labels.update(3)
    bad: list[tuple[dict[str, Any], str]] = [
        ({"neighbours": 0}, "neighbours=0"),
        ({"start_epoch": 0}, "start_epoch=0"),
    ]
    for settings_, message in bad:
        with pytest.raises(ValueError, match=message):
            PseudoLabelConfig(**settings_)


def test_several_scores_with_gaps_move_as_the_loop_says() -> None:
    random = torch.Generator().manual_seed(0)
    bank = torch.randn(20, 4, generator=random, dtype=torch.float64)
    truth = torch.rand(20, 3, generator=random, dtype=torch.float64)
    truth[torch.rand(20, 3, generator=random) < 0.3] = math.nan
    truth[5] = math.nan
    valid = ~truth.isnan().all(1)

    moved = movement(bank, truth, valid, 4)
    for i in range(20):
        if not valid[i]:
            assert (moved[i] == 0).all()
            continue
        near = neighbours_loop(bank, 4, valid, i)
        for k in range(3):
            terms = []
            for distance, j in near:
                difference = float(truth[j, k] - truth[i, k])
                if not math.isnan(difference):
                    terms.append(math.exp(-(distance**2)) * difference)
            expected = sum(terms) / len(terms) if terms else 0.0
            assert moved[i, k].item() == pytest.approx(expected, abs=1e-9)


def test_labels_of_several_scores_stay_in_their_ranges_and_gaps_stay_gaps() -> None:
    random = torch.Generator().manual_seed(1)
    low, high = torch.tensor([-3.0, 1.0, 0.0]), torch.tensor([3.0, 5.0, 100.0])
    truth = low + (high - low) * torch.rand(30, 3, generator=random)
    truth[::4, 1] = math.nan
    labels = PseudoLabels(truth, 4)
    for epoch in range(2, 6):
        representations = torch.randn(30, 4, 4, generator=random)
        labels.record(torch.arange(30), representations, torch.ones(30, 3).bool())
        labels.update(epoch)
    assert torch.equal(labels.labels.isnan(), truth.isnan().expand(4, 30, 3))
    known = labels.labels.nan_to_num(2.0)
    assert (known >= low).all() and (known <= high).all()
    assert (labels.labels[0] != truth)[~truth.isnan()].any()


@pytest.mark.parametrize("spread", [1.0, 1e-6])
def test_a_device_is_waited_for_outside_the_loop_over_blocks(spread: float) -> None:
    """With a small spread around a far point every clip is compared once more, after the loop."""
    bank = 100.0 * (spread < 1) + spread * torch.randn(200, 8)
    valid = torch.ones(200, dtype=torch.bool)
    counts = []
    for block in (10, 200):
        with SyncCounter() as syncs:
            neighbours(bank, 3, valid, block)
        counts.append(sum(syncs.counts.values()))
    assert counts[0] == counts[1] <= 3


def test_blocks_follow_the_free_memory_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    class Bank:
        def __init__(self, device: str) -> None:
            self.device = torch.device(device)

        def element_size(self) -> int:
            return 4

    free = 64 << 30
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 80 << 30))
    assert block_distances(Bank("cpu")) == BLOCK_DISTANCES  # type: ignore[arg-type]
    assert block_distances(Bank("cuda")) == 1 << 30  # type: ignore[arg-type]
    free = 1 << 20
    assert block_distances(Bank("cuda")) == BLOCK_DISTANCES  # type: ignore[arg-type]


def test_every_setting_that_rounds_factors_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NVIDIA_TF32_OVERRIDE", raising=False)
    assert factor_rounding() == 0.0
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")
    assert factor_rounding() == 2.0**-10
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    assert factor_rounding() == 0.0
    products = torch.backends.cuda.matmul
    if not hasattr(products, "fp32_precision"):
        pytest.skip("this torch has only the older setting")
    before = products.fp32_precision
    try:
        products.fp32_precision = "tf32"  # The older setting refuses to answer then.
        assert factor_rounding() == 2.0**-10
    finally:
        products.fp32_precision = before
        torch.set_float32_matmul_precision("highest")
