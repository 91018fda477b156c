"""probe: what a linear map finds in each cached stream, all scored on the same clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semanticmac.cache.keys import Fingerprint
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.core import SPLITS, ProgressFn, Task
from semanticmac.eval.linear_probe import choose_probe
from semanticmac.eval.metrics import functions as m
from semanticmac.eval.metrics.bootstrap import Interval, bootstrap
from semanticmac.eval.metrics.scores import Scores, constants, find, score
from semanticmac.eval.stream_features import ProbeError, StreamFeatures
from semanticmac.run.metric import Metric

LEAST_SPEAKERS = 3
# Clips of one of these stay together in cross-validation: the first that all train clips have.
GROUP_FIELDS = ("speaker", "dialogue", "video")
DEVIATION_FLOOR = 1e-9


@dataclass(frozen=True)
class Fold:
    """Indices of the clips to fit on and of those to score."""

    train: np.ndarray
    scored: np.ndarray


@dataclass(frozen=True)
class ProbePlan:
    """The labelled clips of a probe, and how they are divided."""

    manifest: Manifest
    task: Task
    rows: tuple[Row, ...]
    truth: np.ndarray  # (N, K)
    folds: tuple[Fold, ...]
    split: str
    described: str  # the protocol in words
    per_speaker: bool = False  # standardise the features of each speaker by themselves

    @property
    def scored(self) -> np.ndarray:
        """Indices of all scored clips, in the order of the folds."""
        return np.concatenate([fold.scored for fold in self.folds])

    @property
    def fitted(self) -> np.ndarray:
        """Indices of the clips that are fitted on; several times with several folds."""
        return np.concatenate([fold.train for fold in self.folds])


@dataclass(frozen=True)
class StreamScore:
    """The probe of one stream; of the constant baseline `stream` is None."""

    name: str
    modality: str
    stream: Fingerprint | None
    lacking: int  # scored clips without this stream; they get the constant prediction
    strengths: tuple[float, ...]  # of the penalty, one for each fold
    scores: Scores
    metrics: tuple[Metric, ...]  # those of `scores`, and Acc-3 where the paper prints it
    intervals: tuple[Interval, ...]

    @property
    def main(self) -> float | None:
        return self.scores[self.scores.main].value

    def interval_of(self, metric: str) -> Interval:
        """The interval of a metric of `scores`; an empty one for Acc-3."""
        for interval in self.intervals:
            if interval.name == metric:
                return interval
        return Interval(metric, None, None, 0)


@dataclass(frozen=True)
class ProbeReport:
    """All probes of one dataset: the constant, then the streams, the best first."""

    plan: ProbePlan
    constant: StreamScore
    streams: tuple[StreamScore, ...]
    notes: tuple[str, ...]


def plan_probe(
    manifest: Manifest, split: str = "valid", leave_out: str = "", per_speaker: bool = False
) -> ProbePlan:
    """Fits on train and scores the split, or leaves out one speaker after the other.

    leave_out: "" or "speaker". Leaving out speakers uses the clips of train and valid, and those of
    test too if `split` is test. Raises ProbeError where the dataset lacks labels, clips, speakers.
    """
    task = manifest.task
    if task is None:
        raise ProbeError(f"{manifest.dataset} has no labels: a probe needs them")
    if split not in SPLITS[1:]:
        raise ProbeError(f"there is no split {split!r} to score: expected valid or test")
    labelled = [row for row in manifest.rows if row.label is not None]
    if leave_out:
        used = ("train", "valid", "test") if split == "test" else ("train", "valid")
        rows = [row for row in labelled if row.split in used]
        folds = _speaker_folds(manifest.dataset, rows)
        described = (
            f"each of {len(folds)} speakers is left out in turn, of the {len(rows)} labelled clips "
            f"of {' and '.join(used)}"
        )
    else:
        rows = [row for row in labelled if row.split in ("train", split)]
        in_train = np.array([row.split == "train" for row in rows], bool)
        fold = Fold(np.flatnonzero(in_train), np.flatnonzero(~in_train))
        if not len(fold.train) or not len(fold.scored):
            raise ProbeError(
                f"{manifest.dataset} has {len(fold.train)} labelled clips in train and "
                f"{len(fold.scored)} in {split}: a probe needs both. See `semanticmac inspect`"
            )
        folds = (fold,)
        described = (
            f"fitted on {len(fold.train)} train clips, scored on {len(fold.scored)} of {split}"
        )
    if per_speaker:
        _require_speakers(manifest.dataset, rows)
        described += "; features are standardised for each speaker by itself, scored ones too"
    truth = np.array([row.label for row in rows], np.float64)
    return ProbePlan(
        manifest, task, tuple(rows), truth, tuple(folds), split, described, per_speaker
    )


def run_probe(
    plan: ProbePlan, streams: Sequence[StreamFeatures], progress: ProgressFn, notes: Sequence[str]
) -> ProbeReport:
    """Probes every stream and ranks them by the main metric of the dataset."""
    constant = _score_constant(plan)
    scores = []
    for done, features in enumerate(streams):
        progress("streams", done, len(streams), 0)
        scores.append(_score_stream(plan, features))
    progress("streams", len(streams), len(streams), 0)
    main = find(constant.scores.metrics, constant.scores.main)
    worst = -np.inf if main.higher_is_better else np.inf

    def value(stream: StreamScore) -> float:
        return worst if stream.main is None else stream.main

    ranked = sorted(scores, key=value, reverse=main.higher_is_better)
    return ProbeReport(plan, constant, tuple(ranked), (*notes, *_plan_notes(plan)))


def _score_stream(plan: ProbePlan, features: StreamFeatures) -> StreamScore:
    points, present = features.read()
    if plan.per_speaker:
        points = _by_speaker(points, present, plan.rows)
    outputs = _constant_outputs(plan)
    held_out: list[np.ndarray] = []
    held_truth: list[np.ndarray] = []
    strengths = []
    for fold in plan.folds:
        train = fold.train[present[fold.train]]
        scored = fold.scored[present[fold.scored]]
        if not len(train):
            continue
        groups = group_names([plan.rows[number] for number in train])
        probe = choose_probe(plan.task, points[train], plan.truth[train], groups)
        if len(scored):
            outputs[scored] = probe.map.outputs(points[scored])
        held_out.append(probe.held_out)
        held_truth.append(plan.truth[train])
        strengths.append(probe.strength)
    valid = None
    if plan.task.kind == "multi-label" and held_out:
        valid = (np.concatenate(held_truth), np.concatenate(held_out))
    lacking = int((~present[plan.scored]).sum())
    return _scored(
        plan, features.name, features.modality, features.stream, lacking, strengths, outputs, valid
    )


def _score_constant(plan: ProbePlan) -> StreamScore:
    outputs = _constant_outputs(plan)
    name = constants(plan.task, plan.truth)[0][0]
    valid = None
    if plan.task.kind == "multi-label":
        train = plan.fitted
        valid = (
            plan.truth[train],
            np.broadcast_to(outputs[plan.scored[0]], (len(train), plan.task.width)),
        )
    return _scored(plan, name, "", None, 0, [], outputs, valid)


def _scored(
    plan: ProbePlan,
    name: str,
    modality: str,
    stream: Fingerprint | None,
    lacking: int,
    strengths: Sequence[float],
    outputs: np.ndarray,
    valid: tuple[np.ndarray, np.ndarray] | None,
) -> StreamScore:
    truth, prediction = plan.truth[plan.scored], outputs[plan.scored]
    train = plan.fitted
    corpus = plan.manifest.corpus
    scores = score(corpus, plan.task, truth, prediction, train_truth=plan.truth[train], valid=valid)
    intervals = bootstrap(corpus, plan.task, truth, prediction, valid=valid)
    metrics = (*scores.metrics, *acc3(plan.task, truth, prediction))
    return StreamScore(
        name, modality, stream, lacking, tuple(strengths), scores, metrics, intervals
    )


def acc3(task: Task, truth: np.ndarray, prediction: np.ndarray) -> tuple[Metric, ...]:
    """Acc-3, which the paper prints for probes only."""
    if (task.kind, task.low, task.high, task.width) != ("regression", -3.0, 3.0, 1):
        return ()
    value = m.rounded_accuracy(truth[:, 0], prediction[:, 0], 1)
    return (Metric("Acc-3", value, paper_keys=("acc3",)),)


def group_names(rows: Sequence[Row]) -> list[str]:
    """The group of each clip in cross-validation: its speaker, dialogue or video."""
    for field in GROUP_FIELDS:
        names = [getattr(row, field) for row in rows]
        if all(names) and len(set(names)) > 1:
            return [str(name) for name in names]
    return [row.clip_id for row in rows]


def _constant_outputs(plan: ProbePlan) -> np.ndarray:
    """(N, K): for each clip the constant of the train clips of its fold."""
    outputs = np.zeros(plan.truth.shape)
    for fold in plan.folds:
        _, constant = constants(plan.task, plan.truth[fold.train])[0]
        outputs[fold.scored] = constant
    return outputs


def _by_speaker(points: np.ndarray, present: np.ndarray, rows: Sequence[Row]) -> np.ndarray:
    """The features of each speaker with mean 0 and deviation 1 over that speaker's clips."""
    speakers = _speakers(rows)
    standardised = points.copy()
    for speaker in set(speakers):
        own = present & (speakers == speaker)
        if own.any():
            spread = np.maximum(points[own].std(axis=0), DEVIATION_FLOOR)
            standardised[own] = (points[own] - points[own].mean(axis=0)) / spread
    return standardised


