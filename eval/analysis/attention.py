"""attention: which frames the perceiver reads, as a strip over the clip's pictures."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from semanticmac.cache.manifest import Row
from semanticmac.eval.analysis.figure import (
    INK,
    QUIET,
    AnalysisError,
    Axes,
    Figure,
    Found,
    Numbers,
    axes,
    colour_of,
    figure,
    thinned,
)
from semanticmac.eval.analysis.represent import FRAMES, context_of, frames_of
from semanticmac.eval.analysis.thumbnails import Film, films
from semanticmac.eval.eval_data import EvalData
from semanticmac.model.attention import split_heads
from semanticmac.model.perceiver import FrameEncoder, PerceiverLayer

SHOWN = 5
PICTURES = 10
_WIDTH_IN = 8.2  # of a strip that is about one inch high
WORDS = (
    "How much of the perceiver's attention each frame gets: the mean over its tokens, heads and layers, so that"
    " a clip's frames sum to one. The thin line is what an even reading would give."
)


def analyse(data: EvalData, run: Path, split: str) -> Found:
    """The table has every clip and frame of the split, the picture some clips with the sharpest attention."""
    if not data.trained.info.model.perceiver:
        raise AnalysisError(
            "this model was trained without the perceiver: it reads every frame as it is"
        )
    rows = data.rows(split)
    read = attention(data, rows)
    lines = [
        (row.clip_id, name, place / data.manifest.fingerprint.sampling.frames_per_s, float(weight))
        for row, own in zip(rows, read, strict=True)
        for name, (places, weights) in own.items()
        for place, weight in zip(places, weights, strict=True)
    ]
    if not lines:
        raise AnalysisError(f"no clip of {split} has frames that this model reads")
    shown = _sharpest(rows, read)
    per_s = data.manifest.fingerprint.sampling.frames_per_s
    seen = films(data.layout, [rows[n] for n in shown], per_s, PICTURES)
    picture = _draw([rows[n] for n in shown], [read[n] for n in shown], seen, per_s)
    numbers = Numbers(("clip_id", "modality", "time_s", "weight"), tuple(lines))
    return Found(
        "attention",
        "What the perceiver reads",
        WORDS,
        {"": picture},
        {"": numbers},
        photographs=True,
    )


Read = dict[
    str, tuple[np.ndarray, np.ndarray]
]  # modality → (which frames of the clip, their weights)


@torch.inference_mode()
def attention(data: EvalData, rows: Sequence[Row]) -> list[Read]:
    """The frames of each clip itself that were read; those of the clips before it (conversation) are left out."""
    model = data.trained.model.eval()
    found: list[Read] = []
    for cpu_batch in data.batches(rows):
        batch = cpu_batch.to(data.device)
        own: list[Read] = [{} for _ in range(len(batch))]
        before = (
            batch.frame_context.sum(1).tolist()
            if batch.frame_context is not None
            else [0] * len(batch)
        )
        for name in FRAMES:
            if name not in model.frame_encoders:
                continue
            encoder = model.frame_encoders[name]
            assert isinstance(encoder, FrameEncoder)
            frames, mask = frames_of(batch, name)
            weights = (
                attention_of(encoder, frames, mask, context_of(data, batch)).cpu().double().numpy()
            )
            for n, real in enumerate(mask.cpu().numpy()):
                places = np.flatnonzero(real)
                if len(places) > encoder.max_frames:  # as compact_frames chooses them
                    places = places[
                        np.arange(encoder.max_frames) * len(places) // encoder.max_frames
                    ]
                here = places >= before[n]
                if here.any():
                    own[n][name] = (places[here] - before[n], weights[n, : len(places)][here])
        found += own
    return found


def attention_of(
    encoder: FrameEncoder, frames: Tensor, mask: Tensor, context: Tensor | None = None
) -> Tensor:
    """(B, F, E), (B, F) → (B, F′): the mean over tokens, heads and layers of softmax(QKᵀ/√d_h), zero on padding."""
    layers: list[Tensor] = []

    def keep(layer: torch.nn.Module, inputs: tuple[Tensor, Tensor, Tensor]) -> None:
        assert isinstance(layer, PerceiverLayer)
        tokens, source, real = inputs
        q = split_heads(layer.to_query(layer.norm_tokens(tokens)), layer.heads)  # (B, h, n, d_h)
        k = split_heads(layer.to_key(layer.norm_frames(source)), layer.heads)  # (B, h, F′, d_h)
        logits = (q @ k.transpose(2, 3) / math.sqrt(q.shape[3])).masked_fill(
            ~real[:, None, None], -math.inf
        )
        layers.append(logits.softmax(3).nan_to_num().mean((1, 2)))  # NaN: a clip without frames

    assert encoder.perceiver is not None
    hooks = [layer.register_forward_pre_hook(keep) for layer in encoder.perceiver.layers]
    try:
        encoder(frames, mask, context)
    finally:
        for hook in hooks:
            hook.remove()
    return torch.stack(layers).mean(0)


def _sharpest(rows: Sequence[Row], read: Sequence[Read]) -> list[int]:
    """Clips of which the most is seen: where some frame of the picture gets much more than its even share."""

    def sharpness(n: int) -> float:
        return max(
            (float(weights.max() * len(weights)) for _, weights in read[n].values()), default=0.0
        )

    return sorted((n for n in range(len(rows)) if read[n]), key=lambda n: -sharpness(n))[:SHOWN]


def _draw(rows: list[Row], read: list[Read], seen: list[Film], frames_per_s: int) -> Figure:
    picture = figure(8.4, 2.0 * len(rows))
    ratios = [1.0, 0.4] * len(rows)
    panels = axes(picture, 2 * len(rows), 1, gridspec_kw={"height_ratios": ratios})
    for place, (row, own, film) in enumerate(zip(rows, read, seen, strict=True)):
        strip, bars = panels[2 * place], panels[2 * place + 1]
        said = textwrap.shorten(row.text or "(no text)", 90, placeholder=" …")
        strip.set_title(
            f"{row.clip_id} · {said}", fontsize=8, fontweight="normal", color=INK, parse_math=False
        )
        end = max(1, row.frames) / frames_per_s
        _pictures(strip, film, end)
        for step, (name, (places, weights)) in enumerate(own.items()):
            width = 0.8 / frames_per_s / len(own)
            bars.bar(
                places / frames_per_s + (step + 0.6) * width,
                weights,
                width,
                color=colour_of(name),
                label=name,
            )
            bars.axhline(1 / len(weights), color=QUIET, lw=0.5)
        bars.set(xlim=(0, end), ylim=(0, None), yticks=[])
        bars.spines["left"].set_visible(False)
        bars.tick_params(labelsize=7)
    picture.legend(
        *panels[1].get_legend_handles_labels(), fontsize=7, ncols=2, loc="outside upper right"
    )
    panels[-1].set_xlabel("seconds")
    return picture


def _pictures(ax: Axes, film: Film, end_s: float) -> None:
    """The pictures side by side over the whole width, each where its part of the clip is."""
    ax.set(xlim=(0, end_s), ylim=(0, 1), yticks=[], xticks=[])
    ax.spines[:].set_visible(False)
    if not film.pictures:
        ax.text(0, 0.5, "no picture is stored", color=QUIET, va="center")
        return
    places = thinned(
        len(film.pictures),
        max(1, int(_WIDTH_IN / (film.pictures[0].shape[1] / film.pictures[0].shape[0]))),
    )
    cell = end_s / len(places)
    for step, place in enumerate(places):
        height, width = film.pictures[place].shape[:2]
        # as wide as it must be to be as high as the strip, undistorted
        half = width / height / _WIDTH_IN * end_s / 2
        middle = (step + 0.5) * cell
        ax.imshow(film.pictures[place], extent=(middle - half, middle + half, 0, 1), aspect="auto")
    ax.set(xlim=(0, end_s), ylim=(0, 1))
