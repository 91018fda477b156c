"""The section `encoder` of benchmarks/gpu.py: ImageBind's speed over that of matrix products.

Random weights have the shapes of published models: the values of weights do not change the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.gpu_timing import Record, seconds_of

WINDOW_TOKENS = 229  # of ImageBind's audio on 2 s


def product_rate(device: torch.device, dtype: torch.dtype, size: int, rounds: int) -> float:
    """Floating-point operations a second of one square matrix product."""
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / seconds_of(lambda: left @ right, device, rounds)


def imagebind(tiny: bool, device: torch.device) -> Any:
    """ImageBind's shapes with random weights on the device."""
    from semanticmac.preprocess.encoders.imagebind.network import HUGE, TINY, ImageBind

    with torch.device("meta"):
        model = ImageBind(TINY if tiny else HUGE)
    model = model.to_empty(device=device)
    for name, weight in model.named_parameters():
        if "norm" in name and name.endswith("weight"):
            nn.init.ones_(weight)
        else:
            nn.init.normal_(weight, std=0.02)
    return model


def operations(tower: Any, tokens: int, extra_keys: int) -> int:
    """Floating-point operations of the matrix products of one frame or window."""
    d = tower.cls_token.shape[2]
    linear = 2 * tokens * 12 * d * d  # query, key, value, output: 4 d²; feed-forward: 8 d²
    attention = 2 * 2 * tokens * (tokens + extra_keys) * d
    return len(tower.blocks) * (linear + attention)


def encoder(device: torch.device, tiny: bool, record: Record) -> None:
    from semanticmac.preprocess.encoders.imagebind.encoder import keep_in_bfloat16

    rounds = 1 if tiny else 3
    size = 256 if tiny else 8192
    model = imagebind(tiny, device).eval().requires_grad_(False)
    pixels = model.config.picture_px
    patches = (pixels // 14) ** 2
    frames_per_s = 0.0
    for dtype, batches in ((torch.float32, (16, 64)), (torch.bfloat16, (16, 64, 128, 256))):
        word = str(dtype).removeprefix("torch.")
        peak = product_rate(device, dtype, size, rounds)
        record(f"matrix product of {size}, {word}", peak / 1e12, "TFLOP/s")
        for tower, name, shape, tokens, extra in (
            (model.vision, "frames", (3, pixels, pixels), 1 + patches, 0),
            (model.audio, "windows", (1, 128, 204), WINDOW_TOKENS, 1),
        ):
            if dtype == torch.bfloat16:
                keep_in_bfloat16(tower)
            rates = []
            for rows in (2,) if tiny else batches:
                inputs = torch.randn(rows, *shape, device=device)
                rate = rows / seconds_of(forward_of(tower, inputs, dtype), device, rounds)
                share = rate * operations(tower, tokens, extra) / peak
                goal = "0.7" if dtype == torch.bfloat16 else ""
                record(f"{name} a second, {word}, batches of {rows}", rate)
                record(f"share of the product's rate, {name}, {word}, {rows}", share, goal=goal)
                rates.append(rate)
            if name == "frames":
                frames_per_s = max(rates)
    record_feeding(frames_per_s, tiny, record)


def forward_of(tower: Any, inputs: Tensor, dtype: torch.dtype) -> Callable[[], object]:
    from semanticmac.preprocess.encoders.device import exact_float32

    device = inputs.device

    @torch.inference_mode()
    def forward() -> None:
        half = dtype == torch.bfloat16
        with exact_float32(device), torch.autocast(device.type, torch.bfloat16, enabled=half):
            tower(inputs)

    return forward


def record_feeding(frames_per_s: float, tiny: bool, record: Record) -> None:
    """How many CPU cores decode and resize as many frames as the encoder takes."""
    from semanticmac.preprocess.encoders.imagebind.encoder import prepare_frames

    cpu = torch.device("cpu")
    torch.set_num_threads(1)
    frames = np.random.default_rng(0).integers(0, 256, (8, 224, 398, 3), dtype=np.uint8)
    prepare_s = seconds_of(lambda: prepare_frames(frames, 224), cpu, 1 if tiny else 5) / 8
    record("cores that crop frames for the encoder, bfloat16", frames_per_s * prepare_s)
    try:
        rate = decoded_frames_per_s(tiny)
    except ImportError as error:
        record("cores that decode for the encoder, bfloat16", None, note=f"skipped: {error}")
        return
    record("cores that decode for the encoder, bfloat16", frames_per_s / rate, note="640 × 360")


def decoded_frames_per_s(tiny: bool) -> float:
    """Frames at 2 per second that one core decodes, crops and packs."""
    import tempfile
    from pathlib import Path

    from benchmarks.common import film
    from semanticmac.preprocess.clip import Clip
    from semanticmac.preprocess.decoding.decode import decode_clip

    with tempfile.TemporaryDirectory() as folder:
        video = film(Path(folder) / "film.mp4", 2.0 if tiny else 20.0)
        clip = Clip("film", video)
        decode_clip(clip)  # The first time loads libraries.
        started = time.perf_counter()
        raw = decode_clip(clip)
        seconds = time.perf_counter() - started
    assert raw.frames is not None
    return len(raw.frames) / seconds
