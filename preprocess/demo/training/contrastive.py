"""Trains `imagebind-tiny` like ImageBind: by contrast between frames and sounds.

    python -m semanticmac.preprocess.demo.training.contrastive          # or: make tiny

No encoder predicts a label. Random faces and random voices are paired by affect, and a pair has
nothing else in common, so both towers learn to represent the affect. After an interruption the same
command resumes and ends with the same weights.
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
from torch import Tensor, nn

from semanticmac.cache.atomic_io import atomic_write
from semanticmac.preprocess.demo.training.batch import Batch, Budget, draw_batch
from semanticmac.preprocess.demo.training.muon import Muon
from semanticmac.preprocess.demo.training.pool import SHOTS, Pool, make_pool
from semanticmac.preprocess.encoders.imagebind.checkpoint import write_checkpoint
from semanticmac.preprocess.encoders.imagebind.encoder import PACKAGED_TINY
from semanticmac.preprocess.encoders.imagebind.network import (
    TINY,
    ImageBind,
    ImageBindConfig,
    draw_weights,
)

SHARPEST = 100.0  # 1 / temperature; above it single pairs dominate every gradient
# Two affects this close (in a range of 6) count as nearly equal.
SAME_FEELING = 0.4
MUON_RATIO = 10  # Muon's rate over AdamW's: its updates have unit spectral norm
REPORT_EVERY, KEEP_EVERY = 10, 50  # steps


class Contrast(nn.Module):
    """Both towers and the learned temperature of their comparison."""

    def __init__(self, config: ImageBindConfig, seed: int) -> None:
        super().__init__()
        self.encoder = ImageBind(config)
        draw_weights(self.encoder, seed)
        self.log_sharpness = nn.Parameter(torch.tensor(math.log(5.0)))  # 1 / temperature

    def forward(
        self, pictures: Tensor, sounds: Tensor, known: float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """pictures (N, 3, P, P), sounds (M, 1, 128, 204) → unit vectors (N, d), (M, d).

        The mean of the batch is subtracted. With known=1 each picture has the mean of its own face
        (SHOTS pictures) subtracted instead, which removes the identity; values between 0 and 1 mix
        both means.
        """
        vision, audio = self.encoder.vision(pictures), self.encoder.audio(sounds)
        faces = vision.unflatten(0, (-1, SHOTS)).mean(1).repeat_interleave(SHOTS, 0)  # (N, d)
        mean = known * faces + (1 - known) * vision.mean(0)
        return F.normalize(vision - mean, dim=1), F.normalize(audio - audio.mean(0), dim=1)


def info_nce(
    ours: Tensor,
    theirs: Tensor,
    our_affect: Tensor,
    their_affect: Tensor,
    sharpness: Tensor,
    itself: bool = False,
) -> Tensor:
    """InfoNCE (van den Oord et al., 2018) with soft targets, mean over the rows of ours.

    ours (N, d) and theirs (M, d) are unit vectors with the affects (N,) and (M,). `itself`: ours
    and theirs are equal, and no row is compared with itself. The target of a row falls with the
    distance of the affects like a normal density of deviation SAME_FEELING. With a deviation near 0
    this is ImageBind's loss in one direction.
    """
    alike = sharpness * ours @ theirs.T  # (N, M)
    nearness = -((our_affect[:, None] - their_affect[None, :]) / SAME_FEELING).square() / 2
    if itself:
        oneself = torch.eye(len(ours), dtype=torch.bool)
        alike, nearness = (
            alike.masked_fill(oneself, -1e9),
            nearness.masked_fill(oneself, -torch.inf),
        )
    return -(nearness.softmax(1) * alike.log_softmax(1)).sum(1).mean()


def contrast_loss(
    vision: Tensor, audio: Tensor, batch: Batch, sharpness: Tensor
) -> tuple[Tensor, Tensor]:
    """InfoNCE between vision and audio in both directions, and within each of them.

    ImageBind uses the first only. From random weights it makes no progress for hundreds of steps;
    the loss within one modality falls from the start.
    """
    pictures, sounds = batch.picture_affects, batch.sound_affects
    across = info_nce(vision, audio, pictures, sounds, sharpness)
    across = (across + info_nce(audio, vision, sounds, pictures, sharpness)) / 2
    within = info_nce(vision, vision, pictures, pictures, sharpness, itself=True)
    within = (within + info_nce(audio, audio, sounds, sounds, sharpness, itself=True)) / 2
    return across, within


def schedule(budget: Budget, step: int) -> float:
    """The factor of the learning rate at a step: linear warm-up, then a cosine to a hundredth."""
    if step < budget.warm_up:
        return (step + 1) / budget.warm_up
    progress = (step - budget.warm_up) / max(1, budget.steps - budget.warm_up)
    return 0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2


@dataclass
class Training:
    """The state of a training run."""

    budget: Budget
    model: Contrast
    optimizers: tuple[torch.optim.Optimizer, ...]
    step: int = 0

    def save(self, path: Path) -> None:
        states = [optimizer.state_dict() for optimizer in self.optimizers]
        state = {
            "budget": asdict(self.budget),
            "model": self.model.state_dict(),
            "optimizers": states,
            "step": self.step,
        }
        with atomic_write(path) as aside:
            torch.save(state, aside)

    def load(self, path: Path) -> None:
        """Restores the state from a file of `save`. Raises ValueError if its budget differs."""
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state["budget"] != asdict(self.budget):
            raise ValueError(
                f"{path} is a run of {state['budget']}, expected {asdict(self.budget)}. "
                "Delete it to start again, or give another --folder."
            )
        self.model.load_state_dict(state["model"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step = state["step"]


def begin(budget: Budget, config: ImageBindConfig = TINY) -> Training:
    """A run before its first step.

    Muon (Jordan et al., 2024) trains the matrices of the blocks and AdamW all other weights. With
    AdamW alone the vision tower needs several times as many steps.
    """
    model = Contrast(config, budget.seed)
    hidden: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, weight in sorted(model.named_parameters()):
        if "blocks" in name and weight.ndim == 2:
            hidden.append(weight)
        else:
            others.append(weight)
    muon = Muon(hidden, lr=MUON_RATIO * budget.learning_rate)
    adamw = torch.optim.AdamW(others, lr=budget.learning_rate, betas=(0.9, 0.98), weight_decay=0.0)
    for optimizer in (muon, adamw):
        for group in optimizer.param_groups:
            group["highest"] = group["lr"]
    return Training(budget, model, (muon, adamw))


def take_step(training: Training, pool: Pool) -> float:
    """Makes one update from one batch and returns the loss before it."""
    batch = draw_batch(pool, training.budget, training.step)
    model = training.model
    for optimizer in training.optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["highest"] * schedule(training.budget, training.step)
    known = max(0.0, 1 - training.step / training.budget.acquaintance)
    vision, audio = model(batch.pictures, batch.sounds, known)
    across, within = contrast_loss(vision, audio, batch, model.log_sharpness.exp())
    model.zero_grad(set_to_none=True)
    (across + within).backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    for optimizer in training.optimizers:
        optimizer.step()
    with torch.no_grad():
        model.log_sharpness.clamp_(max=math.log(SHARPEST))
    training.step += 1
    return float(across.detach())


def train(training: Training, pool: Pool, run_file: Path, echo: Callable[[str], None]) -> None:
    """Trains to the end of the budget; saves the run to `run_file` regularly and at the end."""
    begun, losses = time.monotonic(), []
    first = training.step
    while training.step < training.budget.steps:
        losses.append(take_step(training, pool))
        if training.step % KEEP_EVERY == 0 or training.step == training.budget.steps:
            training.save(run_file)
        if training.step % REPORT_EVERY == 0:
            seconds_a_step = (time.monotonic() - begun) / (training.step - first)
            left_s = seconds_a_step * (training.budget.steps - training.step)
            echo(
                f"step {training.step} of {training.budget.steps}  "
                f"loss {np.mean(losses[-REPORT_EVERY:]):.3f}  "
                f"temperature {math.exp(-float(training.model.log_sharpness.detach())):.3f}  "
                f"{left_s / 60:.1f} min left"
            )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m semanticmac.preprocess.demo.training.contrastive", description=__doc__
    )
    parser.add_argument(
        "--folder", type=Path, default=Path("data/tiny"), help="for the rendered pool and the run"
    )
    parser.add_argument("--out", type=Path, default=PACKAGED_TINY, help="where the weights go")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    budget, run_file = Budget(), options.folder / "run.pt"
    begun = time.monotonic()

    def echo(text: str) -> None:
        print(f"{(time.monotonic() - begun) / 60:5.1f} min  {text}", file=sys.stderr, flush=True)

    torch.set_num_threads(options.threads)

    def show(what: str, done: int, total: int) -> None:
        echo(f"{what}: {done} of {total}")

    pool = make_pool(
        options.folder,
        budget.seed,
        budget.pictures,
        budget.voices,
        TINY.picture_px,
        options.threads,
        show,
    )
    training = begin(budget)
    if run_file.exists():
        training.load(run_file)
        echo(f"resuming from step {training.step}")
    train(training, pool, run_file, echo)
    write_checkpoint(training.model.encoder, options.out, torch.float16)
    echo(f"{options.out}: {options.out.stat().st_size / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
