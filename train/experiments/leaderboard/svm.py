"""SVM over pooled features: a model without epochs, so a path of its own beside the training loop.

Features of a clip: the state of its text from the frozen language model, and the means of its audio
and vision frames. An absent modality is replaced by the mean of the train clips that have it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.impute import SimpleImputer
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR
from torch import Tensor

from semanticmac.cache.batch import Batch, Tokenize, no_text
from semanticmac.cache.dataset import ClipDataset, make_dataloader
from semanticmac.core import Kind, Task
from semanticmac.model.attention import masked_mean
from semanticmac.model.config import ModelConfig
from semanticmac.model.language.finetuning import open_language_model, set_pooling
from semanticmac.model.language.language_model import LanguageModel
from semanticmac.model.language.pooling import pool
from semanticmac.model.language.tokenizer import Tokenizer

BATCH_CLIPS = 64
# What the trials draw from, as it is shown beside the table.
SPACE = {
    "C": {"low": 1e-2, "high": 1e3, "log": True},
    "gamma": ["scale", "auto"],
    "epsilon": {"low": 1e-2, "high": 0.5, "log": True},
}
# The settings of a run that it reads.
READS = (
    "vision", "audio", "modalities", "language", "language_weights", "max_tokens", "text_window",
    "prompt", "pooling", "regression_loss",
)  # fmt: skip
DEFAULTS = {"C": 1.0, "gamma": "scale", "epsilon": 0.1}


@dataclass(frozen=True)
class PooledClips:
    """The pooled features of one split."""

    features: np.ndarray  # (N, D), NaN = the clip lacks this modality
    truth: np.ndarray  # (N, K), NaN = not labelled
    clip_ids: tuple[str, ...]


class Pooler:
    """Clips → PooledClips. The language model is loaded once and never trained."""

    def __init__(self, config: ModelConfig, device: torch.device) -> None:
        self.config, self.device = config, device
        self.tokenize: Tokenize = no_text
        self.language: LanguageModel | None = None
        if "text" in config.modalities:
            self.language = open_language_model(config).to(device).eval()
            set_pooling(self.language, config)
            self.tokenize = Tokenizer.of_config(config.language, config)

    @torch.inference_mode()
    def __call__(self, clips: ClipDataset, width: int) -> PooledClips:
        """width: K of the task."""
        features, truth = [], []
        clip_ids: list[str] = []
        for batch in make_dataloader(clips, BATCH_CLIPS, self.tokenize, width):
            pooled = self._pooled(batch.to(self.device))
            features.append(torch.cat(pooled, dim=1).double().cpu().numpy())
            truth.append(batch.labels.double().numpy())
            clip_ids += batch.clip_ids
        return PooledClips(np.concatenate(features), np.concatenate(truth), tuple(clip_ids))

    def _pooled(self, batch: Batch) -> list[Tensor]:
        """(B, D_m) of every modality that is read, in order; NaN where it is absent."""
        parts = []
        if self.language is not None:
            hidden = self.language(batch.token_ids, batch.token_mask)
            pooled = pool(hidden, batch.token_mask, self.language.pooling, self.language.window)
            parts.append((pooled, batch.token_mask.any(1)))
        for name in ("audio", "vision"):
            if name in self.config.modalities:
                frames, mask = getattr(batch, name), getattr(batch, f"{name}_mask")
                parts.append((masked_mean(frames, mask), mask.any(1)))
        pooled_parts = []
        for values, mask in parts:
            pooled_parts.append(values.float().masked_fill(~mask[:, None], torch.nan))
        return pooled_parts


def draw(seed: int, trial: int) -> dict[str, Any]:
    """The settings of one trial; they depend on the seed and its number alone."""
    generator = np.random.default_rng([seed, trial])
    return {
        "C": float(10 ** generator.uniform(-2, 3)),
        "gamma": str(generator.choice(["scale", "auto"])),
        "epsilon": float(10 ** generator.uniform(-2, np.log10(0.5))),
    }


def fit(task: Task, train: PooledClips, settings: dict[str, Any]) -> tuple[Pipeline, ...]:
    """Fits the labelled train clips: one model, or one for each score."""
    if task.kind == "regression":
        return _fit_scores(train, settings)
    labelled = ~np.isnan(train.truth).any(axis=1)
    classifier: Any = SVC(C=settings["C"], gamma=settings["gamma"])
    if task.kind == "multi-label":
        classifier = OneVsRestClassifier(classifier)
    target = _classes(task.kind, train.truth[labelled])
    return (_pipeline(classifier).fit(train.features[labelled], target),)


def _fit_scores(train: PooledClips, settings: dict[str, Any]) -> tuple[Pipeline, ...]:
    """One model for each score, fitted on the clips that have it."""
    models: list[Pipeline] = []
    for target in train.truth.T:
        known = ~np.isnan(target)
        models.append(_pipeline(SVR(**settings)).fit(train.features[known], target[known]))
    return tuple(models)


def _pipeline(model: Any) -> Pipeline:
    # A modality that no clip has becomes a column of zeros.
    fill = SimpleImputer(keep_empty_features=True)
    return make_pipeline(fill, StandardScaler(), model)


def outputs(task: Task, models: Sequence[Pipeline], clips: PooledClips) -> np.ndarray:
    """(N, K): scores, or decision values of the classes as logits."""
    if task.kind == "regression":
        columns = [model.predict(clips.features) for model in models]
        return np.stack(columns, axis=1).astype(np.float64)
    [model] = models
    values = np.asarray(model.decision_function(clips.features), dtype=np.float64)
    if values.ndim == 1 and task.kind != "single-label":
        return values[:, None]
    if values.ndim == 1:  # two of the classes occur in train
        values = np.stack([-values, values], axis=1)
    if values.shape[1] == task.width:
        return values
    # A class without train clips is never predicted.
    logits = np.full((len(values), task.width), values.min() - 1.0)
    logits[:, np.asarray(model.classes_, dtype=int)] = values
    return logits


def _classes(kind: Kind, truth: np.ndarray) -> np.ndarray:
    if kind == "single-label":
        return np.asarray(truth.argmax(axis=1))
    if kind == "binary":
        return np.asarray((truth[:, 0] > 0.5).astype(int))
    return np.asarray((truth > 0.5).astype(int))
