"""The fit of the mixture: what gets weight, and what does not."""

import itertools

import pytest
import torch
from support.tasks import task_of
from torch import Tensor

from semanticmac.core import Kind
from semanticmac.model.head_mixture import HeadMixture, normalised
from semanticmac.train.losses import clip_losses
from semanticmac.train.mixture_fit import CAUTION, STEP, fit_mixture

EVERYTHING = torch.ones(150, 3).bool()
SCORE_TASK = task_of("regression")


def heads(truth: Tensor, errors: list[float], seed: int = 0) -> Tensor:
    """Outputs (N, 5, K): the truth with an independent error of this spread for each head."""
    generator = torch.Generator().manual_seed(seed)
    columns = []
    for error in errors:
        columns.append(truth + error * torch.randn(truth.shape, generator=generator))
    return torch.stack(columns, dim=1)


def regression_truth(seed: int = 1) -> Tensor:
    return torch.randn(150, 1, generator=torch.Generator().manual_seed(seed))


def test_worse_heads_get_almost_no_weight() -> None:
    truth = regression_truth()
    predictions = heads(truth, [2.0, 2.0, 0.5, 3.0, 3.0])
    weights, _, _ = fit_mixture(predictions, truth, EVERYTHING, SCORE_TASK)
    assert weights[2] >= 0.9


def test_copies_of_the_text_with_noise_get_no_weight_from_most_draws() -> None:
    """The multimodal head is the text head plus memorised noise: the case of a weak modality."""
    opened = 0
    for seed in range(20):
        text = regression_truth(seed)  # the mean of the label, given the text
        noise = heads(torch.zeros_like(text), [0.5, 0.5, 0.8, 1.0, 1.0], seed + 100)
        truth = text + noise[:, 2]
        columns = [text + noise[:, 0], text + noise[:, 1], text, noise[:, 3], noise[:, 4]]
        predictions = torch.stack(columns, dim=1)
        weights, _, _ = fit_mixture(predictions, truth, EVERYTHING, SCORE_TASK)
        opened += float(weights[2]) < 0.8
    assert opened <= 3


def test_a_much_better_multimodal_head_gets_nearly_all() -> None:
    truth = regression_truth()
    predictions = heads(truth, [0.1, 0.6, 0.8, 0.9, 0.9])
    weights, _, _ = fit_mixture(predictions, truth, EVERYTHING, SCORE_TASK)
    assert weights[0] >= 0.9


@pytest.mark.parametrize("kind", ["regression", "single-label", "multi-label", "binary"])
def test_no_point_of_a_grid_is_much_better(kind: Kind) -> None:
    """The fit against all mixtures of a coarse grid, by the penalised loss in its own words."""
    generator = torch.Generator().manual_seed(3)
    if kind == "regression":
        truth = regression_truth()
    elif kind == "single-label":
        truth = torch.eye(3)[torch.randint(0, 3, (150,), generator=generator)]
    else:
        truth = torch.randint(0, 2, (150, 1), generator=generator).float()
    predictions = heads(truth, [0.7, 0.9, 0.8, 0.9, 1.5])
    weights, _, scales = fit_mixture(predictions, truth, EVERYTHING, task_of(kind))
    assert weights.sum() == pytest.approx(1) and (weights >= 0).all()

    outputs = normalised(predictions, scales, kind)

    def losses(mix: Tensor) -> Tensor:
        return clip_losses((mix[:, None] * outputs).sum(1), truth, task_of(kind))

    lead = torch.tensor([0.0, 0, 1, 0, 0])
    errors = []
    for corner in torch.eye(5):
        slope = (losses(lead + STEP * (corner - lead)) - losses(lead)) / STEP
        errors.append(slope.std() / 150**0.5)

    def penalised(mix: Tensor) -> float:
        return float(losses(mix).mean() + CAUTION * (mix * torch.stack(errors)).sum())

    grid = []
    for shares in itertools.product(range(6), repeat=5):
        if sum(shares) == 5:
            grid.append(penalised(torch.tensor(shares) / 5))
    assert penalised(weights) <= min(grid) + 2e-3


def test_limits_leave_one_clip_of_twenty_beyond() -> None:
    truth = regression_truth()
    predictions = heads(truth, [0.1, 0.1, 0.8, 0.9, 0.9])
    _, limits, _ = fit_mixture(predictions, truth, EVERYTHING, SCORE_TASK)
    apart = (predictions[:, 2] - predictions[:, 3]).abs()[:, 0]
    assert float((apart > limits[0]).float().mean()) == pytest.approx(0.05, abs=0.01)


def test_unlabelled_clips_are_left_out_and_no_label_leaves_the_multimodal_head() -> None:
    truth = regression_truth()
    predictions = heads(truth, [0.1, 0.6, 0.8, 0.9, 0.9])
    weights, limits, _ = fit_mixture(predictions, truth, EVERYTHING, SCORE_TASK)
    more = torch.cat([truth, torch.full((5, 1), torch.nan)])
    padded = torch.cat([predictions, torch.full((5, 5, 1), 1e6)])
    same, same_limits, _ = fit_mixture(padded, more, torch.ones(155, 3).bool(), SCORE_TASK)
    assert torch.equal(weights, same) and torch.equal(limits, same_limits)

    nothing, infinite, scales = fit_mixture(
        predictions, torch.full_like(truth, torch.nan), EVERYTHING, SCORE_TASK
    )
    mixture = HeadMixture()
    mixture.set(nothing, infinite, scales, "regression")
    torch.testing.assert_close(mixture(predictions, EVERYTHING), predictions[:, 0])
