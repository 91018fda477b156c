"""Rows of an embedding: row k belongs to the time k/2 s, in every encoder."""

from __future__ import annotations

import numpy as np

from semanticmac.preprocess.encoders.protocol import FRAMES_PER_S, EncodeError

SAMPLE_RATE_HZ = 16_000
HOP_SAMPLES = SAMPLE_RATE_HZ // FRAMES_PER_S
WINDOW_SAMPLES = 2 * SAMPLE_RATE_HZ  # 2 s around k/2 s, the audio window of ImageBind
FLOAT16_MAX = float(np.finfo(np.float16).max)


def window_slices(states: int, centre: int, step: int, rows: int) -> list[slice]:
    """The states in the window of each row: those with their centre in [k/2 − 1 s, k/2 + 1 s).

    states: how many there are, at least one; state j has its centre at sample `centre + j · step`.
    Every slice has a state: a window without one gets the state that is nearest to it.
    """
    slices = []
    for row in range(rows):
        start = row * HOP_SAMPLES - WINDOW_SAMPLES // 2
        first = _ceil_div(start - centre, step)
        end = _ceil_div(start + WINDOW_SAMPLES - centre, step)
        first = min(max(first, 0), states - 1)
        slices.append(slice(first, min(max(end, first + 1), states)))
    return slices


def window_means(states: np.ndarray, centre: int, step: int, rows: int) -> np.ndarray:
    """states (S, E) → (rows, E) float32: the mean over the window of each row."""
    means = np.empty((rows, states.shape[1]), np.float32)
    for row, window in enumerate(window_slices(len(states), centre, step, rows)):
        means[row] = states[window].mean(axis=0, dtype=np.float64)
    return means


def to_float16(embeddings: np.ndarray, source: str) -> np.ndarray:
    """The embeddings as they are stored. Raises EncodeError where float16 cannot hold them."""
    if not np.isfinite(embeddings).all():
        raise EncodeError(
            f"the embedding of its {source} is not finite; the weights or the input are broken"
        )
    largest = float(np.abs(embeddings).max(initial=0.0))
    if largest > FLOAT16_MAX:
        raise EncodeError(
            f"the embedding of its {source} reaches {largest:.3g}, beyond the largest float16, "
            f"{FLOAT16_MAX:.0f}"
        )
    return embeddings.astype(np.float16)


def _ceil_div(a: int, b: int) -> int:
    return -(-a // b)
