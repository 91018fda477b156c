"""Scores with missing input: modality subsets, and frames or modalities dropped at random.

Nothing is trained or chosen here: the same weights see less. What is dropped depends on the clip
and the seed, not on the batch.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import torch
from torch import Tensor

from semanticmac.cache.batch import Batch
from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.evaluate import score_predictions, valid_pair
from semanticmac.eval.metrics.scores import Scores

Kind = Literal["frames", "modalities"]
KINDS: tuple[Kind, ...] = ("frames", "modalities")
RATES = tuple(round(0.1 * step, 1) for step in range(10))


@dataclass(frozen=True)
class SubsetScores:
    """Scores of a model that sees these modalities alone."""

    kept: tuple[str, ...]
    scores: Scores


@dataclass(frozen=True)
class CorruptionScores:
    """Scores of a model whose frames or modalities are dropped at this rate."""

    kind: Kind
    rate: float
    scores: Scores


def score_subsets(
    data: EvalData, split: str, progress: Callable[[int, int], None]
) -> list[SubsetScores]:
    """Every non-empty subset of the model's modalities, the largest first: seven of three."""
    used, rows = data.trained.info.model.modalities, data.rows(split)
    subsets: list[tuple[str, ...]] = []
    for size in range(len(used), 0, -1):
        subsets += combinations(used, size)
    results = []
    for done, subset in enumerate(subsets):
        progress(done, len(subsets))
        without = tuple(name for name in used if name not in subset)
        predictions = data.predict(rows, without)
        scores = score_predictions(data, predictions, valid_pair(data, without))
        results.append(SubsetScores(subset, scores))
    progress(len(subsets), len(subsets))
    return results


def score_corruption(
    data: EvalData,
    split: str,
    progress: Callable[[int, int], None],
    rates: Sequence[float] = RATES,
    seed: int = 0,
) -> list[CorruptionScores]:
    """Frames, then modalities, dropped at every rate.

    Thresholds, where a task has them, are chosen on complete validation clips.
    """
    rows, used = data.rows(split), data.trained.info.model.modalities
    valid = valid_pair(data)
    total = len(KINDS) * len(rates)
    results: list[CorruptionScores] = []
    for kind in KINDS:
        for rate in rates:
            progress(len(results), total)
            predictions = data.predict(rows, change=_corruption(kind, rate, seed, used))
            scores = score_predictions(data, predictions, valid)
            results.append(CorruptionScores(kind, rate, scores))
    progress(total, total)
    return results


def _corruption(
    kind: Kind, rate: float, seed: int, used: Sequence[str]
) -> Callable[[Batch], Batch]:
    def corrupt(batch: Batch) -> Batch:
        if kind == "frames":
            return drop_frames(batch, rate, seed)
        return drop_random_modalities(batch, rate, seed, used)

    return corrupt


def drop_frames(batch: Batch, rate: float, seed: int) -> Batch:
    """Drops each audio frame and each video frame with probability `rate`; text stays complete."""
    frames = batch.audio_mask.shape[1]
    numbers = torch.stack([_draw(clip_id, frames, seed) for clip_id in batch.clip_ids])  # (B, F, 2)
    kept = numbers >= rate
    return replace(
        batch,
        audio_mask=batch.audio_mask & kept[..., 0],
        vision_mask=batch.vision_mask & kept[..., 1],
    )


def drop_random_modalities(batch: Batch, rate: float, seed: int, used: Sequence[str]) -> Batch:
    """Drops each modality of a clip with probability `rate`; one always remains."""
    masks = {"text": batch.token_mask, "audio": batch.audio_mask, "vision": batch.vision_mask}
    present = [mask.any(1) & (name in used) for name, mask in masks.items()]
    numbers = [_draw(clip_id, 2, seed).flatten()[:3] for clip_id in batch.clip_ids]
    drawn = torch.stack(numbers)  # (B, 3)
    candidates = drawn.masked_fill(~torch.stack(present, dim=1), -1.0)  # (B, 3)
    last_kept = candidates.argmax(1, keepdim=True) == torch.arange(3)  # (B, 3)
    return batch.keep((drawn >= rate) | last_kept)


def _draw(clip_id: str, rows: int, seed: int) -> Tensor:
    """(rows, 2) numbers in [0, 1) that depend on the clip and the seed.

    The first rows are the same for any number of rows, so padding does not change what is dropped.
    """
    generator = torch.Generator().manual_seed(zlib.crc32(clip_id.encode()) * 1_000_003 + seed)
    return torch.stack([torch.rand(2, generator=generator) for _ in range(rows)])
