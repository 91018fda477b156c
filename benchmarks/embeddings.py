"""How much of torch's own matrix rate the encoder reaches, at the encoder's own sizes.

    python -m benchmarks.embeddings [--blocks 2] [--rows 16] [--threads 1]

Random weights in imagebind-huge's shapes, with only so many blocks a tower: all blocks of a tower are alike. Beside it
the same matrix products alone, in the same order and sizes; the fraction is their time over the encoder's. Preparing
rows (resizing pictures, the filter bank) is timed by itself: with all blocks it weighs less than here.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from benchmarks.common import arguments, best_of, report
from semanticmac.cache.raw import RawClip
from semanticmac.preprocess.encoder import CHUNK_ROWS, normalise_pixels, prepare_pictures
from semanticmac.preprocess.filterbank import mel_spectrogram, windows_at
from semanticmac.preprocess.imagebind import (
    AUDIO_PATCHES,
    HUGE,
    PATCH_PX,
    ImageBind,
    ImageBindConfig,
    TowerConfig,
    draw_weights,
)

REPEAT = 3


def products(tower: TowerConfig, rows: int, tokens: int, keys: int, blocks: int) -> list[tuple[Tensor, Tensor]]:
    """The matrix products of one forward pass, as pairs of random factors."""
    d, head = tower.width, tower.width // tower.heads
    flat, many = rows * tokens, rows * tower.heads
    sizes = [(flat, d, 3 * d), (flat, d, d), (flat, d, 4 * d), (flat, 4 * d, d)]
    pairs = [(torch.randn(m, k), torch.randn(k, n)) for m, k, n in sizes]
    pairs.append((torch.randn(many, tokens, head), torch.randn(many, head, keys)))
    pairs.append((torch.randn(many, tokens, keys), torch.randn(many, keys, head)))
    return pairs * blocks


def main() -> None:
    options = arguments(__doc__, blocks=2, rows=CHUNK_ROWS, threads=1)
    torch.set_num_threads(options.threads)
    vision, audio = (TowerConfig(each.width, options.blocks, each.heads) for each in (HUGE.vision, HUGE.audio))
    model = ImageBind(ImageBindConfig(vision, audio, HUGE.output, HUGE.picture_px)).eval()
    draw_weights(model, 0)
    dice = np.random.default_rng(0)
    raw = RawClip(
        dice.integers(0, 256, (options.rows, 224, 398, 3), dtype=np.uint8),
        dice.integers(-9000, 9000, options.rows * 8000, dtype=np.int16),
        options.rows / 2,
    )
    assert raw.frames is not None and raw.waveform is not None
    frames, waveform = raw.frames, raw.waveform
    patches = (HUGE.picture_px // PATCH_PX) ** 2
    figures: dict[str, float] = {}
    with torch.inference_mode():
        pictures = normalise_pixels(prepare_pictures(frames, HUGE.picture_px))
        sounds = mel_spectrogram(windows_at(waveform, options.rows))
        for name, tower, config, inputs, tokens, extra in (
            ("vision", model.vision, vision, pictures, 1 + patches, 0),
            ("audio", model.audio, audio, sounds, 1 + AUDIO_PATCHES, 1),
        ):
            pairs = products(config, options.rows, tokens, tokens + extra, options.blocks)
            flops = sum(2 * left.numel() * right.shape[-1] for left, right in pairs)
            alone_s = best_of(REPEAT, lambda pairs=pairs: [left @ right for left, right in pairs])  # type: ignore[misc]
            tower_s = best_of(REPEAT, lambda tower=tower, inputs=inputs: tower(inputs))  # type: ignore[misc]
            figures |= {
                f"{name}_of_matmul": alone_s / tower_s,
                f"{name}_gflop_per_s": flops / tower_s / 1e9,
                f"{name}_ms_a_row": 1000 * tower_s / options.rows,
            }
        prepare_s = best_of(REPEAT, lambda: normalise_pixels(prepare_pictures(frames, HUGE.picture_px)))
        bank_s = best_of(REPEAT, lambda: mel_spectrogram(windows_at(waveform, options.rows)))
    report(
        "the encoder spends its time in matrix products",
        "vision_of_matmul and audio_of_matmul at least 0.7",
        blocks=options.blocks,
        rows=options.rows,
        threads=options.threads,
        device="cpu",
        **figures,
        prepare_picture_ms_a_row=1000 * prepare_s / options.rows,
        filter_bank_ms_a_row=1000 * bank_s / options.rows,
    )


if __name__ == "__main__":
    main()
