"""The mixture of the heads against a loop over clips, and its limits."""

import math

import pytest
import torch
from torch import Tensor, nn

from semanticmac.core import Kind
from semanticmac.model.head_mixture import KINDS, PAIRS, HeadMixture
from semanticmac.model.language.base import load_kept_tensors

WEIGHTS = torch.tensor([0.5, 0.1, 0.2, 0.2, 0.0])
LIMITS = torch.tensor([0.4, 0.3, 0.2])
SCALES = torch.tensor([0.5, 1.0, 0.8, 1.2, 1.0])


def fitted(kind: Kind) -> HeadMixture:
    mixture = HeadMixture()
    mixture.set(WEIGHTS, LIMITS, SCALES, kind)
    return mixture


def slow(predictions: Tensor, present: Tensor, kind: Kind) -> Tensor:
    """ŷ of one clip: predictions (5, K), present (3,)."""
    heads = predictions * SCALES[:, None]
    if kind == "single-label":
        heads = heads - heads.exp().sum(-1, keepdim=True).log()
    lead = heads[2] if present[0] else heads[0]
    has_head = [bool(present.any())] * 2 + present.tolist()
    moved = torch.zeros_like(lead)
    for head in range(5):
        if has_head[head]:
            moved = moved + WEIGHTS[head] * (heads[head] - lead)
    trust = 1.0
    for (first, second), limit in zip(PAIRS, LIMITS.tolist(), strict=True):
        if not (present[first] and present[second]):
            continue
        a, b = heads[2 + first], heads[2 + second]
        if kind == "regression":
            apart = float((a - b).abs())
        elif kind == "single-label":
            apart = sum(abs(math.exp(x) - math.exp(y)) for x, y in zip(a, b, strict=True)) / 2
        else:
            apart = float((torch.sigmoid(a) - torch.sigmoid(b)).abs().mean())
        if apart > limit:
            trust = min(trust, (limit / apart) ** 2)
    return lead + trust * moved


@pytest.mark.parametrize("kind", KINDS)
def test_the_mixture_equals_a_loop_over_clips(kind: Kind) -> None:
    torch.manual_seed(0)
    width = 1 if kind in ("regression", "binary") else 3
    predictions = torch.randn(16, 5, width)
    present = torch.rand(16, 3) > 0.3
    mixed = fitted(kind)(predictions, present)
    for clip in range(16):
        torch.testing.assert_close(mixed[clip], slow(predictions[clip], present[clip], kind))


def test_before_it_is_fitted_it_is_the_multimodal_head() -> None:
    predictions = torch.randn(4, 5, 3)
    mixture = fitted("multi-label")
    mixture.reset()
    assert torch.equal(mixture(predictions, torch.ones(4, 3).bool()), predictions[:, 0])


def test_disagreement_leads_back_to_the_text() -> None:
    predictions = torch.tensor([[[2.0], [2.0], [1.0], [2.0], [2.0]]])
    present = torch.ones(1, 3).bool()
    mixture = HeadMixture()
    mixture.set(
        torch.tensor([1.0, 0, 0, 0, 0]), torch.tensor([5.0, 5.0, 0.1]), torch.ones(5), "regression"
    )
    assert mixture(predictions, present).item() == 2.0
    predictions[0, 3] = -30.0  # Audio and vision now tell different stories.
    assert mixture(predictions, present).item() == pytest.approx(1.0, abs=0.01)


def test_the_head_of_an_absent_modality_changes_nothing() -> None:
    predictions = torch.randn(3, 5, 1)
    present = torch.tensor([[True, False, True]]).expand(3, 3)
    mixture = fitted("regression")
    before = mixture(predictions, present)
    predictions[:, 3] = 1e6
    assert torch.equal(mixture(predictions, present), before)


def test_weights_and_limits_are_saved_with_the_model() -> None:
    other = HeadMixture()
    other.load_state_dict(fitted("binary").state_dict())
    assert other.fitted and other.kind == "binary"
    assert torch.equal(other.weights, WEIGHTS) and torch.equal(other.limits, LIMITS)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_that_were_saved_without_scales_are_read(kind: Kind) -> None:
    """Their heads were not calibrated. Inside a model too, whose tensors have a prefix."""
    earlier = HeadMixture()
    earlier.set(WEIGHTS, LIMITS, torch.ones(5), kind)
    tensors = {f"mixture.{name}": tensor for name, tensor in earlier.state_dict().items()}
    del tensors["mixture.scales"]
    mixture = fitted(kind)
    load_kept_tensors(nn.ModuleDict({"mixture": mixture}), tensors)
    predictions, present = torch.randn(4, 5, 3), torch.ones(4, 3, dtype=torch.bool)
    assert torch.equal(mixture(predictions, present), earlier(predictions, present))
    assert "mixture.scales" not in tensors
