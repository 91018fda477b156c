"""compare: several runs on the clips that all of them have scored, each against the first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from semanticmac.core import Task
from semanticmac.eval.evaluate import Evaluation
from semanticmac.eval.metrics.paired import Difference, paired_bootstrap
from semanticmac.eval.predict import Predictions
from semanticmac.run.folder import RunError


@dataclass(frozen=True)
class Comparison:
    """Two runs on the same clips."""

    a: str
    b: str
    clips: int
    left_out: int  # clips that only one of the two has
    differences: tuple[Difference, ...]


def compare(task: Task, evaluations: Sequence[tuple[str, Evaluation]]) -> list[Comparison]:
    """(name of a run, its scores) → the first one against each of the others.

    Raises RunError where two runs share no clip, or disagree about the truth of one.
    """
    (first, a), *others = evaluations
    comparisons = []
    for name, b in others:
        left, right = on_same_clips(a.predictions, b.predictions)
        if a.scores.main != b.scores.main or left.truth.shape != right.truth.shape:
            raise RunError(
                f"{first} and {name} are scored by different rules: they cannot be compared"
            )
        if not np.array_equal(left.truth, right.truth, equal_nan=True):
            raise RunError(
                f"{first} and {name} were given different labels for the same clips: cache both anew"
            )
        sides = (left.truth, left.multimodal, right.multimodal)
        differences = paired_bootstrap(a.corpus, task, *sides, valid_a=a.valid, valid_b=b.valid)
        everyone = set(a.predictions.clip_ids) | set(b.predictions.clip_ids)
        comparisons.append(
            Comparison(
                first, name, len(left.clip_ids), len(everyone) - len(left.clip_ids), differences
            )
        )
    return comparisons


def on_same_clips(a: Predictions, b: Predictions) -> tuple[Predictions, Predictions]:
    """Both on the clips that both have, in the order of the first.

    Raises RunError where there are none.
    """
    there = {clip_id: row for row, clip_id in enumerate(b.clip_ids)}
    pairs = [(row, there[clip_id]) for row, clip_id in enumerate(a.clip_ids) if clip_id in there]
    if not pairs:
        raise RunError(
            "these runs have no clip in common: compare runs that were trained on the same corpus"
        )
    mine, theirs = (list(side) for side in zip(*pairs, strict=True))
    return pick(a, mine), pick(b, theirs)


def pick(predictions: Predictions, rows: Sequence[int]) -> Predictions:
    """Some of the clips, in this order."""
    chosen = list(rows)
    return replace(
        predictions,
        clip_ids=tuple(predictions.clip_ids[row] for row in chosen),
        truth=predictions.truth[chosen],
        scores=predictions.scores[chosen],
        present=predictions.present[chosen],
    )
