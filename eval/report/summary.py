"""The sentences at the top of a report: scores, modalities and confidence of the model."""

from __future__ import annotations

from semanticmac.core import SCORE, counted
from semanticmac.eval.calibration import Agreement, agreements, calibration
from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.evaluate import Evaluation
from semanticmac.eval.metrics.scores import find
from semanticmac.eval.missing.subsets import score_subsets
from semanticmac.eval.report.formatting import joined, percent, plain
from semanticmac.eval.report.results_table import Cell, format_cell, metric_cell
from semanticmac.run.metric import Metric, digits_of


def warnings(result: Evaluation) -> list[str]:
    """What a reader must know before any number."""
    sentences = [f"{note}." for note in result.notes]
    if result.scores.collapsed:
        sentences.append(f"The model collapsed: {result.scores.why_collapsed}.")
    return sentences


def summary(data: EvalData, result: Evaluation) -> list[str]:
    """A few sentences about the scores, the modalities and the confidence of this model."""
    return [
        score_sentence(result),
        *modality_sentences(data, result),
        *confidence_sentences(data, result),
    ]


def score_sentence(result: Evaluation) -> str:
    """The main metric with its interval, and the best constant prediction."""
    scores = result.scores
    main = scores[scores.main]
    clips = counted(scores.scored, "clip")
    text = f"On {clips} the model reaches {main.name} {_printed(main, main.value)}"
    for interval in result.intervals:
        if interval.name == main.name:
            text += f" (95 % interval {_interval(main, interval.low, interval.high)})"

    constants = []
    for baseline in scores.baselines:
        value = find(baseline.metrics, main.name).value
        if value is not None:
            constants.append((value, baseline.name))
    if constants:
        choose = max if main.higher_is_better else min
        value, name = choose(constants, key=lambda constant: constant[0])
        text += f"; predicting the {name} for every clip reaches {_printed(main, value)}"
    return text + "."


def modality_sentences(data: EvalData, result: Evaluation) -> list[str]:
    """The modality that is best by itself, and the one whose absence costs most.

    Empty where the model has one modality, or where a subset has no defined main metric.
    """
    used = data.trained.info.model.modalities
    if len(used) < 2:
        return []
    metrics: dict[tuple[str, ...], Metric] = {}
    values: dict[tuple[str, ...], float] = {}
    for subset in score_subsets(data, result.split, lambda *_: None):
        metric = subset.scores[result.scores.main]
        if metric.value is None:
            return []
        metrics[subset.kept] = metric
        values[subset.kept] = metric.value if metric.higher_is_better else -metric.value

    others = {}
    for name in used:
        others[name] = tuple(other for other in used if other != name)
    best_alone = max(used, key=lambda name: values[(name,)])
    most_missed = min(used, key=lambda name: values[others[name]])
    rest = others[most_missed]
    main = metrics[used]
    alone_value = _printed(main, metrics[(best_alone,)].value)
    rest_value = _printed(main, metrics[rest].value)
    return [
        f"The best single modality is {best_alone} ({main.name} {alone_value}). "
        f"The model needs {most_missed} most: with {joined(rest)} only, it reaches {rest_value}."
    ]


def confidence_sentences(data: EvalData, result: Evaluation) -> list[str]:
    """Whether the size of scores, or the confidence of classes, fits the truth."""
    if data.trained.info.task.kind == "regression":
        task, predictions = data.trained.info.task, result.predictions
        parts = agreements(task, predictions.truth, predictions.multimodal)
        return [_agreement_sentence(part) for part in parts]
    return _calibration_sentences(data, result)


def _agreement_sentence(found: Agreement) -> str:
    of_name = "" if found.name == SCORE else f" of {found.name}"
    if found.slope is None:
        return f"It predicts the same{of_name} for every clip."
    verdict = "of the right size"
    if found.slope < 0.9:
        verdict = "too large"
    elif found.slope > 1.1:
        verdict = "too small"
    slope, bias = plain(found.slope), plain(found.bias, sign=True)
    return (
        f"Its scores{of_name} are {verdict} in absolute value "
        f"(slope of truth over prediction {slope}, bias {bias})."
    )


def _calibration_sentences(data: EvalData, result: Evaluation) -> list[str]:
    predictions = result.predictions
    valid = data.predict(data.rows("valid"))
    found = calibration(
        data.trained.info.task,
        (predictions.truth, predictions.multimodal),
        (valid.truth, valid.multimodal),
    )
    verdict = "well calibrated"
    if found.temperature > 1.05:
        verdict = "overconfident"
    elif found.temperature < 0.95:
        verdict = "underconfident"
    return [
        f"Its expected calibration error is {percent(found.error)}.",
        f"On validation it is {verdict}: the best temperature there is {plain(found.temperature)}. "
        f"With this temperature the error here is {percent(found.error_scaled)}.",
    ]


def _printed(metric: Metric, value: float | None) -> str:
    return format_cell(metric_cell([value], metric))


def _interval(metric: Metric, low: float | None, high: float | None) -> str:
    return format_cell(Cell(low=low, high=high, unit=metric.unit, digits=digits_of(metric.unit)))
