"""Writes log.jsonl, the numbers of a run: one JSON line for each step, and one for each epoch."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from semanticmac.core import SUB_TASKS
from semanticmac.train.data import TrainError

LOGGED_VALUES = 9  # of a step: total, intra, inter, five sub-tasks, norm of the gradient
# On a GPU the values of so many steps are fetched together: each fetch waits for the GPU.
GPU_BUFFERED_STEPS = 16


@dataclass(frozen=True)
class StepLog:
    """One optimisation step; in the log a line with the key `step`."""

    step: int  # of the run, from 1
    epoch: int
    loss: float
    intra: float
    inter: float
    sub_tasks: dict[str, float]
    gradient_norm: float  # before clipping
    rates: dict[str, float]  # learning rates: `rest`, and `language` if it is trained


@dataclass(frozen=True)
class EpochLog:
    """One epoch: mean losses over its steps, and the validation score."""

    epoch: int  # from 1
    loss: float
    intra: float
    inter: float
    sub_tasks: dict[str, float]
    valid_metric: str
    valid: float
    best: bool


@dataclass(frozen=True)
class StepMetrics:
    """A step whose values are still on the device."""

    step: int
    epoch: int
    values: Tensor  # (LOGGED_VALUES,), in the order of StepLog
    rates: dict[str, float]
    clip_ids: Sequence[str]  # of the whole step


def epoch_log(epoch: int, means: Tensor, metric: str, valid: float, best: bool) -> EpochLog:
    """means: (LOGGED_VALUES,) over the steps of the epoch."""
    loss, intra, inter, *sub_tasks = means.tolist()[: LOGGED_VALUES - 1]
    by_name = dict(zip(SUB_TASKS, sub_tasks, strict=True))
    return EpochLog(epoch, loss, intra, inter, by_name, metric, valid, best)


def read_epochs(path: Path) -> Iterator[EpochLog]:
    """The epochs of a log, in order."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            values = json.loads(line)
            if "step" not in values:
                yield EpochLog(**values)


def require_length(path: Path, size_bytes: int) -> None:
    """Raises TrainError if the log is shorter: a resumed run would then have other bytes."""
    length = path.stat().st_size if path.exists() else 0
    if length < size_bytes:
        raise TrainError(
            f"{path} is shorter than when the checkpoint was made: the run cannot be resumed. "
            "Start a new run."
        )


class RunLog:
    """Writes the log of a run. In a resumed run it first removes what follows the checkpoint."""

    def __init__(
        self,
        path: Path | None,
        keep_bytes: int,
        buffered_steps: int,
        on_step: Callable[[StepLog], None],
    ) -> None:
        """path: None writes nothing. buffered_steps: steps whose values are fetched together."""
        self._file = None if path is None else path.open("ab")
        if self._file is not None:
            self._file.truncate(keep_bytes)
        self._buffered_steps, self._on_step = buffered_steps, on_step
        self._buffer: list[StepMetrics] = []

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()

    def step(self, metrics: StepMetrics) -> None:
        self._buffer.append(metrics)
        if len(self._buffer) >= self._buffered_steps:
            self.flush()

    def epoch(self, line: EpochLog) -> None:
        self.flush()
        self._write(line)

    def flush(self) -> None:
        """Writes the buffered steps.

        Raises TrainError for the first step whose loss or gradient is not finite.
        """
        if not self._buffer:
            return
        steps, self._buffer = self._buffer, []
        rows = torch.stack([metrics.values for metrics in steps]).tolist()
        for metrics, values in zip(steps, rows, strict=True):
            self._write_step(metrics, values)

    def flush_to_disk(self) -> int:
        """Makes sure that all lines are on disk, and returns the length of the file in bytes."""
        self.flush()
        if self._file is None:
            return 0
        os.fsync(self._file.fileno())
        return self._file.tell()

    def _write_step(self, metrics: StepMetrics, values: list[float]) -> None:
        loss, intra, inter, *sub_tasks, norm = values
        for name, value in (("loss", loss), ("gradient", norm)):
            if not math.isfinite(value):
                raise TrainError(
                    f"the {name} became {value} in epoch {metrics.epoch}, on the clips "
                    f"{', '.join(metrics.clip_ids)}. Lower lr_language and lr_rest, or check "
                    "these clips with `semanticmac verify`."
                )
        by_name = dict(zip(SUB_TASKS, sub_tasks, strict=True))
        line = StepLog(
            metrics.step, metrics.epoch, loss, intra, inter, by_name, norm, metrics.rates
        )
        self._write(line)
        self._on_step(line)

    def _write(self, line: StepLog | EpochLog) -> None:
        if self._file is not None:
            self._file.write(json.dumps(asdict(line)).encode() + b"\n")
            self._file.flush()
