"""What a model makes of clips on the way to a prediction: representations, and pooled frames before and after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from semanticmac.cache.batch import Batch
from semanticmac.cache.manifest import Row
from semanticmac.eval.eval_data import EvalData
from semanticmac.model.attention import masked_mean

FRAMES = ("audio", "vision")


@dataclass(frozen=True)
class Representations:
    """Of N clips, float64."""

    clip_ids: tuple[str, ...]
    truth: np.ndarray  # (N, K), NaN = not labelled
    specific: np.ndarray  # (N, 3, d) s_m, zero where the modality is absent
    shared: np.ndarray  # (N, 3, d) h_m
    fused: np.ndarray  # (N, d) z
    present: np.ndarray  # (N, 3) bool
    cached: dict[str, np.ndarray]  # audio, vision → (N, E) mean of the cached frame embeddings
    perceived: dict[
        str, np.ndarray
    ]  # audio, vision → (N, d) mean of the tokens after the perceiver


@torch.inference_mode()
def represent(data: EvalData, rows: Sequence[Row]) -> Representations:
    """Runs the model over these clips, in their order."""
    model = data.trained.model.eval()
    ids: list[str] = []
    parts: dict[str, list[Tensor]] = {}
    for cpu_batch in data.batches(rows):
        batch = cpu_batch.to(data.device)
        output = model(batch)
        ids += batch.clip_ids
        found = {
            "truth": batch.labels,
            "specific": output.specific,
            "shared": output.shared,
            "fused": output.fused,
            "present": output.present,
        }
        for name in FRAMES:
            frames, mask = frames_of(batch, name)
            tokens, token_mask = model.encode_frames(name, frames, mask, context_of(data, batch))
            found |= {
                f"cached {name}": masked_mean(frames, mask),
                f"perceived {name}": masked_mean(tokens, token_mask),
            }
        for key, tensor in found.items():
            parts.setdefault(key, []).append(tensor.cpu())
    whole = {key: torch.cat(tensors) for key, tensors in parts.items()}
    arrays = {
        key: t.numpy() if t.dtype == torch.bool else t.double().numpy() for key, t in whole.items()
    }
    cached, perceived = (
        {name: arrays[f"{kind} {name}"] for name in FRAMES} for kind in ("cached", "perceived")
    )
    return Representations(
        tuple(ids),
        truth=arrays["truth"],
        specific=arrays["specific"],
        shared=arrays["shared"],
        fused=arrays["fused"],
        present=arrays["present"],
        cached=cached,
        perceived=perceived,
    )


def frames_of(batch: Batch, modality: str) -> tuple[Tensor, Tensor]:
    """(B, F, E) and mask (B, F) of one frame modality."""
    return (
        (batch.audio, batch.audio_mask)
        if modality == "audio"
        else (batch.vision, batch.vision_mask)
    )


def context_of(data: EvalData, batch: Batch) -> Tensor | None:
    return batch.frame_context if data.trained.info.model.setting == "conversation" else None


def unit(points: np.ndarray) -> np.ndarray:
    """(…, d) scaled to length 1, as the contrastive losses see them; zero stays zero."""
    lengths = np.linalg.norm(points, axis=-1, keepdims=True)
    scaled: np.ndarray = points / np.where(lengths > 0, lengths, 1.0)
    return scaled
