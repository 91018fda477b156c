"""Trains `imagebind-tiny` as ImageBind was: what is seen and what is heard in one moment belong together.

    python -m semanticmac.preprocess.contrast          # or: make tiny

Nobody tells the encoders what an affect is. Strangers' faces and strangers' voices are paired by moment, and all that a
picture and a sound of one moment share is what is felt in it; so that is what contrast makes both towers keep. Stopped
and started again, the command goes on where it was, to the same weights.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor, nn

from semanticmac.cache.files import written_aside
from semanticmac.preprocess.checkpoint import write_checkpoint
from semanticmac.preprocess.contrast_pool import HEARD_FRAMES, SHOTS, Pool, make_pool, strangers
from semanticmac.preprocess.encoder import PACKAGED_TINY, normalise_pixels
from semanticmac.preprocess.filterbank import LOG_MEL_MEAN, LOG_MEL_STD, MEL_BINS, SPECTROGRAM_FRAMES
from semanticmac.preprocess.imagebind import TINY, ImageBind, ImageBindConfig, draw_weights

PADDING = -LOG_MEL_MEAN / LOG_MEL_STD  # a zero of the spectrogram's last six frames, after normalisation
SHARPEST = 100.0  # 1 / temperature; above it single pairs dominate every gradient
NEARBY = 0.05  # affects this close are one moment: people waver by more within a clip
SHIFT_PX = 5
REPORT_EVERY, KEEP_EVERY = 20, 50  # steps


@dataclass(frozen=True)
class Budget:
    """Everything that decides which weights come out."""

    seed: int = 20_240_807
    pictures: int = 12_288
    voices: int = 8_192
    steps: int = 1_600
    moments: int = 16  # stretches of the range of affects: what is felt in one of them is felt in the same moment
    faces: int = 8  # in a batch, each in SHOTS affects
    voices_heard: int = 32  # in a batch, their affects spread over the range
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warm_up: int = 80  # steps


@dataclass(frozen=True)
class Batch:
    """What one step compares."""

    pictures: Tensor  # (N, 3, P, P)
    sounds: Tensor  # (M, 1, 128, 204)
    seen: Tensor  # (N,) the moment of each picture
    heard: Tensor  # (M,) of each sound


class Contrast(nn.Module):
    """Both towers and the learned temperature that compares them."""

    def __init__(self, config: ImageBindConfig, seed: int) -> None:
        super().__init__()
        self.encoder = ImageBind(config)
        draw_weights(self.encoder, seed)
        self.log_sharpness = nn.Parameter(torch.tensor(math.log(1 / 0.07)))  # 1 / temperature, as CLIP begins

    def forward(self, pictures: Tensor, sounds: Tensor) -> tuple[Tensor, Tensor]:
        """pictures (N, 3, P, P), sounds (M, 1, 128, 204) → their unit embeddings (N, d), (M, d)."""
        return centred(self.encoder.vision(pictures)), centred(self.encoder.audio(sounds))


def centred(outputs: Tensor) -> Tensor:
    """outputs (N, d) → unit vectors of how each differs from the batch's mean: what all share tells nothing apart."""
    return F.normalize(outputs - outputs.mean(0), dim=1)


def info_nce(seen: Tensor, heard: Tensor, seen_moment: Tensor, heard_moment: Tensor, sharpness: Tensor) -> Tensor:
    """Mean over both directions of −log p(own moment), (van den Oord et al., 2018; Radford et al., 2021).

    seen (N, d) and heard (M, d) of length 1; moments (N,), (M,) integers. Where several share a moment, the mean of
    their −log p, as in supervised contrast (Khosla et al., 2020); one of each gives ImageBind's own loss.
    """
    alike = sharpness * seen @ heard.T  # (N, M)
    together = (seen_moment[:, None] == heard_moment[None, :]).to(alike)
    towards_heard = (alike.log_softmax(1) * together).sum(1) / together.sum(1).clamp_min(1)  # (N,)
    towards_seen = (alike.log_softmax(0) * together).sum(0) / together.sum(0).clamp_min(1)  # (M,)
    return -(towards_heard.mean() + towards_seen.mean()) / 2


