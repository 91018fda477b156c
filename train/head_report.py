"""What each head and each modality is worth on validation clips, for the person who trains."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from semanticmac.cache.manifest import Row
from semanticmac.core import MODALITIES, SUB_TASKS, Task
from semanticmac.eval.predict import predict
from semanticmac.run.folder import higher_is_better
from semanticmac.run.predictions import Predictions
from semanticmac.run.weights import load_run
from semanticmac.train.batches import BatchReader
from semanticmac.train.config import TrainConfig
from semanticmac.train.data import TrainData, resolve, with_dialogue, with_fold
from semanticmac.train.distributed import SINGLE_PROCESS
from semanticmac.train.validation import head_scores

# An audio or vision head with so small a share of the text head's error is doubtful.
DOUBTFUL_SHARE = 0.6
LEAST_CLIPS = 10  # of a mean error by group
MULTIMODAL, TEXT = SUB_TASKS[0], MODALITIES[0]


@dataclass(frozen=True)
class GroupScore:
    """Mean error of clips, |ŷ − y| or a wrong class, by whether their group is in train.

    NaN where there are fewer than LEAST_CLIPS of a sort.
    """

    group: str  # speaker or video
    seen: float
    unseen: float
    deviation: float  # standard error of their difference
    seen_clips: int
    unseen_clips: int

    @property
    def comparable(self) -> bool:
        return min(self.seen_clips, self.unseen_clips) >= LEAST_CLIPS

    def line(self) -> str:
        """The plain error beside the grouped one."""
        clips = self.seen_clips + self.unseen_clips
        plain = (self.seen * self.seen_clips + self.unseen * self.unseen_clips) / clips
        return (
            f"validation error of all {clips} clips with a known {self.group}: {plain:.3f}; of the "
            f"{self.unseen_clips} of a {self.group} that is not in train: {self.unseen:.3f}"
        )

    def warnings(self) -> list[str]:
        """What the shared groups mean for the validation score."""
        remedy = (
            f"`semanticmac cache … --split-by valid-{self.group}` makes train and validation "
            f"without a common {self.group}"
        )
        if not self.comparable:
            return [
                f"{self.seen_clips} of {self.seen_clips + self.unseen_clips} validation clips are "
                f"of a {self.group} that is in train too, so that no score here tells what a new "
                f"{self.group} will get. {remedy}"
            ]
        if abs(self.unseen - self.seen) <= 2 * self.deviation:
            return []
        return [
            f"the error is {self.unseen:.3f} on the {self.unseen_clips} validation clips of a "
            f"{self.group} that is not in train, and {self.seen:.3f} on the others: expect the "
            f"first for a new {self.group}. {remedy}"
        ]


@dataclass(frozen=True)
class HeadReport:
    """Validation scores of the kept model."""

    metric: str
    higher_is_better: bool
    heads: Mapping[str, float]  # sub-task → score of its head
    without: Mapping[str, float]  # modality → score of the prediction without it
    groups: Sequence[GroupScore] = ()

    def scores(self) -> list[str]:
        """Sentences for a terminal: the score of each head, and that of new groups."""
        scores = ", ".join(f"{name} {score:.4f}" for name, score in self.heads.items())
        lines = [f"{self.metric} of each head: {scores}"]
        for group in self.groups:
            if group.comparable:
                lines.append(group.line())
        return lines

    def warnings(self) -> list[str]:
        """What a person should know before this model is used."""
        notes = self._best_head() + self._costs() + self._doubtful()
        for group in self.groups:
            notes += group.warnings()
        return notes

    def _better(self, first: float, second: float) -> bool:
        return first > second if self.higher_is_better else first < second

    def _best_head(self) -> list[str]:
        if MULTIMODAL not in self.heads:
            return []
        fused = self.heads[MULTIMODAL]
        best, score = MULTIMODAL, fused
        for name in MODALITIES:
            if name in self.heads and self._better(self.heads[name], score):
                best, score = name, self.heads[name]
        if best == MULTIMODAL or len(self.without) < 2:
            return []
        others = [name for name in self.without if name != best]
        verb = "costs more than it brings" if len(others) == 1 else "cost more than they bring"
        return [
            f"the {best} head alone scores {score:.4f}, the multimodal prediction {fused:.4f}: "
            f"{' and '.join(others)} {verb}. Train with --preset tuned, or with "
            f"--set modalities={best}"
        ]

    def _costs(self) -> list[str]:
        notes = []
        for name, score in self.without.items():
            fused = self.heads[MULTIMODAL]
            if len(self.without) > 1 and self._better(score, fused):
                notes.append(
                    f"without {name} this model scores {score:.4f}, with it {fused:.4f}: "
                    f"{name} costs more than it brings"
                )
        return notes

    def _doubtful(self) -> list[str]:
        notes = []
        for name in MODALITIES[1:]:
            if TEXT not in self.heads or name not in self.heads:
                continue
            error, text_error = self.heads[name], self.heads[TEXT]
            if self.higher_is_better:
                error, text_error = 1 - error, 1 - text_error
            if error <= DOUBTFUL_SHARE * text_error:
                notes.append(
                    f"the {name} head is far better than the text head ({self.heads[name]:.4f} "
                    f"against {self.heads[TEXT]:.4f}): make sure that the {name} embeddings were "
                    "not made with these labels. A shortcut that validation shares with train does "
                    "not show in any score here"
                )
        return notes


def head_report(
    run: Path, config: TrainConfig, data: TrainData, device: torch.device
) -> HeadReport:
    """Predicts the validation clips of a finished run as they are, and without each modality."""
    trained = load_run(run, device)
    config = resolve(config, data, device)
    data = with_dialogue(with_fold(data, config.fold), config.model)
    reader = BatchReader(config, data, trained.tokenize, SINGLE_PROCESS, device)
    task, loss = reader.data.task, reader.config.regression_loss
    clip_ids = [row.clip_id for row in reader.data.valid.rows]
    predictions = predict(trained.model, reader.validation(), device).ordered(clip_ids)
    modalities = trained.info.model.modalities
    without = {}
    for name in modalities:
        if len(modalities) > 1:
            partial = predict(trained.model, reader.validation(), device, (name,))
            without[name] = head_scores(task, partial, loss)[MULTIMODAL]
    return HeadReport(
        metric=trained.info.valid_metric,
        higher_is_better=higher_is_better(task),
        heads=head_scores(task, predictions, loss),
        without=without,
        groups=group_scores(task, predictions, reader.data.train.rows, reader.data.valid.rows),
    )


def group_scores(
    task: Task, predictions: Predictions, train: Sequence[Row], valid: Sequence[Row]
) -> list[GroupScore]:
    """Errors by speaker and by source video, where validation shares some of them with train."""
    errors = _errors(task, predictions)
    scores = []
    for group in ("speaker", "video"):
        known = {_group_of(row, group) for row in train}
        names = [_group_of(row, group) for row in valid]
        is_seen = np.array([name in known for name in names])
        counted = np.array([bool(name) for name in names]) & ~np.isnan(errors)
        seen, unseen = errors[counted & is_seen], errors[counted & ~is_seen]
        if len(seen) < LEAST_CLIPS:
            continue
        if len(unseen) < LEAST_CLIPS:
            nothing = (math.nan, math.nan, math.nan)
            scores.append(GroupScore(group, *nothing, len(seen), len(unseen)))
            continue
        deviation = math.sqrt(seen.var(ddof=1) / len(seen) + unseen.var(ddof=1) / len(unseen))
        means = float(seen.mean()), float(unseen.mean())
        scores.append(GroupScore(group, *means, deviation, len(seen), len(unseen)))
    return scores


def _group_of(row: Row, group: str) -> str | None:
    """The speaker, or the source video: the dialogue, else the file."""
    return row.speaker if group == "speaker" else row.dialogue or row.video


def _errors(task: Task, predictions: Predictions) -> np.ndarray:
    """(N,) NaN where a clip has no label: |ŷ − y|, or the share of wrong classes."""
    outputs, truth = predictions.multimodal, predictions.truth
    missing = np.isnan(truth)
    if task.kind == "regression":
        wrong = np.abs(outputs - truth) * task.loss_weights
    elif task.kind == "single-label":
        wrong = (outputs.argmax(1) != truth.argmax(1)).astype(float)[:, None]
        missing = missing.any(axis=1)[:, None]
    else:
        wrong = ((outputs > 0) != (truth > 0.5)).astype(float)
    wrong[missing] = np.nan
    known = ~np.isnan(wrong)
    sums, counts = np.nansum(wrong, axis=1), known.sum(axis=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
