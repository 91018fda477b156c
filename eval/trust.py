"""How far one prediction can be trusted: an interval, and whether the clip is like the train clips.

Everything is fitted on train features and validation predictions; no test clip is read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from semanticmac.core import Dimension
from semanticmac.eval.metrics.functions import Floats

LEVEL = 0.9  # share of clips whose truth lies in the interval
MIN_ERRORS = 9  # the fewest clips that give an interval of this level: n with ⌈(n + 1) · level⌉ ≤ n
UNUSUAL_SHARE = 0.05  # of validation clips that are flagged
MAX_DIRECTIONS = 32  # of the density of train features


def conformal_half_width(errors: Sequence[float] | Floats, level: float = LEVEL) -> float:
    """q, so that [ŷ − q, ŷ + q] holds the truth of a new clip with probability ≥ `level`.

    errors: |y − ŷ| of the N validation clips. q is the ⌈(N + 1) · level⌉-th smallest of them
    (split conformal prediction, Lei et al. 2018, JASA 113). Infinite where N is too small for the
    level. The promise holds on average over clips like those of validation.
    """
    ordered = np.sort(np.asarray(errors, dtype=np.float64))
    rank = math.ceil((len(ordered) + 1) * level - 1e-9)
    return float(ordered[rank - 1]) if rank <= len(ordered) else math.inf


def interval(dimension: Dimension, prediction: float, half_width: float) -> tuple[float, float]:
    """The interval around a score, within the range of its labels."""
    low = max(dimension.low, prediction - half_width)
    high = min(dimension.high, prediction + half_width)
    # A prediction outside the range has its interval at the edge.
    return min(low, dimension.high), max(high, dimension.low)


def coverage(
    dimension: Dimension, truth: Floats, prediction: Floats, half_width: float
) -> float | None:
    """The share of labelled clips whose truth lies in its interval; truth, prediction (N,).

    None where no clip has a label.
    """
    inside: list[bool] = []
    for y, p in zip(truth, prediction, strict=True):
        if not math.isnan(y):
            low, high = interval(dimension, float(p), half_width)
            inside.append(low - 1e-9 <= y <= high + 1e-9)
    return float(np.mean(inside)) if inside else None


@dataclass(frozen=True)
class FeatureDensity:
    """A normal density of pooled features of the train clips (probabilistic PCA).

    The features are standardised. Their main directions have a variance each, and all other
    directions share one (Tipping & Bishop 1999, J. R. Stat. Soc. B 61).
    """

    mean: Floats  # (E,)
    deviation: Floats  # (E,)
    directions: Floats  # (k, E), orthonormal rows
    variances: Floats  # (k,)
    rest: float  # variance of every other direction
    threshold: float  # greatest distance that is not unusual

    @classmethod
    def fit(cls, train: Floats, valid: Floats, share: float = UNUSUAL_SHARE) -> FeatureDensity:
        """train (N, E), valid (M, E): pooled features of clips.

        share: of the validation clips that count as unusual. Raises ValueError for fewer than two
        train clips or no validation clip.
        """
        if len(train) < 2 or not len(valid):
            raise ValueError(
                f"{len(train)} train and {len(valid)} validation clips are too few for a density "
                "of their features: expected at least 2 and 1"
            )
        mean, deviation = train.mean(0), train.std(0)
        deviation = np.where(deviation > 1e-6, deviation, 1.0)
        standard = (train - mean) / deviation
        _, singular, rows = np.linalg.svd(standard, full_matrices=False)
        variances = singular**2 / (len(train) - 1)
        # Half of what the train clips can tell, so that the rest is measured and not fitted.
        k = max(1, min(MAX_DIRECTIONS, len(train) // 2, train.shape[1] - 1))
        others = train.shape[1] - k
        rest = float(variances[k:].sum() / others) if others else 0.0
        rest = max(rest, 1e-3)
        density = cls(
            mean, deviation, rows[:k], np.maximum(variances[:k], rest), rest, threshold=math.inf
        )
        distances = density.distances(valid)
        threshold = float(np.quantile(distances, 1 - share, method="higher"))
        return cls(
            density.mean,
            density.deviation,
            density.directions,
            density.variances,
            density.rest,
            threshold,
        )

    def distances(self, features: Floats) -> Floats:
        """(N, E) pooled features → (N,) Mahalanobis distances per root of the width.

        About 1 for a clip like those of train.
        """
        standard = (features - self.mean) / self.deviation
        along = standard @ self.directions.T
        off = np.maximum((standard**2).sum(1) - (along**2).sum(1), 0.0)
        squared = (along**2 / self.variances).sum(1) + off / self.rest
        distances: Floats = np.sqrt(squared / features.shape[1])
        return distances

    def is_unusual(self, features: Floats) -> bool:
        """Whether one clip, (E,), is farther away than all but 5 % of the validation clips."""
        return bool(self.distances(features[None])[0] > self.threshold)