def draw_batch(pool: Pool, budget: Budget, step: int) -> Batch:
    """The batch of one step, decided by the step alone.

    Pictures come face by face: among negatives of the same stranger in the same room, feeling is all that differs.
    """
    rng = strangers(budget.seed, 2, step)
    faces = rng.choice(len(pool.picture_affects) // SHOTS, budget.faces, replace=False)
    shots = (faces[:, None] * SHOTS + np.arange(SHOTS)).ravel()
    felt = -3 + 6 * (np.arange(budget.voices_heard) + rng.random(budget.voices_heard)) / budget.voices_heard
    voices = np.minimum(np.searchsorted(pool.voice_affects, felt), len(pool.voice_affects) - 1)
    return Batch(
        varied_pictures(pool.pictures[shots], rng),
        varied_windows(pool, voices, rng),
        _moment(pool.picture_affects[shots], budget.moments),
        _moment(pool.voice_affects[voices], budget.moments),
    )


def _moment(affects: NDArray[np.float32], moments: int) -> Tensor:
    return torch.from_numpy(np.clip((affects + 3) / 6 * moments, 0, moments - 1).astype(np.int64))


def varied_pictures(pictures: NDArray[np.uint8], rng: Generator) -> Tensor:
    """(N, 3, P, P) uint8 → the encoder's float input: mirrored, moved, lighter or darker at random."""
    side = pictures.shape[2]
    varied = np.empty_like(pictures)
    for place, picture in enumerate(pictures):
        padded = np.pad(picture, ((0, 0), (SHIFT_PX, SHIFT_PX), (SHIFT_PX, SHIFT_PX)), mode="edge")
        top, left = rng.integers(0, 2 * SHIFT_PX + 1, 2)
        cut = padded[:, top : top + side, left : left + side]
        varied[place] = cut[:, :, ::-1] if rng.random() < 0.5 else cut
    gain = torch.from_numpy(rng.uniform(0.85, 1.15, (len(pictures), 1, 1, 1)).astype(np.float32))
    return normalise_pixels((torch.from_numpy(varied) * gain).clamp(0, 255))


def varied_windows(pool: Pool, voices: NDArray[np.int64], rng: Generator) -> Tensor:
    """voices (N,) → (N, 1, 128, 204): of each one window of 2 s, centred anywhere in what is said."""
    windows = np.full((len(voices), SPECTROGRAM_FRAMES, MEL_BINS), PADDING, np.float32)
    for place, voice in enumerate(voices):
        start = pool.mel_starts[voice] + rng.integers(0, pool.mel_frames[voice] - HEARD_FRAMES + 1)
        windows[place, :HEARD_FRAMES] = pool.mels[start : start + HEARD_FRAMES]
    return torch.from_numpy(windows).transpose(1, 2).unsqueeze(1).contiguous()  # (N, 204, 128) → (N, 1, 128, 204)


def learning_rate(budget: Budget, step: int) -> float:
    """Linear warm-up, then a half cosine to a hundredth."""
    if step < budget.warm_up:
        return budget.learning_rate * (step + 1) / budget.warm_up
    progress = (step - budget.warm_up) / max(1, budget.steps - budget.warm_up)
    return budget.learning_rate * (0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2)


@dataclass
class Training:
    """A run at a step: all that the next step depends on."""

    budget: Budget
    model: Contrast
    optimizer: torch.optim.AdamW
    step: int = 0

    def save(self, path: Path) -> None:
        state = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(), "step": self.step}
        with written_aside(path) as aside:
            torch.save(state | {"budget": asdict(self.budget)}, aside)

    def load(self, path: Path) -> None:
        """Goes on from a file of `save`. Raises ValueError if it is of another budget."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state["budget"] != asdict(self.budget):
            raise ValueError(
                f"{path} is a run of {state['budget']}, asked for is {asdict(self.budget)}. "
                f"Delete it to begin anew, or give another --folder."
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]


def begin(budget: Budget, config: ImageBindConfig = TINY) -> Training:
    """A run before its first step. Norms, biases, tokens and the temperature do not decay."""
    model = Contrast(config, budget.seed)
    matrices = [weight for weight in model.parameters() if weight.ndim > 1 and weight.shape[0] > 1]
    others = [weight for weight in model.parameters() if not (weight.ndim > 1 and weight.shape[0] > 1)]
    groups = [
        {"params": matrices, "weight_decay": budget.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return Training(budget, model, torch.optim.AdamW(groups, lr=budget.learning_rate, betas=(0.9, 0.98)))


def take_step(training: Training, pool: Pool) -> float:
    """One batch, one update; the loss before it."""
    batch = draw_batch(pool, training.budget, training.step)
    model, optimizer = training.model, training.optimizer
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(training.budget, training.step)
    seen, heard = model(batch.pictures, batch.sounds)
    loss = info_nce(seen, heard, batch.seen, batch.heard, model.log_sharpness.exp())
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    with torch.no_grad():
        model.log_sharpness.clamp_(max=math.log(SHARPEST))
    training.step += 1
    return float(loss.detach())


def train(training: Training, pool: Pool, kept: Path, say: Callable[[str], None]) -> None:
    """Steps to the budget's end; the run stands in `kept` every few steps and at the end."""
    begun, losses = time.monotonic(), []
    first = training.step
    while training.step < training.budget.steps:
        losses.append(take_step(training, pool))
        if training.step % KEEP_EVERY == 0 or training.step == training.budget.steps:
            training.save(kept)
        if training.step % REPORT_EVERY == 0:
            left = (time.monotonic() - begun) / (training.step - first) * (training.budget.steps - training.step)
            say(
                f"step {training.step} of {training.budget.steps}  loss {np.mean(losses[-REPORT_EVERY:]):.3f}  "
                f"temperature {math.exp(-float(training.model.log_sharpness.detach())):.3f}  {left / 60:.1f} min left"
            )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m semanticmac.preprocess.contrast", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("data/tiny"), help="what was rendered, and the run")
    parser.add_argument("--out", type=Path, default=PACKAGED_TINY, help="where the weights go")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    chosen = parser.parse_args()
    budget, kept = Budget(), chosen.folder / "run.pt"
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"{(time.monotonic() - begun) / 60:5.1f} min  {text}", file=sys.stderr, flush=True)

    torch.set_num_threads(chosen.threads)
    pool = make_pool(
        chosen.folder, budget.seed, budget.pictures, budget.voices, TINY.picture_px, chosen.threads,
        lambda what, done, total: say(f"{what}: {done} of {total}"),
    )  # fmt: skip
    training = begin(budget)
    if kept.exists():
        training.load(kept)
        say(f"going on from step {training.step}")
    train(training, pool, kept, say)
    write_checkpoint(training.model.encoder, chosen.out, torch.float16)
    say(f"{chosen.out}: {chosen.out.stat().st_size / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
