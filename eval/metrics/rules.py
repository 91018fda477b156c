"""Which metrics a dataset is scored by: a rule set for each family, chosen by the dataset's name and kind of label."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from semanticmac.core import Task
from semanticmac.eval.metrics import functions as m

SIMS_DATASETS = ("sims", "simsv2")
MOSI_DATASETS = ("mosi", "mosei", "demo")
SIMS_ACC3, SIMS_ACC5 = (-0.1, 0.1), (-0.7, -0.1, 0.1, 0.7)
NO_VALIDATION = "threshold 0.5 for every class: no validation predictions were given to choose one"
ON_VALIDATION = "thresholds were chosen on validation: one for n-Acc and F1, one for w-F1"
RECALL_NOTE = "weighted recall equals accuracy: recall weighted by each class's share of the truth is the share right"

Clips = NDArray[Any]  # a row for each clip; what a row holds is the rule set's own affair


@dataclass(frozen=True)
class Metric:
    """One number of one set of predictions; accuracies and F1 are fractions here and percentages in the report."""

    name: str
    value: float | None  # None: undefined on these clips
    higher_is_better: bool = True
    note: str = ""


@dataclass(frozen=True)
class Threshold:
    """Where one class counts as present: probability > `probability`; 0 is always, 1 is never."""

    class_name: str
    goal: m.ThresholdGoal
    probability: float
    chosen: bool  # on validation; False: the default 0.5


@dataclass(frozen=True)
class RuleSet:
    """How predictions become metrics: each clip by itself first, then all of them together.

    The cut between the two lets a bootstrap draw clips again without deciding them again. truth and
    prediction are (N, K) float64 without NaN; `clips` has a row for each of the N, whatever `total`
    of the same rule set reads.
    """

    main: str  # the metric that a model is judged and chosen by
    clips: Callable[[m.Floats, m.Floats], Clips]
    total: Callable[[Clips], tuple[Metric, ...]]
    decide: Callable[
        [m.Floats], Clips
    ]  # prediction (N, K) → score or class number (N,), or present (N, C)
    thresholds: tuple[Threshold, ...] = ()

    def measure(self, truth: m.Floats, prediction: m.Floats) -> tuple[Metric, ...]:
        """The metrics, in the order that a report prints."""
        return self.total(self.clips(truth, prediction))


def rule_set(dataset: str, task: Task, valid: tuple[m.Floats, m.Floats] | None) -> RuleSet:
    """The rules of one dataset; `valid` (truth, prediction) is read by multi-label rules alone, for thresholds."""
    if task.kind == "regression":
        total = _regression_total(dataset, task)
        return RuleSet("MAE", lambda y, p: np.concatenate([y, p], axis=1), total, lambda p: p[:, 0])
    if task.kind == "multi-label":
        return multi_label_rules(task, valid)
    n = len(task.classes)
    if task.kind == "binary":
        return RuleSet(
            "weighted F1",
            lambda y, p: m.confusion_cells(y[:, 0] > 0.5, p[:, 0] > 0, n),
            lambda cells: total_binary(m.count_cells(cells, n)),
            lambda p: p[:, 0] > 0,
        )
    one_against_rest = dataset == "iemocap"
    return RuleSet(
        "weighted F1",
        lambda y, p: m.confusion_cells(y.argmax(axis=1), p.argmax(axis=1), n),
        lambda cells: total_single_label(task.classes, m.count_cells(cells, n), one_against_rest),
        lambda p: p.argmax(axis=1),
    )


# --- regression: a clip is (truth, prediction) ---


def _regression_total(dataset: str, task: Task) -> Callable[[Clips], tuple[Metric, ...]]:
    if dataset in SIMS_DATASETS:
        return total_sims
    if dataset in MOSI_DATASETS or (task.low, task.high) == (-3.0, 3.0):
        return total_mosi
    if task.low < 0 < task.high:
        return lambda clips: (*_both_zero_rules(*clips.T), *_distances(*clips.T))
    return lambda clips: _distances(
        *clips.T
    )  # a range on one side of zero has no sign to get right


def total_mosi(clips: Clips) -> tuple[Metric, ...]:
    """MOSI, MOSEI: Acc-2 and weighted F1 by both zero rules, Acc-7, Acc-5, and unclipped MAE and Pearson."""
    y, p = clips.T
    return (
        *_both_zero_rules(y, p),
        Metric("Acc-7", m.rounded_accuracy(y, p, 3)),
        Metric("Acc-5", m.rounded_accuracy(y, p, 2)),
        *_distances(y, p),
    )


def total_sims(clips: Clips) -> tuple[Metric, ...]:
    """CH-SIMS: both sides clipped to ±1 before every metric, MAE and Pearson too; weighted F1 on the Acc-2 classes."""
    y, p = clips.T.clip(-1, 1)
    two = m.interval_confusion(y, p, (0.0,))
    return (
        Metric("Acc-2", m.accuracy(two)),
        Metric("F1", m.weighted_f1(two)),
        Metric("Acc-3", m.accuracy(m.interval_confusion(y, p, SIMS_ACC3))),
        Metric("Acc-5", m.accuracy(m.interval_confusion(y, p, SIMS_ACC5))),
        *_distances(y, p),
    )


def _both_zero_rules(y: m.Floats, p: m.Floats) -> tuple[Metric, ...]:
    metrics = []
    zeros: m.ZeroRule
    for zeros in ("non-zero", "has-zero"):
        confusion = m.sign_confusion(y, p, zeros)
        note = "" if confusion.any() else f"{zeros} metrics are undefined: every label is 0"
        metrics.append(Metric(f"Acc-2 ({zeros})", m.accuracy(confusion), note=note))
        metrics.append(Metric(f"F1 ({zeros})", m.weighted_f1(confusion), note=note))
    return tuple(metrics)


def _distances(y: m.Floats, p: m.Floats) -> tuple[Metric, ...]:
    corr = m.pearson(y, p)
    constant = "predictions" if np.ptp(p) == 0 else "labels"
    note = "" if corr is not None else f"Corr is undefined: the {constant} are constant"
    return (
        Metric("MAE", m.mean_absolute_error(y, p), higher_is_better=False),
        Metric("Corr", corr, note=note),
    )


# --- classes: a clip is its cell of a confusion matrix ---


def total_binary(confusion: m.Ints) -> tuple[Metric, ...]:
    """UR-FUNNY, MUStARD: positive where the logit is above 0; precision, recall and F1 weighted by share of truth."""
    return (
        Metric("weighted precision", m.weighted_precision(confusion)),
        Metric("weighted recall", m.weighted_recall(confusion), note=RECALL_NOTE),
        Metric("Accuracy", m.accuracy(confusion)),
        Metric("weighted F1", m.weighted_f1(confusion)),
    )


def total_single_label(
    classes: tuple[str, ...], confusion: m.Ints, one_against_rest: bool
) -> tuple[Metric, ...]:
    """MELD: the class of the largest logit; accuracy, weighted F1, F1 of each class.

    IEMOCAP adds the utterance setting's one-against-rest figures: s-Acc a class and the means. The
    binary F1 of "this class or another?" is the F1 of that class, so it stands there once.
    """
    f1 = _each_class("F1", classes, m.class_f1(confusion), "neither true nor predicted in any clip")
    metrics = [
        Metric("Accuracy", m.accuracy(confusion)),
        Metric("weighted F1", m.weighted_f1(confusion)),
        *f1,
    ]
    if one_against_rest:
        s_acc = _each_class("s-Acc", classes, m.one_against_rest_accuracy(confusion), "")
        metrics += [*s_acc, mean_metric("s-Acc", s_acc), mean_metric("F1", f1)]
    return tuple(metrics)


def multi_label_rules(task: Task, valid: tuple[m.Floats, m.Floats] | None) -> RuleSet:
    """MOSEI emotions: n-Acc, binary F1 and weighted F1 of each class, and their means.

    Two thresholds a class, both chosen on validation: n-Acc and F1 are read where n-Acc is best,
    weighted F1 where weighted F1 is best. No single cut serves both: balancing a rare class costs
    the accuracy that the other counts.
    """
    balanced, weighted = (
        _thresholds(task.classes, valid, goal) for goal in ("n-Acc", "weighted F1")
    )
    balanced_cuts, weighted_cuts = (
        np.array([cut for cut, _ in side]) for side in (balanced, weighted)
    )
    note = NO_VALIDATION if valid is None else ON_VALIDATION
    defaults = [t.class_name for _, t in balanced if not t.chosen]
    if valid is not None and defaults:
        note += (
            f"; 0.5 for n-Acc of {', '.join(defaults)}, which validation has nowhere or everywhere"
        )
    return RuleSet(
        "mean w-F1",
        lambda y, p: (
            (4 * (y > 0.5) + 2 * (p > balanced_cuts) + (p > weighted_cuts))
            + 8 * np.arange(task.width)
        ),
        lambda clips: total_multi_label(task.classes, clips, note),
        lambda p: p > balanced_cuts,
        tuple(threshold for _, threshold in (*balanced, *weighted)),
    )


def total_multi_label(classes: tuple[str, ...], clips: Clips, note: str) -> tuple[Metric, ...]:
    """clips (N, C): 8·class + 4·true + 2·present by the thresholds of n-Acc and F1 + present by weighted F1's."""
    counts = np.bincount(clips.ravel(), minlength=8 * len(classes)).reshape(
        -1, 2, 2, 2
    )  # (C, true, first, second)
    balanced, weighted = counts.sum(axis=3), counts.sum(axis=2)  # (C, 2, 2) each
    nowhere, neither = "positive in no clip or in all", "neither true nor predicted in any clip"
    n_acc = _each_class("n-Acc", classes, map(m.balanced_accuracy, balanced), nowhere, note)
    f1 = _each_class("F1", classes, map(m.binary_f1, balanced), neither, note)
    w_f1 = _each_class("w-F1", classes, map(m.weighted_f1, weighted), "", note)
    return (
        *n_acc,
        *f1,
        *w_f1,
        mean_metric("n-Acc", n_acc),
        mean_metric("F1", f1),
        mean_metric("w-F1", w_f1),
    )


