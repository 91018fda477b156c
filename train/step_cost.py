"""The cost of a training step, measured before training: time and peak memory."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
from torch import nn

from semanticmac.cache.atomic_io import write_text
from semanticmac.model.parameters import count_parameters
from semanticmac.train.batches import BatchReader, TrainBatch
from semanticmac.train.seeding import in_fixed_order, seed_everything
from semanticmac.train.trainer import Trainer

FILE = "step_cost.json"  # in the run folder
_GIB = 2**30


@dataclass(frozen=True)
class StepCost:
    """Measured on the clips with the longest texts, so that later steps need no more memory."""

    seconds: float
    peak_bytes: int  # on a GPU: of its memory; on a CPU: of the whole process
    device: str
    clips: int  # in a batch
    tokens: int  # of the longest text
    trained_weights: int
    all_weights: int

    def note(self, steps: int) -> str:
        """One sentence for the user; steps: how many the training has."""
        return (
            f"one step of {self.clips} clips with up to {self.tokens} tokens: "
            f"{self.seconds:.3g} s, {self.peak_bytes / _GIB:.3g} GiB of memory at its peak "
            f"({self.device}); {steps} steps take about {_duration(steps * self.seconds)}; "
            f"{self.trained_weights / 1e6:,.2f} of {self.all_weights / 1e6:,.2f} million weights "
            "are trained"
        )

    def write(self, run: Path) -> None:
        write_text(run / FILE, json.dumps(asdict(self), indent=1) + "\n")


def measure_step(trainer: Trainer, reader: BatchReader, on_note: Callable[[str], None]) -> StepCost:
    """Runs a step twice and measures the second one. Weights and optimizer stay as they were.

    on_note receives the name of an operation that adds in no fixed order (`in_fixed_order`).
    """
    batch = reader.longest_texts()
    trainer.model.train()
    rates = [group["lr"] for group in trainer.optimizer.param_groups]
    for group in trainer.optimizer.param_groups:
        group["lr"] = 0.0
    # The first time allocates the moments of the optimizer, and may compile.
    in_fixed_order(partial(_run_step, trainer, batch), on_note)
    _reset_peak(trainer.device)
    start = time.perf_counter()
    _run_step(trainer, batch)
    seconds = time.perf_counter() - start

    every, trained = count_parameters(trainer.model)
    cost = StepCost(
        seconds,
        _peak_bytes(trainer.device),
        trainer.device.type,
        len(batch.rows),
        int(batch.local.token_mask.sum(1).max()),
        trained,
        every,
    )
    trainer.optimizer.zero_grad(set_to_none=True)
    trainer.optimizer.state.clear()
    for group, rate in zip(trainer.optimizer.param_groups, rates, strict=True):
        group["lr"] = rate
    return cost


def _run_step(trainer: Trainer, batch: TrainBatch) -> None:
    """Forward, backward and an update by zero."""
    config = trainer.config
    seed_everything(config.seed, 0)
    local = batch.local_on(trainer.device)
    rows = batch.rows_beside(local)
    trainer.optimizer.zero_grad(set_to_none=True)
    for _ in range(config.accumulate):
        with torch.autocast(trainer.device.type, torch.bfloat16, enabled=trainer.use_bfloat16):
            output = trainer.model(local)
        terms = trainer.objective.loss(output, rows, trainer.truth[rows])
        torch.autograd.backward(terms["total"])
    nn.utils.clip_grad_norm_(trainer.trainable, float("inf"))
    # A gradient that is not finite would otherwise reach the weights at any learning rate.
    for weight in trainer.trainable:
        if weight.grad is not None:
            weight.grad.zero_()
    trainer.optimizer.step()
    if trainer.device.type == "cuda":
        torch.cuda.synchronize(trainer.device)


def _reset_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    # Linux forgets the peak of this process. Where it does not, the peak since its start is given.
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _peak_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) * 1024
    return 0


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
