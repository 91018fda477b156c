"""Predictions and plain numbers as text for people."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import expit, softmax

from semanticmac.core import SCORE, Dimension, Task
from semanticmac.eval.report.results_table import UNDEFINED

NEUTRAL = 0.05  # scores this near to zero are neutral, as a share of half the label range


def prediction_text(task: Task, output: np.ndarray) -> str:
    """One output (K,) as text: scores, or classes with probabilities.

    A single score whose range has both signs has its sign in words; several scores have names. NaN
    is a dash.
    """
    if task.kind == "regression":
        return ", ".join(map(_score_text, output, task.dimensions))
    if task.kind == "single-label":
        shares = softmax(output)
        return f"{task.classes[int(shares.argmax())]} {shares.max():.0%}"
    shares = expit(output)
    if task.kind == "binary":
        positive = shares[0]
        return f"{task.classes[int(positive > 0.5)]} {max(positive, 1 - positive):.0%}"
    present = []
    for name, share in zip(task.classes, shares, strict=True):
        if share > 0.5:
            present.append(f"{name} {share:.0%}")
    return ", ".join(present) or "none"


def class_probabilities(task: Task, logits: Sequence[float]) -> list[float]:
    """One probability per class, in the order of the classes; a binary task has one logit."""
    if task.kind == "single-label":
        return list(map(float, softmax(logits)))
    shares = list(map(float, expit(logits)))
    if task.kind == "binary":
        return [1 - shares[0], shares[0]]
    return shares


def _score_text(value: float, dimension: Dimension) -> str:
    """`+1.20 positive`, `3.20`, or with a name `valence 3.20`."""
    name = "" if dimension.name == SCORE else f"{dimension.name} "
    if np.isnan(value):
        return f"{name}–"
    score = float(np.clip(value, dimension.low, dimension.high))
    text = name + score_text(score, dimension)
    has_sign = dimension.low < 0 < dimension.high
    return f"{text} {_sign_word(dimension, score)}" if has_sign and not name else text


def score_text(score: float | None, dimension: Dimension, digits: int = 2) -> str:
    """`+1.20`, or `3.20` of a score without negative values."""
    return plain(score, digits, sign=dimension.low < 0)


def interval_text(bounds: tuple[float, float] | None, dimension: Dimension) -> str:
    """The interval of a score, `−0.40 to +1.20`; a dash where there is none."""
    if bounds is None:
        return "–"
    return f"{score_text(bounds[0], dimension)} to {score_text(bounds[1], dimension)}"


def _sign_word(dimension: Dimension, score: float) -> str:
    if abs(score) < NEUTRAL * (dimension.high - dimension.low) / 2:
        return "neutral"
    return "positive" if score > 0 else "negative"


def plain(value: float | None, digits: int = 2, *, sign: bool = False) -> str:
    """A number that is no metric, as a label or a size; sign: with a plus where it is positive."""
    if value is None:
        return UNDEFINED
    text = f"{value:.{digits}f}".replace("-", "−")
    if set(text).isdisjoint("123456789"):
        return text.removeprefix("−")
    return f"+{text}" if sign and value > 0 else text


def percent(share: float) -> str:
    """A share as a percentage, with the sign %."""
    return f"{100 * share:.1f} %"


def joined(names: Sequence[str]) -> str:
    """`audio`, or `audio and vision`."""
    return " and ".join(names)