def _thresholds(
    classes: tuple[str, ...], valid: tuple[m.Floats, m.Floats] | None, goal: m.ThresholdGoal
) -> list[tuple[float, Threshold]]:
    """(logit, record) a class; 0, which is probability 0.5, where nothing can be chosen."""
    chosen = []
    for k, name in enumerate(classes):
        cut = (
            None
            if valid is None
            else m.choose_threshold(valid[0][:, k] > 0.5, valid[1][:, k], goal)
        )
        logit = 0.0 if cut is None else cut
        probability = float(np.exp(-np.logaddexp(0.0, -logit)))
        chosen.append((logit, Threshold(name, goal, probability, chosen=cut is not None)))
    return chosen


def _each_class(
    name: str,
    classes: tuple[str, ...],
    values: Iterable[float | None],
    why_undefined: str,
    note: str = "",
) -> list[Metric]:
    return [
        Metric(
            f"{name} ({c})",
            v,
            note=note if v is not None else f"{name} ({c}) is undefined: {why_undefined}",
        )
        for c, v in zip(classes, values, strict=True)
    ]


def mean_metric(name: str, parts: Sequence[Metric]) -> Metric:
    """The mean over classes; undefined if one part is, since a mean over fewer classes is another number."""
    defined = [part.value for part in parts if part.value is not None]
    if len(defined) < len(parts):
        return Metric(f"mean {name}", None, note=f"mean {name} is undefined, since a class's is")
    return Metric(f"mean {name}", float(np.mean(defined)))
