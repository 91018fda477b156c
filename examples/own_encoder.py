"""Fills a feature cache with a frozen encoder of your own, and trains on it.

The encoder below is a toy: colours and loudness instead of a network. Any object with these five
members is an encoder (preprocess/encoders/protocol.py).

    semanticmac demo
    python examples/own_encoder.py
"""

from __future__ import annotations

import argparse
import hashlib
import os
from pathlib import Path

import numpy as np
import torch

import semanticmac
from semanticmac.cache.keys import Fingerprint, Sampling
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.records import Embeddings, RawClip
from semanticmac.preprocess.build import BuildOptions, build
from semanticmac.preprocess.corpora import read_corpus

FRAMES_PER_S = 2
SAMPLE_RATE_HZ = 16_000


class ColourAndLoudness:
    """Two numbers per colour channel of a frame; the loudness of six parts of each half second."""

    name = "colour-and-loudness"
    device = torch.device("cpu")
    width = 6  # numbers in one embedding

    def fingerprint(self, sampling: Sampling) -> Fingerprint:
        """Change `version` if the numbers change: the cache is then filled anew."""
        version = b"colour-and-loudness 1"
        digest = hashlib.sha256(version).hexdigest()
        return Fingerprint("both", self.name, digest, digest, True, self.width, sampling)

    def encode(self, raw: RawClip) -> Embeddings:
        """frames (F, H, W, 3) and waveform (N,) of one clip → (F, width) each; None stays None."""
        vision = audio = None
        frames = max(1, round(raw.duration_s * FRAMES_PER_S))
        if raw.frames is not None:
            frames = len(raw.frames)
            pixels = raw.frames.reshape(frames, -1, 3) / 255
            vision = np.concatenate([pixels.mean(1), pixels.std(1)], axis=1).astype(np.float16)
        if raw.waveform is not None:
            samples = raw.waveform / 32768
            needed = frames * SAMPLE_RATE_HZ // FRAMES_PER_S
            samples = np.pad(samples, (0, max(0, needed - len(samples))))[:needed]
            parts = np.array_split(samples.reshape(frames, -1), self.width, axis=1)
            loudness = [np.sqrt((part**2).mean(1)) for part in parts]
            audio = np.stack(loudness, axis=1).astype(np.float16)
        return Embeddings(vision, audio)


def show_nothing(stage: str, done: int, total: int, failed: int) -> None:
    """Receives the progress of the build."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", default="demo")
    parser.add_argument("--root", type=Path, default=Path("data/demo"))
    parser.add_argument("--cache", type=Path, default=Path("data/own-cache"))
    parser.add_argument("--epochs", type=int, default=12)
    options = parser.parse_args()

    corpus = read_corpus(options.corpus, options.root)
    plan = BuildOptions(options.root, workers=os.cpu_count() or 1)
    layout = CacheLayout(options.cache)
    report = build(corpus, layout, ColourAndLoudness(), plan, show_nothing)
    print(f"{report.cached} of {report.clips} clips are cached, {report.encoded} encoded now")

    run = semanticmac.train_model(
        corpus.name, cache=options.cache, settings={"epochs": options.epochs}
    )
    evaluation = semanticmac.evaluate_model(run, cache=options.cache)
    print(f"{run.folder}: best epoch {run.info.best_epoch}")
    for metric in evaluation.scores.metrics:
        print(f"{metric.name}: {metric.value}")


if __name__ == "__main__":
    main()
