"""compare: several runs, each against the first, on the clips that both have scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from semanticmac.core import Task
from semanticmac.eval.evaluate import Evaluation
from semanticmac.eval.metrics.paired import Difference, paired_bootstrap
from semanticmac.run.folder import RunError
from semanticmac.run.notes import notes_of_runs
from semanticmac.run.predictions import Predictions


@dataclass(frozen=True)
class Comparison:
    """Two runs on the same clips."""

    a: str
    b: str
    clips: int
    left_out: int  # clips that only one of the two has
    differences: tuple[Difference, ...]
    warnings: tuple[str, ...] = ()  # about the models, such as an unfinished training


def compare(task: Task, evaluations: Sequence[tuple[str, Evaluation]]) -> list[Comparison]:
    """evaluations: (name of a run, its evaluation) → the first run against each of the others.

    Raises RunError where two runs share no clip, have different metrics, or disagree about the
    truth of a clip.
    """
    (first, a), *others = evaluations
    return [_compare_two(task, first, a, name, b) for name, b in others]


def _compare_two(task: Task, name_a: str, a: Evaluation, name_b: str, b: Evaluation) -> Comparison:
    left, right = on_same_clips(a.predictions, b.predictions)
    if a.scores.main != b.scores.main or left.truth.shape != right.truth.shape:
        raise RunError(
            f"{name_a} and {name_b} are scored by different rules: they cannot be compared"
        )
    if not np.array_equal(left.truth, right.truth, equal_nan=True):
        raise RunError(
            f"{name_a} and {name_b} were given different labels for the same clips: cache both anew"
        )
    differences = paired_bootstrap(
        a.corpus,
        task,
        left.truth,
        left.multimodal,
        right.multimodal,
        valid_a=a.valid,
        valid_b=b.valid,
    )
    clips = len(left.clip_ids)
    all_clips = set(a.predictions.clip_ids) | set(b.predictions.clip_ids)
    warnings = notes_of_runs([(name_a, a.notes), (name_b, b.notes)])
    return Comparison(name_a, name_b, clips, len(all_clips) - clips, differences, warnings)


def on_same_clips(a: Predictions, b: Predictions) -> tuple[Predictions, Predictions]:
    """Both predictions on their common clips, in the order of the first.

    Raises RunError where there is no common clip.
    """
    place_in_b = {clip_id: place for place, clip_id in enumerate(b.clip_ids)}
    places_a, places_b = [], []
    for place, clip_id in enumerate(a.clip_ids):
        if clip_id in place_in_b:
            places_a.append(place)
            places_b.append(place_in_b[clip_id])
    if not places_a:
        raise RunError(
            "these runs have no clip in common: compare runs that were trained on the same corpus"
        )
    return select(a, places_a), select(b, places_b)


def select(predictions: Predictions, places: Sequence[int]) -> Predictions:
    """Some of the clips, in this order."""
    chosen = list(places)
    return replace(
        predictions,
        clip_ids=tuple(predictions.clip_ids[place] for place in chosen),
        truth=predictions.truth[chosen],
        outputs=predictions.outputs[chosen],
        present=predictions.present[chosen],
    )
