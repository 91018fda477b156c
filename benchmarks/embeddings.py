"""Which share of torch's own matrix rate the encoder reaches, at the encoder's own sizes.

    python -m benchmarks.embeddings [--blocks 2] [--rows 16] [--threads 1] [--device cuda]

The weights are random in the shapes of imagebind-huge, with few blocks per tower, since all blocks
of a tower are alike. The same matrix products alone, in the same order and sizes, take turns with
the encoder. The share is their time divided by the encoder's, in float32 and under autocast to
bfloat16. The preparation of rows (resize, filter bank) is timed separately.

CLIP-L/14 (3 of its 24 layers) and WavLM-large (all layers, convolutions included) follow in
float32, in the shapes of the published models.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.common import arguments, interleaved, report, synchronised
from benchmarks.pretrained_shapes import clip_large, wavlm_large
from semanticmac.cache.records import RawClip
from semanticmac.preprocess.encoders.imagebind.encoder import (
    CHUNK_ROWS,
    normalise_pixels,
    prepare_frames,
)
from semanticmac.preprocess.encoders.imagebind.filterbank import mel_spectrogram, windows_at
from semanticmac.preprocess.encoders.imagebind.network import (
    AUDIO_PATCHES,
    HUGE,
    PATCH_PX,
    ImageBind,
    ImageBindConfig,
    Tower,
    TowerConfig,
    draw_weights,
)

CLIP_LAYERS, WAVLM_SECONDS = 3, 8.0


def products(
    tower: TowerConfig, rows: int, tokens: int, keys: int, blocks: int
) -> list[tuple[Tensor, Tensor]]:
    """The matrix products of one forward pass, as pairs of random factors."""
    d, head = tower.width, tower.width // tower.heads
    flat, many = rows * tokens, rows * tower.heads
    sizes = [(flat, d, 3 * d), (flat, d, d), (flat, d, 4 * d), (flat, 4 * d, d)]
    pairs = [(torch.randn(m, k), torch.randn(k, n)) for m, k, n in sizes]
    pairs.append((torch.randn(many, tokens, head), torch.randn(many, head, keys)))
    pairs.append((torch.randn(many, tokens, keys), torch.randn(many, keys, head)))
    return pairs * blocks


def multiply(factors: list[tuple[Tensor, Tensor]]) -> None:
    """The products alone."""
    with torch.inference_mode():
        for left, right in factors:
            left @ right


def work(model: ImageBind, raw: RawClip) -> list[tuple[str, Tower, TowerConfig, Tensor, int, int]]:
    """Each tower: name, module, configuration, inputs, number of tokens, number of extra keys."""
    assert raw.frames is not None and raw.waveform is not None
    pictures = normalise_pixels(prepare_frames(raw.frames, HUGE.picture_px))
    sounds = mel_spectrogram(windows_at(raw.waveform, len(raw.frames)))
    patches = (HUGE.picture_px // PATCH_PX) ** 2
    return [
        ("vision", model.vision, model.config.vision, pictures, 1 + patches, 0),
        ("audio", model.audio, model.config.audio, sounds, 1 + AUDIO_PATCHES, 1),
    ]


def bfloat16_unit(device: torch.device) -> bool:
    """Does the machine multiply bfloat16 in hardware? Otherwise torch emulates it, slowly."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    return "avx512_bf16" in flags or "amx_bf16" in flags


def main() -> None:
    options = arguments(__doc__, blocks=2, rows=CHUNK_ROWS, threads=1, rounds=5, device="cpu")
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    vision, audio = (
        TowerConfig(each.width, options.blocks, each.heads) for each in (HUGE.vision, HUGE.audio)
    )
    model = ImageBind(ImageBindConfig(vision, audio, HUGE.output, HUGE.picture_px)).eval()
    draw_weights(model, 0)
    model.to(device)
    dice = np.random.default_rng(0)
    frames = dice.integers(0, 256, (options.rows, 224, 398, 3), dtype=np.uint8)
    waveform = dice.integers(-9000, 9000, options.rows * 8000, dtype=np.int16)
    figures: dict[str, float] = {}

    def best(*works: Callable[[], object]) -> list[float]:
        """Seconds of each: CPU time on a CPU, because other programs disturb it least."""
        waiting = [synchronised(each, device.type) for each in works]
        times = interleaved(options.rounds, *waiting, pick=min)
        if device.type == "cuda":
            return [spent.wall_s for spent in times]
        return [spent.cpu_s for spent in times]

    with torch.inference_mode():
        for name, tower, config, inputs, tokens, extra in work(
            model, RawClip(frames, waveform, options.rows / 2)
        ):
            moved = inputs.to(device)
            pairs = products(config, options.rows, tokens, tokens + extra, options.blocks)
            flops = sum(2 * left.numel() * right.shape[-1] for left, right in pairs)
            for prefix, dtype in (("", torch.float32), ("bf16_", torch.bfloat16)):
                factors = [
                    (left.to(device, dtype), right.to(device, dtype)) for left, right in pairs
                ]

                def forward(
                    tower: Tower = tower, inputs: Tensor = moved, dtype: torch.dtype = dtype
                ) -> None:
                    with torch.autocast(
                        device.type, torch.bfloat16, enabled=dtype is torch.bfloat16
                    ):
                        tower(inputs)

                alone_s, tower_s = best(partial(multiply, factors), forward)
                figures |= {
                    f"{prefix}{name}_of_matmul": alone_s / tower_s,
                    f"{prefix}{name}_gflop_per_s": flops / tower_s / 1e9,
                    f"{prefix}{name}_ms_a_row": 1000 * tower_s / options.rows,
                }
        prepare_s, bank_s = best(
            lambda: normalise_pixels(prepare_frames(frames, HUGE.picture_px)),
            lambda: mel_spectrogram(windows_at(waveform, options.rows)),
        )
    for shape in (
        clip_large(CLIP_LAYERS, options.device),
        wavlm_large(WAVLM_SECONDS, options.device),
    ):
        alone_s, encoder_s = best(partial(multiply, shape.pairs), shape.encode)
        figures |= {
            f"{shape.name}_of_matmul": alone_s / encoder_s,
            f"{shape.name}_ms_a_row": 1000 * encoder_s / shape.rows,
        }
    report(
        "the encoder spends its time in matrix products",
        "every share of float32 at least 0.7",
        blocks=options.blocks,
        rows=options.rows,
        threads=options.threads,
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        bf16_unit=bfloat16_unit(device),
        **figures,
        prepare_picture_ms_a_row=1000 * prepare_s / options.rows,
        filter_bank_ms_a_row=1000 * bank_s / options.rows,
    )


if __name__ == "__main__":
    main()
