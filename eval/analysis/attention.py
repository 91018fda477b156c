"""attention: how much the perceiver attends to each frame, drawn below the frames of a clip."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from semanticmac.cache.batch import Batch
from semanticmac.cache.manifest import Row
from semanticmac.eval.analysis.catalogue import AnalysisError
from semanticmac.eval.analysis.figure import (
    INK,
    QUIET,
    AnalysisResult,
    Axes,
    Figure,
    NumberTable,
    axes,
    colour_of,
    figure,
    thinned,
)
from semanticmac.eval.analysis.represent import (
    FRAME_MODALITIES,
    context_of,
    frames_of,
    require_semanticmac,
)
from semanticmac.eval.analysis.thumbnails import Preview, previews
from semanticmac.eval.eval_data import EvalData
from semanticmac.model.attention import split_heads
from semanticmac.model.perceiver import FrameEncoder, PerceiverLayer

SHOWN = 5  # clips
FRAMES = 10  # of each clip
_STRIP_WIDTH_IN = 8.2  # a strip of frames is about one inch high
COLUMNS = ("clip_id", "modality", "time_s", "weight")
EXPLANATION = (
    "How much of the perceiver's attention each frame gets: the mean over its tokens, heads and "
    "layers. The weights of a clip sum to one. The thin line is the weight of equal frames."
)

# Modality → (positions of the frames in the clip, their weights).
Weights = dict[str, tuple[np.ndarray, np.ndarray]]


def analyse(data: EvalData, run: Path, split: str) -> AnalysisResult:
    """The table has all frames of all clips, the figure the clips with the sharpest attention."""
    require_semanticmac(data)
    if not data.trained.info.model.perceiver:
        raise AnalysisError(
            "this model was trained without the perceiver: it reads every frame as it is"
        )
    rows = data.rows(split)
    weights = attention(data, rows)
    frames_per_s = data.streams.sampling.frames_per_s
    lines = _table_rows(rows, weights, frames_per_s)
    if not lines:
        raise AnalysisError(f"no clip of {split} has frames that this model reads")

    shown = _sharpest(weights)
    shown_rows = []
    shown_weights = []
    for number in shown:
        shown_rows.append(rows[number])
        shown_weights.append(weights[number])
    clips = previews(data.layout, shown_rows, frames_per_s, FRAMES)
    picture = _draw(shown_rows, shown_weights, clips, frames_per_s)
    return AnalysisResult(
        "attention",
        "What the perceiver reads",
        EXPLANATION,
        {"": picture},
        {"": NumberTable(COLUMNS, tuple(lines))},
        photographs=True,
    )


def _table_rows(
    rows: Sequence[Row], weights: Sequence[Weights], frames_per_s: int
) -> list[tuple[object, ...]]:
    lines: list[tuple[object, ...]] = []
    for row, clip_weights in zip(rows, weights, strict=True):
        for name, (places, values) in clip_weights.items():
            for place, value in zip(places, values, strict=True):
                lines.append((row.clip_id, name, place / frames_per_s, float(value)))
    return lines


@torch.inference_mode()
def attention(data: EvalData, rows: Sequence[Row]) -> list[Weights]:
    """The weights of each clip's own frames, without frames of the clips before it."""
    data.trained.model.eval()
    weights: list[Weights] = []
    for cpu_batch in data.batches(rows):
        weights += _batch_attention(data, cpu_batch.to(data.device))
    return weights


def _batch_attention(data: EvalData, batch: Batch) -> list[Weights]:
    model = require_semanticmac(data)
    context_frames = [0] * len(batch)  # frames of the clips before, at the start of each clip
    if batch.frame_context is not None:
        context_frames = batch.frame_context.sum(1).tolist()
    result: list[Weights] = [{} for _ in range(len(batch))]
    for name in FRAME_MODALITIES:
        if name not in model.frame_encoders:
            continue
        encoder = model.frame_encoders[name]
        assert isinstance(encoder, FrameEncoder)
        frames, mask = frames_of(batch, name)
        values = attention_of(encoder, frames, mask, context_of(data, batch)).cpu().double().numpy()
        for number, real in enumerate(mask.cpu().numpy()):
            places = _encoded_places(real, encoder.max_frames)
            own = places >= context_frames[number]
            if own.any():
                clip_values = values[number, : len(places)][own]
                result[number][name] = (places[own] - context_frames[number], clip_values)
    return result


