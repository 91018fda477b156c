"""One vector for the embeddings of a clip."""

from __future__ import annotations

import numpy as np


def pool_rows(rows: np.ndarray) -> np.ndarray:
    """rows (F, E) → (2·E,) float64: their mean and their deviation over time."""
    wide = rows.astype(np.float64)
    return np.concatenate([wide.mean(axis=0), wide.std(axis=0)])
