"""Fills a feature cache with frozen encoders of your own, and trains on them.

The encoders below are toys: colours and loudness instead of networks. Any object with these six
members is an encoder of one modality (preprocess/encoders/protocol.py).

    semanticmac demo
    python examples/own_encoder.py

A package of yours can give encoders names, so that every command opens them. Its pyproject.toml
names the functions at the end of the classes:

    [project.entry-points."semanticmac.encoders"]
    colour = "own_encoder:open_colour"
    loudness = "own_encoder:open_loudness"

    semanticmac cache demo --root data/demo --vision colour --audio loudness
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
from semanticmac.cache.records import RawClip
from semanticmac.core import FrameModality
from semanticmac.preprocess.build import BuildOptions, build
from semanticmac.preprocess.corpora import read_corpus
from semanticmac.preprocess.encoders.protocol import FRAMES_PER_S, Encoder, row_count

SAMPLE_RATE_HZ = 16_000


class Colour:
    """Mean and deviation of each colour channel of a frame."""

    modality: FrameModality = "vision"
    name = "colour"
    device = torch.device("cpu")
    width = 6  # numbers in one embedding

    def fingerprint(self, sampling: Sampling) -> Fingerprint:
        """Change `version` if the numbers change: the cache is then filled anew."""
        return fingerprint(self, "colour 1", sampling)

    def encode(self, raw: RawClip) -> np.ndarray | None:
        """frames (F, H, W, 3) of one clip → (F, width); None without frames."""
        if raw.frames is None:
            return None
        pixels = raw.frames.reshape(len(raw.frames), -1, 3) / 255
        return np.concatenate([pixels.mean(1), pixels.std(1)], axis=1).astype(np.float16)


class Loudness:
    """The loudness of four parts of each half second."""

    modality: FrameModality = "audio"
    name = "loudness"
    device = torch.device("cpu")
    width = 4

    def fingerprint(self, sampling: Sampling) -> Fingerprint:
        return fingerprint(self, "loudness 1", sampling)

    def encode(self, raw: RawClip) -> np.ndarray | None:
        """waveform (N,) of one clip → (F, width); None without audio."""
        if raw.waveform is None:
            return None
        rows = row_count(raw)
        needed = rows * SAMPLE_RATE_HZ // FRAMES_PER_S
        samples = raw.waveform / 32768
        samples = np.pad(samples, (0, max(0, needed - len(samples))))[:needed]
        parts = np.array_split(samples.reshape(rows, -1), self.width, axis=1)
        loudness = [np.sqrt((part**2).mean(1)) for part in parts]
        return np.stack(loudness, axis=1).astype(np.float16)


def fingerprint(encoder: Encoder, version: str, sampling: Sampling) -> Fingerprint:
    """An encoder without weights is identified by its version."""
    digest = hashlib.sha256(version.encode()).hexdigest()
    return Fingerprint(
        encoder.modality, encoder.name, digest, digest, True, encoder.width, sampling
    )


def open_colour(source: str, device: str) -> Encoder:
    """source: what follows `colour:` on the command line; device: auto, cpu, cuda …"""
    return Colour()


def open_loudness(source: str, device: str) -> Encoder:
    return Loudness()


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
    report = build(corpus, layout, [Colour(), Loudness()], plan, show_nothing)
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