def _encoded_places(real: np.ndarray, max_frames: int) -> np.ndarray:
    """The frames that an encoder reads, chosen as in `compact_frames`; real (F,) True = a frame."""
    places = np.flatnonzero(real)
    if len(places) > max_frames:
        places = places[np.arange(max_frames) * len(places) // max_frames]
    return places


def attention_of(
    encoder: FrameEncoder, frames: Tensor, mask: Tensor, context: Tensor | None = None
) -> Tensor:
    """(B, F, E), (B, F) → (B, F′): the mean over tokens, heads and layers of softmax(QKᵀ/√d_h).

    Padding has weight zero.
    """
    layers: list[Tensor] = []

    def record(layer: torch.nn.Module, inputs: tuple[Tensor, Tensor, Tensor]) -> None:
        assert isinstance(layer, PerceiverLayer)
        tokens, source, real = inputs
        q = split_heads(layer.to_query(layer.norm_tokens(tokens)), layer.heads)  # (B, h, n, d_h)
        k = split_heads(layer.to_key(layer.norm_frames(source)), layer.heads)  # (B, h, F′, d_h)
        logits = q @ k.transpose(2, 3) / math.sqrt(q.shape[3])  # (B, h, n, F′)
        logits = logits.masked_fill(~real[:, None, None], -math.inf)
        # A clip without frames has NaN everywhere.
        layers.append(logits.softmax(3).nan_to_num().mean((1, 2)))

    assert encoder.perceiver is not None
    hooks = [layer.register_forward_pre_hook(record) for layer in encoder.perceiver.layers]
    try:
        encoder(frames, mask, context)
    finally:
        for hook in hooks:
            hook.remove()
    return torch.stack(layers).mean(0)


def _sharpest(weights: Sequence[Weights]) -> list[int]:
    """The clips in which one frame exceeds its equal share most."""

    def sharpness(number: int) -> float:
        shares = []
        for _, values in weights[number].values():
            shares.append(float(values.max() * len(values)))
        return max(shares)

    with_frames = [number for number, clip_weights in enumerate(weights) if clip_weights]
    return sorted(with_frames, key=sharpness, reverse=True)[:SHOWN]


def _draw(
    rows: list[Row], weights: list[Weights], clips: list[Preview], frames_per_s: int
) -> Figure:
    """Two panels for each clip: its frames, and below them the weights."""
    picture = figure(8.4, 2.0 * len(rows))
    ratios = [1.0, 0.4] * len(rows)
    panels = axes(picture, 2 * len(rows), 1, gridspec_kw={"height_ratios": ratios})
    for place, (row, clip_weights, preview) in enumerate(zip(rows, weights, clips, strict=True)):
        strip, bars = panels[2 * place], panels[2 * place + 1]
        text = textwrap.shorten(row.text or "(no text)", 90, placeholder=" …")
        title = f"{row.clip_id} · {text}"
        strip.set_title(title, fontsize=8, fontweight="normal", color=INK)
        end_s = max(1, row.frames) / frames_per_s
        _draw_frames(strip, preview, end_s)
        _draw_weights(bars, clip_weights, frames_per_s)
        bars.set(xlim=(0, end_s), ylim=(0, None), yticks=[])
        bars.spines["left"].set_visible(False)
        bars.tick_params(labelsize=7)
    handles, labels = panels[1].get_legend_handles_labels()
    picture.legend(handles, labels, fontsize=7, ncols=2, loc="outside upper right")
    panels[-1].set_xlabel("seconds")
    return picture


def _draw_weights(ax: Axes, weights: Weights, frames_per_s: int) -> None:
    width = 0.8 / frames_per_s / len(weights)
    for step, (name, (places, values)) in enumerate(weights.items()):
        x = places / frames_per_s + (step + 0.6) * width
        ax.bar(x, values, width, color=colour_of(name), label=name)
        ax.axhline(1 / len(values), color=QUIET, lw=0.5)


def _draw_frames(ax: Axes, preview: Preview, end_s: float) -> None:
    """The frames side by side over the full width, undistorted, each at its time."""
    ax.set(xlim=(0, end_s), ylim=(0, 1), yticks=[], xticks=[])
    ax.spines[:].set_visible(False)
    if not preview.frames:
        ax.text(0, 0.5, "no frame is stored", color=QUIET, va="center")
        return
    height, width = preview.frames[0].shape[:2]
    most = max(1, int(_STRIP_WIDTH_IN / (width / height)))
    places = thinned(len(preview.frames), most)
    for step, place in enumerate(places):
        frame = preview.frames[place]
        height, width = frame.shape[:2]
        # The strip is one inch high, so a frame is width/height inches wide.
        half = width / height / _STRIP_WIDTH_IN * end_s / 2
        middle = (step + 0.5) * end_s / len(places)
        ax.imshow(frame, extent=(middle - half, middle + half, 0, 1), aspect="auto")
    ax.set(xlim=(0, end_s), ylim=(0, 1))
