"""Mean and deviation of the frame embeddings, from the train clips alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler

from semanticmac.cache.dataset import ClipDataset
from semanticmac.model.build import Network

_FRAMES_AT_ONCE = 4096


def fit_frame_scaling(model: Network, train: ClipDataset) -> None:
    """Gives the model the statistics of the train clips, if it scales its frames.

    A modality without a train frame stays as it is cached.

    Every frame has the same weight. The statistics depend on the clips and their order alone, so
    all processes of a training run, and a resumed one, get the same.
    """
    if model.frame_scaling is None:
        return
    arrays = train.to_numpy()
    for modality in model.frame_scaling.modalities:
        clips: Sequence[np.ndarray] = getattr(arrays, modality)
        if not any(len(frames) for frames in clips):  # No face was found in any clip, for example.
            continue
        scaler = StandardScaler()
        for frames in _chunks(clips):
            scaler.partial_fit(frames)
        mean, deviation = torch.from_numpy(scaler.mean_), torch.from_numpy(scaler.scale_)
        model.frame_scaling.set(modality, mean, deviation)


def _chunks(clips: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
    """The frames of all clips, float64, at least _FRAMES_AT_ONCE in each part but the last."""
    waiting: list[np.ndarray] = []
    count = 0
    for frames in clips:
        if not len(frames):
            continue
        waiting.append(frames)
        count += len(frames)
        if count >= _FRAMES_AT_ONCE:
            yield np.concatenate(waiting).astype(np.float64)
            waiting, count = [], 0
    if waiting:
        yield np.concatenate(waiting).astype(np.float64)
