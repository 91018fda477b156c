"""Where the predictions of the single modalities contradict each other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from semanticmac.core import MODALITIES, Task
from semanticmac.eval.prediction import Prediction

# Two modalities disagree if they lie farther apart than this share of the label range …
SCORE_SHARE = 0.25
# … or if the probabilities that they give to one class do.
PROBABILITY_SHARE = 0.5

RULE_SCORES = f"farther apart than {SCORE_SHARE:.0%} of the label range"
RULE_CLASSES = f"probabilities of one class more than {PROBABILITY_SHARE:.0%} apart"


def disagreement(prediction: Prediction) -> tuple[str, str] | None:
    """The two modalities that are farthest apart; None where all of them agree.

    Only modalities that the clip has and that the model predicts alone are compared.
    """
    task = prediction.task
    outputs = prediction.probabilities if task.classes else prediction.outputs
    limit = PROBABILITY_SHARE if task.classes else SCORE_SHARE
    farthest: tuple[str, str] | None = None
    for first, second in combinations(MODALITIES, 2):
        one, other = outputs.get(first), outputs.get(second)
        if one is None or other is None:
            continue
        distance = _distance(task, one, other)
        if distance > limit:
            farthest, limit = (first, second), distance
    return farthest


def _distance(task: Task, one: Sequence[float], other: Sequence[float]) -> float:
    """The greatest difference, as a share of the range."""
    ranges = [1.0] * len(one)
    if not task.classes:
        ranges = [dimension.high - dimension.low for dimension in task.dimensions]
    distances: list[float] = []
    for a, b, width in zip(one, other, ranges, strict=True):
        distances.append(abs(a - b) / width)
    return max(distances)
