"""Metrics of each dataset: a rule set for each family, by corpus and kind of label."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from semanticmac.core import Task
from semanticmac.eval.metrics import functions as m
from semanticmac.eval.metrics.dimensions import total_dimensions
from semanticmac.eval.metrics.parts import mean_metric, part_metrics
from semanticmac.run.metric import Metric

SIMS_DATASETS = ("sims", "simsv2")
MOSI_DATASETS = ("mosi", "mosei", "demo")
SIMS_ACC3, SIMS_ACC5 = (-0.1, 0.1), (-0.7, -0.1, 0.1, 0.7)
NO_VALIDATION = "threshold 0.5 for every class: no validation predictions were given to choose one"
ON_VALIDATION = "thresholds were chosen on validation: one for n-Acc and F1, one for w-F1"
RECALL_NOTE = (
    "weighted recall equals accuracy: "
    "recall weighted by each class's share of the truth is the share right"
)
EQUAL_ZERO_RULES = "no label here is 0, so has-zero and non-zero metrics are equal"
NEITHER = "neither true nor predicted in any clip"
NOWHERE = "positive in no clip or in all"

Clips = NDArray[Any]  # a row for each clip; each rule set has its own content of a row
TotalFn = Callable[[Clips], tuple[Metric, ...]]


@dataclass(frozen=True)
class Threshold:
    """A class counts as present where its probability > `probability`; 0 is always, 1 is never."""

    class_name: str
    goal: m.ThresholdGoal
    probability: float
    chosen: bool  # on validation; False: the default 0.5


@dataclass(frozen=True)
class RuleSet:
    """How predictions become metrics, in two steps: each clip by itself, then all clips together.

    A bootstrap repeats only the second step. truth and prediction are (N, K) float64; NaN stands
    only for single scores that are not annotated. `clips` returns one row for each of the N clips,
    and `total` reads these rows.
    """

    main: str  # name of the metric that a model is judged and chosen by
    clips: Callable[[m.Floats, m.Floats], Clips]
    total: TotalFn
    # prediction (N, K) → scores (N, K), class number (N,), or present (N, C)
    decide: Callable[[m.Floats], Clips]
    thresholds: tuple[Threshold, ...] = ()

    def measure(self, truth: m.Floats, prediction: m.Floats) -> tuple[Metric, ...]:
        """The metrics, in the order of a report."""
        return self.total(self.clips(truth, prediction))


def rule_set(dataset: str, task: Task, valid: tuple[m.Floats, m.Floats] | None) -> RuleSet:
    """The rules of one corpus.

    valid: truth and prediction of validation, from which multi-label rules choose thresholds; other
    rules ignore it.
    """
    if task.kind == "regression":
        return regression_rules(dataset, task)
    if task.kind == "multi-label":
        return multi_label_rules(task, valid)
    if task.kind == "binary":
        return binary_rules()
    return single_label_rules(task, one_against_rest=dataset == "iemocap")


# --- regression: a clip is (truth of K scores, their prediction) ---


def regression_rules(dataset: str, task: Task) -> RuleSet:
    """Sentiment and other single scores, judged by MAE; several scores, judged by mean CCC."""

    def clips(truth: m.Floats, prediction: m.Floats) -> Clips:
        return np.concatenate([truth, prediction], axis=1)  # (N, 2K)

    def decide(prediction: m.Floats) -> Clips:
        return prediction

    if task.width > 1:
        return RuleSet("mean CCC", clips, partial(total_dimensions, task), decide)
    return RuleSet("MAE", clips, _total_of_score(dataset, task), decide)


def _total_of_score(dataset: str, task: Task) -> TotalFn:
    if dataset in SIMS_DATASETS:
        return total_sims
    if dataset in MOSI_DATASETS:
        return total_mosi
    total = total_signed if task.low < 0 < task.high else total_unsigned
    if (task.low, task.high) == (-3.0, 3.0):
        total = total_mosi
    return partial(_with_concordance, total)


def total_mosi(clips: Clips) -> tuple[Metric, ...]:
    """MOSI, MOSEI: Acc-2 and weighted F1 by both zero rules, Acc-7, Acc-5, MAE and Corr."""
    y, p = clips.T
    return (
        *_both_zero_rules(y, p),
        Metric("Acc-7", m.rounded_accuracy(y, p, 3), paper_keys=("acc7",)),
        Metric("Acc-5", m.rounded_accuracy(y, p, 2), paper_keys=("acc5",)),
        *_distances(y, p),
    )


def total_sims(clips: Clips) -> tuple[Metric, ...]:
    """CH-SIMS: both sides are clipped to ±1 first; weighted F1 of the Acc-2 classes."""
    y, p = clips.T.clip(-1, 1)
    two = m.interval_confusion(y, p, (0.0,))
    three = m.interval_confusion(y, p, SIMS_ACC3)
    five = m.interval_confusion(y, p, SIMS_ACC5)
    return (
        Metric("Acc-2", m.accuracy(two), paper_keys=("acc2",)),
        Metric("F1", m.weighted_f1(two), paper_keys=("f1",)),
        Metric("Acc-3", m.accuracy(three), paper_keys=("acc3",)),
        Metric("Acc-5", m.accuracy(five), paper_keys=("acc5",)),
        *_distances(y, p),
    )


def total_signed(clips: Clips) -> tuple[Metric, ...]:
    """Any other range with a negative and a positive side."""
    y, p = clips.T
    return (*_both_zero_rules(y, p), *_distances(y, p))


def total_unsigned(clips: Clips) -> tuple[Metric, ...]:
    """A range on one side of zero: there is no sign to predict."""
    y, p = clips.T
    return _distances(y, p)


def _with_concordance(total: TotalFn, clips: Clips) -> tuple[Metric, ...]:
    """The metrics and CCC, for corpora whose published tables do not fix the metrics."""
    y, p = clips.T
    return (*total(clips), Metric("CCC", m.concordance(y, p), unit="number"))


def _both_zero_rules(y: m.Floats, p: m.Floats) -> tuple[Metric, ...]:
    """Acc-2 and F1 without clips of truth 0, as the paper has them, and with these clips."""
    metrics = []
    equal = "" if (y == 0).any() or (p == 0).any() else EQUAL_ZERO_RULES
    zeros: m.ZeroRule
    for zeros in ("non-zero", "has-zero"):
        confusion = m.sign_confusion(y, p, zeros)
        note = "" if confusion.any() else f"{zeros} metrics are undefined: every label is 0"
        for name, value, key in (
            ("Acc-2", m.accuracy(confusion), "acc2"),
            ("F1", m.weighted_f1(confusion), "f1"),
        ):
            keys = (key,) if zeros == "non-zero" else ()
            metrics.append(
                Metric(
                    f"{name} ({zeros})",
                    value,
                    note=note,
                    remark=equal,
                    zero_rule=zeros,
                    paper_keys=keys,
                )
            )
    return tuple(metrics)


def _distances(y: m.Floats, p: m.Floats) -> tuple[Metric, ...]:
    error = m.mean_absolute_error(y, p)
    corr = m.pearson(y, p)
    note = ""
    if corr is None:
        constant = "predictions" if np.ptp(p) == 0 else "labels"
        note = f"Corr is undefined: the {constant} are constant"
    return (
        Metric("MAE", error, higher_is_better=False, unit="number", paper_keys=("mae",)),
        Metric("Corr", corr, note=note, unit="number", paper_keys=("corr",)),
    )


# --- classes: a clip is its cell of a confusion matrix ---


def binary_rules() -> RuleSet:
    """UR-FUNNY, MUStARD: positive where the logit is above 0."""

    def clips(truth: m.Floats, prediction: m.Floats) -> Clips:
        return m.confusion_cells(truth[:, 0] > 0.5, decide(prediction), 2)

    def total(cells: Clips) -> tuple[Metric, ...]:
        return total_binary(m.count_cells(cells, 2))

    def decide(prediction: m.Floats) -> Clips:
        return prediction[:, 0] > 0

    return RuleSet("weighted F1", clips, total, decide)


def total_binary(confusion: m.Ints) -> tuple[Metric, ...]:
    """Accuracy, and precision, recall and F1 of each class, weighted by its share of the truth."""
    precision, recall = m.weighted_precision(confusion), m.weighted_recall(confusion)
    return (
        Metric("weighted precision", precision, paper_keys=("w-precision",)),
        Metric("weighted recall", recall, note=RECALL_NOTE, paper_keys=("w-recall",)),
        *_accuracy_and_f1(confusion),
    )


def single_label_rules(task: Task, one_against_rest: bool) -> RuleSet:
    """MELD, IEMOCAP: the class of the largest logit."""
    classes = task.classes
    n = len(classes)

    def clips(truth: m.Floats, prediction: m.Floats) -> Clips:
        return m.confusion_cells(truth.argmax(axis=1), decide(prediction), n)

    def total(cells: Clips) -> tuple[Metric, ...]:
        return total_single_label(classes, m.count_cells(cells, n), one_against_rest)

    def decide(prediction: m.Floats) -> Clips:
        classes: Clips = prediction.argmax(axis=1)
        return classes

    return RuleSet("weighted F1", clips, total, decide)


def total_single_label(
    classes: tuple[str, ...], confusion: m.Ints, one_against_rest: bool
) -> tuple[Metric, ...]:
    """Accuracy, weighted F1 and F1 of each class.

    IEMOCAP adds figures of the utterance setting: s-Acc of each class, and the means. The binary F1
    of "this class or another?" is the F1 of the class, so it is listed once.
    """
    # The paper prints F1 of a class as b-f1 (utterance setting) or as w-f1 (conversation setting).
    f1 = part_metrics("F1", classes, m.class_f1(confusion), ("b-f1", "w-f1"), NEITHER)
    metrics = [*_accuracy_and_f1(confusion), *f1]
    if one_against_rest:
        accuracies = m.one_against_rest_accuracy(confusion)
        s_acc = part_metrics("s-Acc", classes, accuracies, ("s-acc",), "")
        metrics += [*s_acc, mean_metric("s-Acc", s_acc, "s-acc"), mean_metric("F1", f1, "b-f1")]
    return tuple(metrics)


def _accuracy_and_f1(confusion: m.Ints) -> tuple[Metric, Metric]:
    return (
        Metric("Accuracy", m.accuracy(confusion), paper_keys=("w-acc",)),
        Metric("weighted F1", m.weighted_f1(confusion), paper_keys=("w-f1",)),
    )


# --- multi-label: a clip is one cell for each class ---


def multi_label_rules(task: Task, valid: tuple[m.Floats, m.Floats] | None) -> RuleSet:
    """MOSEI emotions: n-Acc, binary F1 and weighted F1 of each class, and their means.

    Each class has two thresholds, both chosen on validation: one where n-Acc is best, for n-Acc and
    F1, and one where weighted F1 is best. One threshold cannot serve both: balancing a rare class
    costs accuracy, which weighted F1 counts.
    """
    classes = task.classes
    balanced = choose_thresholds(classes, valid, "n-Acc")
    weighted = choose_thresholds(classes, valid, "weighted F1")
    balanced_cuts = np.array([cut for cut, _ in balanced])  # (C,) logits
    weighted_cuts = np.array([cut for cut, _ in weighted])
    thresholds = tuple(threshold for _, threshold in (*balanced, *weighted))

    note = NO_VALIDATION if valid is None else ON_VALIDATION
    defaults = []
    for _, threshold in balanced:
        if not threshold.chosen:
            defaults.append(threshold.class_name)
    if valid is not None and defaults:
        names = ", ".join(defaults)
        note += f"; 0.5 for n-Acc of {names}, which validation has nowhere or everywhere"

    def clips(truth: m.Floats, prediction: m.Floats) -> Clips:
        bits = 4 * (truth > 0.5) + 2 * decide(prediction) + (prediction > weighted_cuts)  # (N, C)
        cells: Clips = bits + 8 * np.arange(len(classes))
        return cells

    def total(cells: Clips) -> tuple[Metric, ...]:
        return total_multi_label(classes, cells, note)

    def decide(prediction: m.Floats) -> Clips:
        present: Clips = prediction > balanced_cuts
        return present

    return RuleSet("mean w-F1", clips, total, decide, thresholds)


def total_multi_label(classes: tuple[str, ...], clips: Clips, note: str) -> tuple[Metric, ...]:
    """clips (N, C): 8·class + 4·true + 2·(present for n-Acc and F1) + (present for weighted F1)."""
    counts = np.bincount(clips.ravel(), minlength=8 * len(classes))
    counts = counts.reshape(-1, 2, 2, 2)  # (C, true, present for n-Acc, present for weighted F1)
    balanced, weighted = counts.sum(axis=3), counts.sum(axis=2)  # (C, 2, 2) each
    n_acc_values = map(m.balanced_accuracy, balanced)
    n_acc = part_metrics("n-Acc", classes, n_acc_values, ("n-acc",), NOWHERE, note)
    f1 = part_metrics("F1", classes, map(m.binary_f1, balanced), ("b-f1",), NEITHER, note)
    w_f1 = part_metrics("w-F1", classes, map(m.weighted_f1, weighted), ("w-f1",), "", note)
    return (
        *n_acc,
        *f1,
        *w_f1,
        mean_metric("n-Acc", n_acc, "n-acc"),
        mean_metric("F1", f1, "b-f1"),
        mean_metric("w-F1", w_f1),
    )


def choose_thresholds(
    classes: tuple[str, ...], valid: tuple[m.Floats, m.Floats] | None, goal: m.ThresholdGoal
) -> list[tuple[float, Threshold]]:
    """(logit, record) of each class; logit 0, probability 0.5, where nothing can be chosen."""
    chosen = []
    for k, name in enumerate(classes):
        cut = None
        if valid is not None:
            truth, logits = valid
            cut = m.choose_threshold(truth[:, k] > 0.5, logits[:, k], goal)
        logit = 0.0 if cut is None else cut
        chosen.append((logit, Threshold(name, goal, float(expit(logit)), chosen=cut is not None)))
    return chosen
