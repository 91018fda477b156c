"""Scores of one set of predictions: metrics, those of constant predictions, and counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semanticmac.core import Task
from semanticmac.eval.metrics import functions as m
from semanticmac.eval.metrics.rules import Clips, RuleSet, Threshold, rule_set
from semanticmac.run.metric import Metric

Pair = tuple[m.Floats, m.Floats]  # truth (N, K), raw prediction (N, K)


@dataclass(frozen=True)
class Baseline:
    """Metrics of a constant prediction, the same for every clip."""

    name: str
    metrics: tuple[Metric, ...]


@dataclass(frozen=True)
class ClassFigures:
    """One class against the rest; multi-label classes at the thresholds of n-Acc and F1."""

    name: str
    support: int  # clips of this class
    predicted: int  # clips predicted as this class
    right: int  # both
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True)
class Scores:
    """All results of one run on one split, at full precision."""

    metrics: tuple[Metric, ...]
    baselines: tuple[Baseline, ...]
    main: str  # name of the metric that the model is judged by
    collapsed: bool
    why_collapsed: str  # in words; empty where the model did not collapse
    scored: int  # clips
    unlabelled: int  # clips that were left out because they have no label
    classes: tuple[ClassFigures, ...] = ()  # empty for regression
    # rows truth, columns prediction; only for single-label and binary
    confusion: tuple[tuple[int, ...], ...] = ()
    thresholds: tuple[Threshold, ...] = ()  # multi-label

    def __getitem__(self, name: str) -> Metric:
        return find(self.metrics, name)


def score(
    dataset: str,
    task: Task,
    truth: m.Floats,
    prediction: m.Floats,
    *,
    train_truth: m.Floats,
    valid: Pair | None = None,
) -> Scores:
    """Scores of truth and prediction (N, K), K = task.width.

    NaN in truth means "not annotated": a clip without any label is left out and counted, and a
    single score without a label is left out of the metrics of that score. prediction holds scores
    or logits, as the model outputs them. Baselines are constants of train_truth (M, K). valid is
    used for multi-label thresholds only; nothing is chosen on the clips that are scored. Raises
    ValueError for shapes that disagree, predictions that are not finite, and splits without a
    label.
    """
    scored_truth, scored_prediction = labelled(task, truth, prediction, "this split")
    train, _ = labelled(task, train_truth, np.zeros_like(train_truth), "train")
    valid = labelled_valid(task, valid)
    rules = rule_set(dataset, task, valid)
    metrics = rules.measure(scored_truth, scored_prediction)
    baselines = []
    for name, constant in constants(task, train):
        # Multi-label: a baseline chooses its thresholds on validation, as a model does.
        constant_valid = None
        if valid is not None:
            constant_valid = (valid[0], np.broadcast_to(constant, valid[0].shape))
        baseline_rules = rule_set(dataset, task, constant_valid)
        constant_prediction = np.broadcast_to(constant, scored_truth.shape)
        baselines.append(Baseline(name, baseline_rules.measure(scored_truth, constant_prediction)))
    why = why_collapsed(rules, metrics, baselines, scored_prediction)
    classes, confusion = class_figures(task, scored_truth, rules.decide(scored_prediction))
    return Scores(
        metrics,
        tuple(baselines),
        rules.main,
        collapsed=bool(why),
        why_collapsed=why,
        scored=len(scored_truth),
        unlabelled=len(truth) - len(scored_truth),
        classes=classes,
        confusion=confusion,
        thresholds=rules.thresholds,
    )


def labelled(task: Task, truth: m.Floats, prediction: m.Floats, split: str) -> Pair:
    """The rows of both sides with an annotated truth; raises ValueError as `score` does."""
    nothing = (
        f"none of the {len(truth)} clips of {split} has a label: there is nothing to score against"
    )
    if not len(truth):
        raise ValueError(nothing)
    expected = (len(truth), task.width)
    for name, side in (("truth", truth), ("prediction", prediction)):
        if side.shape != expected:
            raise ValueError(
                f"{name} of {split} has shape {side.shape}, a {task.kind} task expects {expected}"
            )
    keep = ~np.isnan(truth).all(axis=1)
    if not keep.any():
        raise ValueError(nothing)
    truth, prediction = truth[keep].astype(np.float64), prediction[keep].astype(np.float64)
    broken = int((~np.isfinite(prediction)).any(axis=1).sum())
    if broken:
        raise ValueError(
            f"{broken} of {len(prediction)} predictions of {split} are NaN or infinite: "
            "training diverged"
        )
    return truth, prediction


def labelled_valid(task: Task, valid: Pair | None) -> Pair | None:
    """The same for validation, where it is given."""
    return None if valid is None else labelled(task, *valid, "valid")


def constants(task: Task, train: m.Floats) -> list[tuple[str, m.Floats]]:
    """(name, raw prediction (K,)) of every constant baseline; train (M, K) truth."""
    if task.kind == "regression":
        return [
            ("train mean", np.nanmean(train, axis=0)),
            ("train median", np.nanmedian(train, axis=0)),
        ]
    share = train.mean(axis=0)
    if task.kind == "single-label":
        return [("majority class", np.eye(task.width)[share.argmax()])]
    # A class that all or no clips have gets a large finite logit.
    with np.errstate(divide="ignore"):
        logit = np.clip(np.log(share) - np.log1p(-share), -50.0, 50.0)
    return [("majority class" if task.kind == "binary" else "train prior", logit)]


def why_collapsed(
    rules: RuleSet, metrics: Sequence[Metric], baselines: Sequence[Baseline], prediction: m.Floats
) -> str:
    """Why this split shows no sign of learning, in words; empty where it shows one."""
    decided = rules.decide(prediction)
    if len(decided) > 1 and (decided == decided[0]).all():
        return "it predicts the same for every clip"
    ours = find(metrics, rules.main)
    for baseline in baselines:
        constant = find(baseline.metrics, rules.main).value
        if ours.value is None or constant is None:
            continue
        better = ours.value > constant if ours.higher_is_better else ours.value < constant
        if not better:
            return f"its {rules.main} is no better than the constant baseline's ({baseline.name})"
    return ""


def class_figures(
    task: Task, truth: m.Floats, decided: Clips
) -> tuple[tuple[ClassFigures, ...], tuple[tuple[int, ...], ...]]:
    """(figures of each class, confusion matrix); both empty for regression.

    The matrix is also empty for multi-label, where a clip may have several classes.
    """
    if task.kind == "regression":
        return (), ()
    if task.kind == "multi-label":
        pairs = zip(truth.T, decided.T, strict=True)
        counts = np.stack([m.confusion_matrix(y > 0.5, p, 2) for y, p in pairs])  # (C, 2, 2)
        support, predicted = counts[:, 1].sum(axis=1), counts[:, :, 1].sum(axis=1)
        return _each_class(task, support, predicted, counts[:, 1, 1]), ()
    number = truth[:, 0] > 0.5 if task.kind == "binary" else truth.argmax(axis=1)
    confusion = m.confusion_matrix(number, decided.astype(np.int64), len(task.classes))
    support, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    matrix = tuple(map(tuple, confusion.tolist()))
    return _each_class(task, support, predicted, np.diag(confusion)), matrix


def _each_class(
    task: Task, support: m.Ints, predicted: m.Ints, right: m.Ints
) -> tuple[ClassFigures, ...]:
    """support, predicted, right (C,)."""
    figures = []
    for place, name in enumerate(task.classes):
        s, p, r = int(support[place]), int(predicted[place]), int(right[place])
        precision = r / p if p else None
        recall = r / s if s else None
        f1 = 2 * r / (s + p) if s + p else None
        figures.append(ClassFigures(name, s, p, r, precision, recall, f1))
    return tuple(figures)


def find(metrics: Sequence[Metric], name: str) -> Metric:
    """The metric of that name; raises ValueError, which lists the known names, for another one."""
    for metric in metrics:
        if metric.name == name:
            return metric
    raise ValueError(
        f"there is no metric {name!r} here, only {', '.join(metric.name for metric in metrics)}"
    )
