"""Missing data in a leaderboard: every seed is scored before its weights are removed."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from sklearn.pipeline import Pipeline

from semanticmac.cache.batch import ClipInput, Corrupt
from semanticmac.cache.dataset import ClipDataset
from semanticmac.cache.layout import CacheLayout
from semanticmac.core import ProgressFn
from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.metrics.scores import Pair, Scores, score
from semanticmac.eval.missing.curve import MissingCurve, rate_curve, score_missing, subsets_curve
from semanticmac.eval.missing.request import SUBSETS, MissingRequest
from semanticmac.eval.missing.subsets import SubsetScores, all_subsets
from semanticmac.eval.missing.tokens import read_once, substitute_of
from semanticmac.run.weights import load_run
from semanticmac.train.data import TrainData
from semanticmac.train.experiments.leaderboard.svm import PooledClips, Pooler, outputs


def score_missing_of_run(
    run: Path,
    requests: Sequence[MissingRequest],
    layout: CacheLayout,
    split: str,
    device: torch.device,
    progress: ProgressFn,
) -> None:
    """Scores a trained run under protocols of missing data; one file for each in its folder."""
    if not requests:
        return
    data = EvalData.open(load_run(run, device), layout, device)
    for request in requests:

        def report(done: int, total: int, name: str = request.protocol) -> None:
            progress(f"missing data, {name}", done, total, 0)

        score_missing(data, split, request, report).write(run)


@dataclass(frozen=True)
class FittedSVM:
    """An SVM with what its scores need."""

    pooler: Pooler
    models: Sequence[Pipeline]  # of `svm.fit`
    data: TrainData
    train_truth: np.ndarray  # (M, K), for the constant baselines

    def score(self, split: str, corrupt: Corrupt, corrupt_valid: Corrupt | None) -> Scores:
        """Scores of clips without what `corrupt` drops.

        corrupt_valid: of the validation clips where thresholds are chosen; None: complete.
        """
        data, task = self.data, self.data.task
        clips = self._pooled(data.train.with_rows(data.manifest.split(split)), corrupt)
        valid: Pair | None = None
        if task.kind == "multi-label":
            pooled = self._pooled(data.valid, corrupt_valid)
            valid = (pooled.truth, outputs(task, self.models, pooled))
        return score(
            data.manifest.corpus,
            task,
            clips.truth,
            outputs(task, self.models, clips),
            train_truth=self.train_truth,
            valid=valid,
        )

    def _pooled(self, clips: ClipDataset, corrupt: Corrupt | None) -> PooledClips:
        width = self.data.task.width
        if corrupt is None:
            return self.pooler(clips, width)
        pooler = copy(self.pooler)
        pooler.tokenize = read_once(pooler.tokenize)
        return pooler(clips.corrupted(corrupt), width)


def score_missing_of_svm(svm: FittedSVM, request: MissingRequest, split: str) -> MissingCurve:
    """The curve of an SVM, by the same rules as for trained models."""
    if request.protocol == SUBSETS:
        subsets = []
        for kept in all_subsets(svm.pooler.config.modalities):
            only = OnlyModalities(kept)
            subsets.append(SubsetScores(kept, svm.score(split, only, only)))
        return subsets_curve(subsets, split, request)

    def measure(corrupt: Corrupt | None) -> Scores:
        assert corrupt is not None
        return svm.score(split, corrupt, None)

    substitute = substitute_of(svm.pooler.tokenize, request.text)
    return rate_curve(measure, split, request, substitute)


@dataclass(frozen=True)
class OnlyModalities:
    """Leaves these modalities of every clip; an object of this class is a `Corrupt`."""

    kept: tuple[str, ...]

    def __call__(self, clip_id: str, clip: ClipInput) -> ClipInput:
        text = clip.text if "text" in self.kept else ""
        vision = clip.vision if "vision" in self.kept else None
        audio = clip.audio if "audio" in self.kept else None
        return replace(clip, text=text, vision=vision, audio=audio)
