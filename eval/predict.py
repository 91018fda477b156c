"""predict: a model and batches in, every clip's predictions out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from semanticmac.cache.batch import Batch
from semanticmac.core import MODALITIES
from semanticmac.model.network import SemanticMAC


@dataclass(frozen=True)
class Predictions:
    """Raw scores of N clips, in the order in which they came."""

    clip_ids: tuple[str, ...]
    truth: np.ndarray  # (N, K) float64, NaN = not labelled
    scores: np.ndarray  # (N, 5, K) float64, one row a sub-task, in the order of SUB_TASKS
    present: np.ndarray  # (N, 3) bool, in the order of MODALITIES

    @property
    def multimodal(self) -> np.ndarray:
        """(N, K), the prediction that is scored."""
        return self.scores[:, 0]


def join(parts: Sequence[Predictions]) -> Predictions:
    """The clips of all parts, one part after the other."""
    ids = tuple(clip_id for part in parts for clip_id in part.clip_ids)
    arrays = [
        [part.truth for part in parts],
        [part.scores for part in parts],
        [part.present for part in parts],
    ]
    return Predictions(ids, *map(np.concatenate, arrays))


@torch.inference_mode()
def predict(
    model: SemanticMAC, batches: Iterable[Batch], device: torch.device, without: Sequence[str] = ()
) -> Predictions:
    """Runs the model over the batches in evaluation mode. A training model is put back into training mode.

    without: modalities that are made absent in every clip.
    """
    kept = torch.tensor([[name not in without for name in MODALITIES]])  # (1, 3)
    was_training = model.training
    model.eval()
    ids: list[str] = []
    truth, scores, present = [], [], []
    for batch in batches:
        output = model((batch if kept.all() else batch.keep(kept)).to(device))
        ids += batch.clip_ids
        truth.append(batch.labels.double().numpy())
        scores.append(output.predictions.double().cpu().numpy())
        present.append(output.present.cpu().numpy())
    model.train(was_training)
    return Predictions(
        tuple(ids), np.concatenate(truth), np.concatenate(scores), np.concatenate(present)
    )
