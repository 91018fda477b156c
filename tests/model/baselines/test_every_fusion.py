"""What holds for every published fusion: masks, tasks, gradients, learning."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from support.fusions import (
    SMALL,
    WIDTHS,
    Clips,
    make_clips,
    make_features,
    make_fusion,
    make_network,
    multimodal,
    small_settings,
)
from support.tasks import AFFECT, task_of
from torch import Tensor

from semanticmac.core import Kind
from semanticmac.model.features import Features
from semanticmac.model.registry import BUILT_IN, model_entry
from semanticmac.train.config import TrainConfig
from semanticmac.train.objectives.registry import objective_class

NAMES = sorted(SMALL)
KINDS: tuple[Kind, ...] = ("regression", "binary", "single-label", "multi-label")
# Weights whose gradient is zero by their place: a constant added to all keys of a softmax.
NO_EFFECT = ("to_key.bias", "norm_key.bias", "attention.self.key.bias")


def eight_clips() -> Clips:
    """All combinations of absent modalities, with clips shorter than every kernel."""
    return make_clips(
        text=[6, 4, 3, 5, 0, 0, 2, 0],
        audio=[9, 2, 0, 4, 7, 0, 1, 0],
        vision=[8, 1, 5, 0, 3, 6, 2, 0],
    )


def test_every_fusion_of_several_modalities_is_tested():
    assert sorted(set(BUILT_IN) - {"text", "audio", "vision"}) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_padding_and_batch_mates_change_nothing(name):
    network, clips = make_network(name, outputs=3), eight_clips()
    with torch.no_grad():
        together = multimodal(network(clips))
        torch.testing.assert_close(multimodal(network(clips.padded(5))), together)
        for row in range(8):
            alone = multimodal(network(clips.rows([row])))
            torch.testing.assert_close(alone[0], together[row])
    assert together.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_the_content_of_an_absent_modality_changes_nothing(name):
    network, clips = make_network(name, outputs=2), eight_clips()
    garbage = replace(
        clips,
        audio=clips.audio.where(clips.audio_mask[..., None], -3.0),
        vision=clips.vision.where(clips.vision_mask[..., None], 5.0),
        token_ids=clips.token_ids.where(clips.token_mask, 11),
    )
    with torch.no_grad():
        torch.testing.assert_close(multimodal(network(garbage)), multimodal(network(clips)))


@pytest.mark.parametrize("name", NAMES)
def test_each_present_modality_changes_the_prediction(name):
    """Every frame is read, except that a word-aligned model skips frames between its tokens."""
    network, clips = make_network(name), make_clips([6], [6], [6])
    with torch.no_grad():
        before = multimodal(network(clips))
        for modality in ("audio", "vision"):
            frames = getattr(clips, modality).clone()
            frames[0, 2] += torch.randn_like(frames[0, 2])
            after = multimodal(network(replace(clips, **{modality: frames})))
            assert (after - before).abs().max() > 1e-7, modality
        other = replace(clips, token_ids=clips.token_ids.clone())
        other.token_ids[0, 3] = 1 + other.token_ids[0, 3] % 20
        assert (multimodal(network(other)) - before).abs().max() > 1e-7


@pytest.mark.parametrize("name", NAMES)
def test_an_absent_modality_is_not_a_frame_of_zeros_unless_asked(name):
    clips = make_clips([6, 6], [0, 1], [4, 4])
    clips.audio[1] = 0.0
    for key in ("token_ids", "vision"):
        getattr(clips, key)[1] = getattr(clips, key)[0]
    network = make_network(name)
    as_zeros = make_network(name, absent="zeros")
    as_zeros.load_state_dict(network.state_dict())
    with torch.no_grad():
        absent, zeros = multimodal(network(clips))
        torch.testing.assert_close(multimodal(as_zeros(clips))[0], zeros)
    assert (absent - zeros).abs() > 1e-7 or name in ("lmf", "ef-lstm")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_a_gradient_reaches_every_weight_in_every_kind_of_task(name, kind):
    outputs = 1 if kind in ("regression", "binary") else 3
    network = make_network(name, outputs).train()
    clips = make_clips([6] * 16, [9] * 16, [8] * 16)
    truth = draw_truth(kind, 16, outputs)
    objective = objective_of(name, kind, truth)
    rows = torch.arange(16)
    losses = {}
    # Labels of Self-MM differ from the truth after the second epoch.
    for epoch in (1, 2, 3):
        for half in (rows[:8], rows[8:]):
            output = network(clips.rows(half.tolist()))
            assert multimodal(output).shape == (8, outputs)
            losses = objective.loss(output, half, truth[half])
            losses["total"].backward()
            objective.after_backward(output, half)
        objective.end_epoch(epoch)
    for key, loss in losses.items():
        assert loss.shape == () and loss.isfinite(), key
    for key, weight in network.named_parameters():
        if not weight.requires_grad:
            continue
        assert weight.grad is not None, key
        assert weight.grad.isfinite().all(), key
        if not key.endswith(NO_EFFECT):
            assert (weight.grad != 0).any(), key


@pytest.mark.parametrize("regression", ["l1", "ccc"])
@pytest.mark.parametrize("name", NAMES)
def test_several_scores_with_gaps_train_every_fusion(name, regression):
    network = make_network(name, 3).train()
    clips = make_clips([6] * 16, [9] * 16, [8] * 16)
    truth = torch.randn(16, 3, dtype=torch.float64) + torch.tensor([0.0, 3.0, 50.0])
    truth[::5, 1] = torch.nan
    truth[3] = torch.nan
    entry = model_entry(name)
    config = TrainConfig("planted", regression_loss=regression)
    objective = objective_class(entry.objective)(small_settings(name), config, AFFECT, truth)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-4)
    rows = torch.arange(16)
    before = [weight.detach().clone() for weight in network.parameters()]
    for epoch in (1, 2, 3):
        for half in (rows[:8], rows[8:]):
            optimizer.zero_grad()
            output = network(clips.rows(half.tolist()))
            losses = objective.loss(output, half, truth[half])
            losses["total"].backward()
            assert all(loss.isfinite() for loss in losses.values())
            for weight in network.parameters():
                assert weight.grad is None or weight.grad.isfinite().all()
            optimizer.step()
            objective.after_backward(output, half)
        objective.end_epoch(epoch)
    assert any((a != b).any() for a, b in zip(before, network.parameters(), strict=True))
    labels = objective.pseudo_labels()
    if labels is not None:  # Self-MM: only what is annotated has a label of a modality
        assert torch.equal(labels[1:].isnan(), truth.isnan().expand(3, 16, 3))


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_without_labels_or_modalities_has_a_finite_gradient(name):
    network = make_network(name).train()
    clips = make_clips([0, 3, 0], [0, 0, 2], [0, 1, 0])
    truth = torch.tensor([[1.0], [torch.nan], [torch.nan]], dtype=torch.float64)
    objective = objective_of(name, "regression", truth)
    for epoch in (1, 2):
        network.zero_grad()
        output = network(clips)
        loss = objective.loss(output, torch.arange(3), truth)["total"]
        loss.backward()
        objective.after_backward(output, torch.arange(3))
        objective.end_epoch(epoch)
    assert loss.isfinite()
    for key, weight in network.named_parameters():
        if weight.requires_grad:
            assert weight.grad is not None and weight.grad.isfinite().all(), key


# MISA asks the modalities to agree, and here each one says something else. LNLN drops frames.
QUIET = {
    "misa": {"diff_weight": 0.0, "sim_weight": 0.0, "recon_weight": 0.01},
    "lnln": {"missing_rate": 0.0, "adversarial_weight": 0.01},
}


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"mag"}))
def test_learns_a_rule_that_needs_all_three_modalities(name):
    """y = u_t + u_a + u_v: two of the three numbers explain two thirds of its variance."""
    torch.manual_seed(1)
    numbers = torch.rand(64, 3, dtype=torch.float64) * 2 - 1
    targets = numbers.sum(1, keepdim=True)
    features = make_features([4] * 64, [5] * 64, [6] * 64)
    planted = {}
    for m, (modality, width) in enumerate(vars(WIDTHS).items()):
        direction = torch.randn(width, dtype=torch.float64)
        noise = 0.05 * getattr(features, modality)
        planted[modality] = noise + numbers[:, m, None, None] * direction
    features = replace(features, **planted)

    changes = QUIET.get(name, {})
    fusion = make_fusion(name, **changes).train()
    objective = objective_of(name, "regression", targets, **changes)
    optimizer = torch.optim.Adam(fusion.parameters(), lr=0.01)
    rows = torch.arange(64)
    for _ in range(300):
        output = replace(fusion(features), present=features.present)
        if explained(multimodal(output), targets) > 0.9:
            break
        losses = objective.loss(output, rows, targets)
        optimizer.zero_grad()
        losses["total"].backward()
        optimizer.step()
        objective.after_backward(output, rows)
    with torch.no_grad():
        fusion.eval()
        assert explained(multimodal(fusion(features)), targets) > 0.85
        for modality in planted:
            assert explained(multimodal(fusion(without(features, modality))), targets) < 0.75


def explained(predictions: Tensor, targets: Tensor) -> float:
    """The share of the variance of the targets that the predictions explain."""
    return 1 - float((predictions.detach() - targets).var() / targets.var())


def without(features: Features, modality: str) -> Features:
    mask, content = getattr(features, f"{modality}_mask"), getattr(features, modality)
    changes = {modality: torch.zeros_like(content), f"{modality}_mask": torch.zeros_like(mask)}
    return replace(features, **changes)


def draw_truth(kind: Kind, clips: int, outputs: int) -> Tensor:
    numbers = torch.randn(clips, outputs, dtype=torch.float64)
    if kind == "regression":
        return numbers
    if kind == "single-label":
        return torch.nn.functional.one_hot(numbers.argmax(1), outputs).double()
    return (numbers > 0).double()


def objective_of(name: str, kind: Kind, truth: Tensor, **changes: float):
    entry = model_entry(name)
    settings = small_settings(name, **changes)
    # A sum of signs, the gradient of |ŷ − y|, is 0 by chance.
    config = TrainConfig("planted", regression_loss="mse")
    return objective_class(entry.objective)(settings, config, task_of(kind), truth)
