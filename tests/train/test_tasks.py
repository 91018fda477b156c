"""All kinds of task from one configuration; class weights equal torch and scikit-learn."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight
from support.planted import planted_clips
from support.tasks import task_of

from semanticmac.cache.layout import CacheLayout
from semanticmac.core import Kind
from semanticmac.eval.evaluate import evaluate
from semanticmac.eval.metrics.scores import find
from semanticmac.model.output_units import units_of
from semanticmac.run.weights import load_run
from semanticmac.train.config import ConfigError, TrainConfig
from semanticmac.train.data import TrainError, open_data
from semanticmac.train.loop import train
from semanticmac.train.losses import balanced_weights, clip_losses, task_loss
from semanticmac.train.overrides import override

CPU = torch.device("cpu")
KINDS: tuple[Kind, ...] = ("regression", "single-label", "multi-label", "binary")


def exactly(actual: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_one_configuration_trains_every_kind_of_task(
    kind: Kind, planted: Callable[..., CacheLayout], small: dict[str, Any], tmp_path: Path
) -> None:
    layout = planted(kind)
    data = open_data(layout, "planted")
    config = override(TrainConfig("planted"), small | {"modalities": "audio,vision"})
    info = train(config, data, tmp_path / "plain", CPU)
    assert info.task.kind == kind and info.model.outputs == data.task.width
    result = evaluate(load_run(tmp_path / "plain", CPU), layout, "test", CPU)
    assert result.predictions.multimodal.shape == (8, data.task.width)
    if kind != "regression":
        with pytest.raises(TrainError, match="regression_loss=ccc is for scores, but the task is"):
            train(replace(config, regression_loss="ccc"), data, tmp_path / "ccc", CPU)
    balanced = replace(config, class_weights="balanced")
    if kind == "regression":
        with pytest.raises(
            TrainError, match="class_weights=balanced needs classes, but the task is regression"
        ):
            train(balanced, data, tmp_path / "balanced", CPU)
        return
    train(balanced, data, tmp_path / "balanced", CPU)
    weighed = evaluate(load_run(tmp_path / "balanced", CPU), layout, "test", CPU)
    assert (weighed.predictions.outputs != result.predictions.outputs).any()


def test_weighed_cross_entropy_is_torch_s() -> None:
    torch.manual_seed(0)
    predictions, soft = (
        torch.randn(7, 4, dtype=torch.float64),
        torch.rand(7, 4, dtype=torch.float64).softmax(1),
    )
    weights = torch.stack([torch.zeros(4), torch.rand(4)]).double()
    exactly(
        clip_losses(predictions, soft, task_of("single-label"), class_weights=weights),
        F.cross_entropy(predictions, soft, weight=weights[1], reduction="none"),
    )
    targets = soft[:, None].expand(7, 5, 4)
    losses = task_loss(
        predictions[:, None].expand(7, 5, 4),
        targets,
        torch.ones(7, 5).bool(),
        task_of("single-label"),
        "l1",
        weights,
    )
    exactly(losses, F.cross_entropy(predictions, soft, weight=weights[1]).expand(5))


@pytest.mark.parametrize("kind", ["multi-label", "binary"])
def test_weighed_binary_cross_entropy_is_torch_s(kind: Kind) -> None:
    torch.manual_seed(0)
    width = 3 if kind == "multi-label" else 1
    predictions, soft = (
        torch.randn(7, width, dtype=torch.float64) * 9,
        torch.rand(7, width, dtype=torch.float64),
    )
    absence, presence = weights = torch.rand(2, width, dtype=torch.float64) + 0.1
    expected = F.binary_cross_entropy_with_logits(
        predictions, soft, weight=absence, pos_weight=presence / absence, reduction="none"
    ).mean(1)
    exactly(clip_losses(predictions, soft, task_of(kind), class_weights=weights), expected)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(0, 3))
def test_balanced_weights_are_those_of_scikit_learn(classes: list[int], unlabelled: int) -> None:
    onehot = torch.eye(4)[torch.tensor(classes)]
    truth = torch.cat([onehot, torch.full((unlabelled, 4), torch.nan)])
    weights = balanced_weights(truth, task_of("single-label"))[1]
    there = np.unique(classes)
    expected = torch.zeros(4).index_put_(
        (torch.from_numpy(there),),
        torch.tensor(compute_class_weight("balanced", classes=there, y=classes)).float(),
    )
    torch.testing.assert_close(weights, expected)
    assert (onehot @ weights).sum() == pytest.approx(len(classes))  # the mean loss keeps its scale
    sides = balanced_weights(truth, task_of("multi-label"))
    for k in range(4):
        column = [int(c == k) for c in classes]
        both = (
            compute_class_weight("balanced", classes=np.array([0, 1]), y=column)
            if len(set(column)) == 2
            else None
        )
        if both is not None:
            torch.testing.assert_close(sides[:, k], torch.tensor(both).float())
        else:  # what no clip shows weighs nothing
            assert sides[1 - column[0], k] == 0


def test_class_weights_have_two_values() -> None:
    with pytest.raises(ConfigError, match="class_weights='heavy' must be `none` or `balanced`"):
        override(TrainConfig("meld"), {"class_weights": "heavy"})
    with pytest.raises(ValueError, match="class_weights=balanced needs classes"):
        balanced_weights(torch.randn(3, 1), task_of("regression"))


@pytest.mark.parametrize("regression", ["l1", "mse", "ccc"])
def test_several_scores_of_different_ranges_are_learned_together(
    regression: str, planted: Callable[..., CacheLayout], small: dict[str, Any], tmp_path: Path
) -> None:
    layout = planted("dimensions", sizes=(160, 40, 80))
    data = open_data(layout, "planted")
    changes = {"modalities": "audio,vision", "epochs": 12, "regression_loss": regression}
    config = override(TrainConfig("planted"), small | changes | {"lr_rest": 0.005})
    info = train(config, data, tmp_path / "run", CPU)
    assert info.valid_metric == f"validation {regression.upper()} loss"
    assert info.model.output_units == units_of(data.task) != ()
    result = evaluate(load_run(tmp_path / "run", CPU), layout, "test", CPU)
    scores = result.scores
    assert scores.main == "mean CCC" and not scores.collapsed
    # Audio shows arousal and vision effort; valence needs the text too.
    for name in ("arousal", "effort"):
        value = scores[f"CCC ({name})"].value
        assert value is not None and value > 0.6, (name, value)
    constant = find(scores.baselines[1].metrics, "MAE (effort)").value
    error = scores["MAE (effort)"].value
    assert error is not None and constant is not None and error < 0.7 * constant


def test_a_score_that_no_train_clip_has_is_refused(
    planted: Callable[..., CacheLayout], small: dict[str, Any], tmp_path: Path
) -> None:
    clips = []
    for clip in planted_clips("dimensions"):
        assert clip.label is not None
        clips.append(replace(clip, label=[clip.label[0], math.nan, clip.label[2]]))
    data = open_data(planted("dimensions", clips), "planted")
    config = override(TrainConfig("planted"), small)
    with pytest.raises(TrainError, match="no train clip of planted has the score 'arousal'"):
        train(config, data, tmp_path / "run", CPU)


def test_a_constant_score_and_a_batch_of_one_are_refused_for_ccc(
    planted: Callable[..., CacheLayout], small: dict[str, Any], tmp_path: Path
) -> None:
    clips = []
    for clip in planted_clips("dimensions"):
        assert clip.label is not None
        clips.append(replace(clip, label=[clip.label[0], 2.0, clip.label[2]]))
    data = open_data(planted("dimensions", clips), "planted")
    config = override(TrainConfig("planted"), small | {"regression_loss": "ccc"})
    with pytest.raises(TrainError, match="the score 'arousal' is the same in every train clip"):
        train(config, data, tmp_path / "run", CPU)
    with pytest.raises(TrainError, match="ccc compares the clips of a batch, but batch_size=1"):
        train(replace(config, batch_size=1), data, tmp_path / "run", CPU)
