"""What a model does when something is missing: every subset of its modalities, and random loss of frames or modalities.

Nothing here is trained or chosen: the same weights see less. A loss belongs to a clip and a seed,
not to a batch.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import Literal

import torch
from torch import Tensor

from semanticmac.cache.batch import Batch
from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.evaluate import valid_pair
from semanticmac.eval.metrics.scores import Scores, score
from semanticmac.eval.predict import Predictions

Loss = Literal["frames", "modalities"]
RATES = tuple(round(0.1 * step, 1) for step in range(10))


@dataclass(frozen=True)
class SubsetScores:
    """What the model scores when it has these modalities alone."""

    kept: tuple[str, ...]
    scores: Scores


@dataclass(frozen=True)
class CorruptionScores:
    """What the model scores when so much is lost at random."""

    loss: Loss
    rate: float
    scores: Scores


def score_subsets(
    data: EvalData, split: str, progress: Callable[[int, int], None]
) -> list[SubsetScores]:
    """Every subset of the model's modalities but the empty one, largest first: seven where it has three."""
    used, rows = data.trained.info.model.modalities, data.rows(split)
    kept = [subset for size in range(len(used), 0, -1) for subset in combinations(used, size)]
    found = []
    for done, subset in enumerate(kept):
        progress(done, len(kept))
        without = tuple(name for name in used if name not in subset)
        found.append(SubsetScores(subset, _score(data, data.predict(rows, without), without)))
    progress(len(kept), len(kept))
    return found


def score_corruption(
    data: EvalData,
    split: str,
    progress: Callable[[int, int], None],
    rates: Sequence[float] = RATES,
    seed: int = 0,
) -> list[CorruptionScores]:
    """Both kinds of loss at every rate.

    Thresholds, where there are any, stay those of whole validation clips.
    """
    rows, used = data.rows(split), data.trained.info.model.modalities
    kinds: tuple[Loss, ...] = ("frames", "modalities")
    asked = [(loss, rate) for loss in kinds for rate in rates]
    found = []
    for done, (loss, rate) in enumerate(asked):
        progress(done, len(asked))
        lose: Callable[[Batch], Batch] = partial(drop_frames, rate=rate, seed=seed)
        if loss == "modalities":
            lose = partial(drop_random_modalities, rate=rate, seed=seed, used=used)
        found.append(CorruptionScores(loss, rate, _score(data, data.predict(rows, change=lose))))
    progress(len(asked), len(asked))
    return found


def drop_frames(batch: Batch, rate: float, seed: int) -> Batch:
    """Each frame of sound, and each picture, is lost with probability `rate`; text stays whole."""
    lost = torch.stack(
        [_draw(clip_id, batch.audio_mask.shape[1], seed) for clip_id in batch.clip_ids]
    )  # (B, F, 2)
    return replace(
        batch,
        audio_mask=batch.audio_mask & (lost[..., 0] >= rate),
        vision_mask=batch.vision_mask & (lost[..., 1] >= rate),
    )


def drop_random_modalities(batch: Batch, rate: float, seed: int, used: Sequence[str]) -> Batch:
    """Each modality that a clip has is lost with probability `rate`; where all would go, one of them stays."""
    masks = {"text": batch.token_mask, "audio": batch.audio_mask, "vision": batch.vision_mask}
    has = torch.stack(
        [mask.any(1) & (name in used) for name, mask in masks.items()], dim=1
    )  # (B, 3)
    numbers = torch.stack(
        [_draw(clip_id, 2, seed).flatten()[:3] for clip_id in batch.clip_ids]
    )  # (B, 3)
    greatest = numbers.masked_fill(~has, -1.0).argmax(1, keepdim=True) == torch.arange(3)
    return batch.keep((numbers >= rate) | greatest)


def _draw(clip_id: str, rows: int, seed: int) -> Tensor:
    """(rows, 2) numbers in [0, 1), the first rows the same however many are drawn: padding changes no clip's loss."""
    generator = torch.Generator().manual_seed(zlib.crc32(clip_id.encode()) * 1_000_003 + seed)
    return torch.stack([torch.rand(2, generator=generator) for _ in range(rows)])


def _score(data: EvalData, predictions: Predictions, without: Sequence[str] = ()) -> Scores:
    return score(
        data.manifest.corpus,
        data.trained.info.task,
        predictions.truth,
        predictions.multimodal,
        train_truth=data.train_truth(),
        valid=valid_pair(data, without),
    )