def _speakers(rows: Sequence[Row]) -> np.ndarray:
    return np.array([row.speaker for row in rows])


def _require_speakers(dataset: str, rows: Sequence[Row]) -> None:
    without = sum(not row.speaker for row in rows)
    if without:
        raise ProbeError(
            f"{without} of {len(rows)} labelled clips of {dataset} have no speaker: this probe "
            "needs the speaker of every clip (a column `speaker` in clips.csv)"
        )


def _speaker_folds(dataset: str, rows: Sequence[Row]) -> tuple[Fold, ...]:
    _require_speakers(dataset, rows)
    speakers = _speakers(rows)
    names = sorted(set(speakers))
    if len(names) < LEAST_SPEAKERS:
        raise ProbeError(
            f"{dataset} has {len(names)} speakers in these splits: leaving one out needs at least "
            f"{LEAST_SPEAKERS}"
        )
    folds = []
    for name in names:
        folds.append(Fold(np.flatnonzero(speakers != name), np.flatnonzero(speakers == name)))
    return tuple(folds)


def _plan_notes(plan: ProbePlan) -> list[str]:
    notes = [
        f"{plan.described}; mean and deviation of each clip's embeddings, standardised on train; "
        "penalty chosen by cross-validation within train",
        "intervals: 95 %, over resampled clips",
    ]
    if plan.split == "test":
        notes.append("test clips were scored: choose nothing by these numbers")
    return notes
