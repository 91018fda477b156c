"""One set of predictions, scored: the dataset's metrics, the same for constant predictions, and what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semanticmac.core import Task
from semanticmac.eval.metrics import functions as m
from semanticmac.eval.metrics.rules import Clips, Metric, RuleSet, Threshold, rule_set

Pair = tuple[m.Floats, m.Floats]  # truth (N, K), raw prediction (N, K)


@dataclass(frozen=True)
class Baseline:
    """What a prediction that never looks at a clip scores."""

    name: str
    metrics: tuple[Metric, ...]


@dataclass(frozen=True)
class ClassFigures:
    """One class against the rest; multi-label classes at the thresholds of n-Acc and F1."""

    name: str
    support: int  # clips that have it
    predicted: int  # clips that were given it
    right: int  # both
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True)
class Scores:
    """Everything a report says about one run on one split.

    Full precision; rounding is the report's.
    """

    metrics: tuple[Metric, ...]
    baselines: tuple[Baseline, ...]
    main: str  # name of the metric that the model is judged by
    collapsed: bool
    why_collapsed: str  # in words; empty if it did not
    scored: int  # clips
    unlabelled: int  # clips left out, their truth being NaN
    classes: tuple[ClassFigures, ...] = ()  # class tasks
    confusion: tuple[
        tuple[int, ...], ...
    ] = ()  # rows truth, columns prediction; single-label and binary
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
    """truth, prediction (N, K), K = task.width → Scores. A row of truth with a NaN is not annotated: left out, counted.

    prediction is what the model's head gives: the score, or logits. Baselines are constants of
    train_truth (M, K). valid serves multi-label thresholds alone; nothing is ever chosen on the
    clips that are scored. Raises ValueError for shapes that disagree, predictions that are not
    finite, and splits without a label.
    """
    scored_truth, scored_prediction = labelled(task, truth, prediction, "this split")
    train = labelled(task, train_truth, train_truth, "train")[0]
    valid = None if valid is None else labelled(task, *valid, "valid")
    rules = rule_set(dataset, task, valid)
    metrics = rules.measure(scored_truth, scored_prediction)
    baselines = []
    for name, constant in constants(task, train):
        # The same constant on validation: a baseline may choose its thresholds just as a model may.
        same = None if valid is None else (valid[0], np.broadcast_to(constant, valid[0].shape))
        measure = rule_set(dataset, task, same).measure
        baselines.append(
            Baseline(name, measure(scored_truth, np.broadcast_to(constant, scored_truth.shape)))
        )
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
    """The rows whose truth is annotated, both sides, checked."""
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
    keep = ~np.isnan(truth).any(axis=1)
    if not keep.any():
        raise ValueError(nothing)
    truth, prediction = truth[keep].astype(np.float64), prediction[keep].astype(np.float64)
    broken = int((~np.isfinite(prediction)).any(axis=1).sum())
    if broken:
        raise ValueError(
            f"{broken} of {len(prediction)} predictions of {split} are NaN or infinite: training diverged"
        )
    return truth, prediction


def constants(task: Task, train: m.Floats) -> list[tuple[str, m.Floats]]:
    """(name, raw prediction (K,)) of every constant baseline; train (M, K) truth."""
    if task.kind == "regression":
        return [("train mean", train.mean(axis=0)), ("train median", np.median(train, axis=0))]
    share = train.mean(axis=0)
    if task.kind == "single-label":
        return [("majority class", np.eye(task.width)[share.argmax()])]
    with np.errstate(divide="ignore"):
        logit = np.clip(
            np.log(share) - np.log1p(-share), -50.0, 50.0
        )  # finite for a class that all or none have
    return [("majority class" if task.kind == "binary" else "train prior", logit)]


def why_collapsed(
    rules: RuleSet, metrics: Sequence[Metric], baselines: Sequence[Baseline], prediction: m.Floats
) -> str:
    """In words, why the model learnt nothing that this split shows; empty if it did."""
    decided = rules.decide(prediction)
    if len(decided) > 1 and (decided == decided[0]).all():
        return "it predicts the same for every clip"
    ours = find(metrics, rules.main)
    for baseline in baselines:
        constant = find(baseline.metrics, rules.main).value
        if ours.value is None or constant is None:
            continue
        if (ours.value <= constant) if ours.higher_is_better else (ours.value >= constant):
            return f"its {rules.main} is no better than the constant baseline's ({baseline.name})"
    return ""


def class_figures(
    task: Task, truth: m.Floats, decided: Clips
) -> tuple[tuple[ClassFigures, ...], tuple[tuple[int, ...], ...]]:
    """(figures a class, confusion matrix where every clip has one class); both empty for regression."""
    if task.kind == "regression":
        return (), ()
    if task.kind == "multi-label":
        counts = np.stack(
            [m.confusion_matrix(y > 0.5, p, 2) for y, p in zip(truth.T, decided.T, strict=True)]
        )
        support, predicted, right = (
            counts[:, 1, :].sum(axis=1),
            counts[:, :, 1].sum(axis=1),
            counts[:, 1, 1],
        )
        matrix: tuple[tuple[int, ...], ...] = ()
    else:
        number = truth[:, 0] > 0.5 if task.kind == "binary" else truth.argmax(axis=1)
        confusion = m.confusion_matrix(number, decided.astype(np.int64), len(task.classes))
        support, predicted, right = confusion.sum(axis=1), confusion.sum(axis=0), np.diag(confusion)
        matrix = tuple(tuple(row) for row in confusion.tolist())
    figures = tuple(
        ClassFigures(
            name,
            s,
            p,
            r,
            r / p if p else None,
            r / s if s else None,
            2 * r / (s + p) if s + p else None,
        )
        for name, s, p, r in zip(
            task.classes, support.tolist(), predicted.tolist(), right.tolist(), strict=True
        )
    )
    return figures, matrix


def find(metrics: Sequence[Metric], name: str) -> Metric:
    """The metric of that name; ValueError, naming those that there are, if there is none."""
    for metric in metrics:
        if metric.name == name:
            return metric
    raise ValueError(
        f"there is no metric {name!r} here, only {', '.join(metric.name for metric in metrics)}"
    )
