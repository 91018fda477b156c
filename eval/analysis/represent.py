"""Representations of clips inside a model, and pooled frames before and after the perceiver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from semanticmac.cache.batch import Batch
from semanticmac.cache.manifest import Row
from semanticmac.eval.analysis.catalogue import AnalysisError
from semanticmac.eval.eval_data import EvalData
from semanticmac.model.attention import masked_mean
from semanticmac.model.network import SemanticMAC

FRAME_MODALITIES = ("audio", "vision")


@dataclass(frozen=True)
class Representations:
    """Of N clips, float64."""

    clip_ids: tuple[str, ...]
    truth: np.ndarray  # (N, K), NaN = not labelled
    specific: np.ndarray  # (N, 3, d) s_m, zero where the modality is absent
    shared: np.ndarray  # (N, 3, d) h_m
    fused: np.ndarray  # (N, d) z
    present: np.ndarray  # (N, 3) bool
    # audio, vision → (N, E) mean of the cached frame embeddings
    cached: dict[str, np.ndarray]
    # audio, vision → (N, d) mean of the tokens after the perceiver
    perceived: dict[str, np.ndarray]


def require_semanticmac(data: EvalData) -> SemanticMAC:
    """The model of the run. Raises AnalysisError for a model without the parts of SemanticMAC."""
    model = data.trained.model
    if not isinstance(model, SemanticMAC):
        raise AnalysisError(
            f"it reads the perceiver and the specific and shared representations of SemanticMAC, "
            f"and this is the model {data.trained.info.model.name}"
        )
    return model


@torch.inference_mode()
def represent(data: EvalData, rows: Sequence[Row]) -> Representations:
    """Runs the model over these clips, in their order."""
    model = require_semanticmac(data).eval()
    clip_ids: list[str] = []
    parts: dict[str, list[Tensor]] = {}  # name → its tensor of each batch
    for cpu_batch in data.batches(rows):
        batch = cpu_batch.to(data.device)
        clip_ids += batch.clip_ids
        output = model(batch)
        tensors = {
            "truth": batch.labels,
            "specific": output.specific,
            "shared": output.shared,
            "fused": output.fused,
            "present": output.present,
        }
        for name in FRAME_MODALITIES:
            frames, mask = frames_of(batch, name)
            tokens, token_mask = model.encode_frames(name, frames, mask, context_of(data, batch))
            tensors[f"cached {name}"] = masked_mean(frames, mask)
            tensors[f"perceived {name}"] = masked_mean(tokens, token_mask)
        for key, tensor in tensors.items():
            parts.setdefault(key, []).append(tensor.cpu())
    arrays = {key: _to_numpy(torch.cat(tensors)) for key, tensors in parts.items()}
    return Representations(
        tuple(clip_ids),
        truth=arrays["truth"],
        specific=arrays["specific"],
        shared=arrays["shared"],
        fused=arrays["fused"],
        present=arrays["present"],
        cached={name: arrays[f"cached {name}"] for name in FRAME_MODALITIES},
        perceived={name: arrays[f"perceived {name}"] for name in FRAME_MODALITIES},
    )


def frames_of(batch: Batch, modality: str) -> tuple[Tensor, Tensor]:
    """(B, F, E) and mask (B, F) of audio or vision."""
    if modality == "audio":
        return batch.audio, batch.audio_mask
    return batch.vision, batch.vision_mask


def context_of(data: EvalData, batch: Batch) -> Tensor | None:
    """Which frames belong to the clips before; None for the utterance setting."""
    return batch.frame_context if data.trained.info.model.setting == "conversation" else None


def unit(points: np.ndarray) -> np.ndarray:
    """(…, d) scaled to length 1, as the contrastive losses do; zero stays zero."""
    lengths = np.linalg.norm(points, axis=-1, keepdims=True)
    scaled: np.ndarray = points / np.where(lengths > 0, lengths, 1.0)
    return scaled


def _to_numpy(tensor: Tensor) -> np.ndarray:
    array: np.ndarray = tensor.numpy() if tensor.dtype == torch.bool else tensor.double().numpy()
    return array
