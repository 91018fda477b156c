"""What a report says in sentences: what the model is worth, what it leans on, and what to doubt."""

from __future__ import annotations

from semanticmac.eval.calibration import agreement, calibration
from semanticmac.eval.corruption import score_subsets
from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.evaluate import Evaluation
from semanticmac.eval.metrics.scores import find
from semanticmac.eval.report.formatting import cell, interval_cell, listed, percent, plain


def loud(result: Evaluation) -> list[str]:
    """What a reader must know before any number."""
    notes = [f"{note}." for note in result.notes]
    if result.scores.collapsed:
        notes.append(f"The model collapsed: {result.scores.why_collapsed}.")
    return notes


def summary(data: EvalData, result: Evaluation) -> list[str]:
    """A few sentences, each true of these numbers alone."""
    return [worth(result), *leaning(data, result), *belief(data, result)]


def worth(result: Evaluation) -> str:
    """The metric that the model is judged by, its interval, and the best that a constant reaches."""
    scores = result.scores
    main = scores[scores.main]
    limit = next((interval for interval in result.intervals if interval.name == main.name), None)
    between = interval_cell(limit.low, limit.high, main.name, 1) if limit else ""
    sure = f" (95 % interval {between})" if between else ""
    constants = [
        (b.name, value)
        for b in scores.baselines
        if (value := find(b.metrics, main.name).value) is not None
    ]
    text = f"On {scores.scored} clips the model reaches {main.name} {cell([main.value], main.name, 1)}{sure}"
    if constants:
        best = (max if main.higher_is_better else min)(constants, key=lambda one: one[1])
        text += f"; guessing the {best[0]} reaches {cell([best[1]], main.name, 1)}"
    return text + "."


def leaning(data: EvalData, result: Evaluation) -> list[str]:
    """Which modality serves best alone, and which is missed most."""
    used, main = data.trained.info.model.modalities, result.scores.main
    if len(used) < 2:
        return []
    scored = {
        one.kept: one.scores[main] for one in score_subsets(data, result.split, lambda *_: None)
    }
    if any(metric.value is None for metric in scored.values()):
        return []
    better = scored[used].higher_is_better
    worth_of = {
        kept: (metric.value or 0.0) * (1 if better else -1) for kept, metric in scored.items()
    }
    alone = max(used, key=lambda name: worth_of[(name,)])
    missed = min(used, key=lambda name: worth_of[tuple(other for other in used if other != name)])
    without = tuple(other for other in used if other != missed)
    one, rest = (cell([scored[kept].value], main, 1) for kept in ((alone,), without))
    return [
        f"Of its modalities {alone} serves best alone ({main} {one}); {missed} is missed most: with "
        f"{listed(without)} only it is {rest}."
    ]


def belief(data: EvalData, result: Evaluation) -> list[str]:
    """Whether its certainty, or the size of its scores, may be taken at its word."""
    task, said = data.trained.info.task, result.predictions
    if task.kind == "regression":
        agreed = agreement(task, said.truth, said.multimodal)
        if agreed.slope is None:
            return ["It predicts the same for every clip."]
        lean = (
            "too bold"
            if agreed.slope < 0.9
            else "too timid"
            if agreed.slope > 1.1
            else "of the right size"
        )
        slope, bias = plain(agreed.slope), plain(agreed.bias, sign=True)
        return [f"Its scores are {lean} (slope of truth over prediction {slope}, bias {bias})."]
    valid = data.predict(data.rows("valid"))
    found = calibration(task, (said.truth, said.multimodal), (valid.truth, valid.multimodal))
    lean = (
        "too sure"
        if found.temperature > 1.05
        else "not sure enough"
        if found.temperature < 0.95
        else "rightly sure"
    )
    return [
        f"Its expected calibration error is {percent(found.error)}. Validation shows it {lean} and asks for"
        f" temperature {plain(found.temperature)}, with which the error here is {percent(found.error_scaled)}."
    ]
