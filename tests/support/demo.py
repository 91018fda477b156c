"""A small demo corpus, and how well features predict an affect."""

from __future__ import annotations

import hashlib

import numpy as np
from sklearn.linear_model import Ridge

from semanticmac.preprocess.demo.plan import DemoSpec

SMALL = DemoSpec(seed=3, clips=8, size_px=64)


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()


def correlation(features: np.ndarray, truth: np.ndarray, train: int) -> float:
    """Pearson's r of ridge regression on the rows from `train` on, fitted on the rows before."""
    scaled = (features - features[:train].mean(axis=0)) / (features[:train].std(axis=0) + 1e-9)
    model = Ridge(alpha=100).fit(scaled[:train], truth[:train])
    return float(np.corrcoef(model.predict(scaled[train:]), truth[train:])[0, 1])
