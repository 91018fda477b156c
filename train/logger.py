"""Writes log.jsonl, the numbers of a run: one JSON line for each step, and one for each epoch."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from semanticmac.core import SUB_TASKS
from semanticmac.train.error import TrainError

# On a GPU the values of so many steps are fetched together: each fetch waits for the GPU.
GPU_BUFFERED_STEPS = 16


@dataclass(frozen=True)
class StepLog:
    """One optimisation step; in the log a line with the key `step`."""

    step: int  # of the run, from 1
    epoch: int
    loss: float
    terms: dict[str, float]  # its other parts, by name; in the log each is a key of its own
    sub_tasks: dict[str, float]
    gradient_norm: float  # before clipping
    rates: dict[str, float]  # learning rates: `rest`, and `language` if it is trained


@dataclass(frozen=True)
class EpochLog:
    """One epoch: mean losses over its steps, and the validation score."""

    epoch: int  # from 1
    loss: float
    terms: dict[str, float]  # as in StepLog
    sub_tasks: dict[str, float]
    valid_metric: str
    valid: float
    best: bool


@dataclass(frozen=True)
class StepMetrics:
    """A step whose values are still on the device."""

    step: int
    epoch: int
    names: Sequence[str]  # of the terms of the loss, `total` first
    values: Tensor  # the terms, then the norm of the gradient
    rates: dict[str, float]
    clip_ids: Sequence[str]  # of the whole step


def epoch_log(
    epoch: int, names: Sequence[str], means: Tensor, metric: str, valid: float, best: bool
) -> EpochLog:
    """names, means: as in StepMetrics, over the steps of the epoch."""
    loss, terms, sub_tasks = _parts(names, means.tolist()[:-1])
    return EpochLog(epoch, loss, terms, sub_tasks, metric, valid, best)


def read_epochs(path: Path) -> Iterator[EpochLog]:
    """The epochs of a log, in order."""
    known = {entry.name for entry in fields(EpochLog)}
    with path.open(encoding="utf-8") as file:
        for line in file:
            values = json.loads(line)
            if "step" in values:
                continue
            terms = {}
            for name in list(values):
                if name not in known:
                    terms[name] = values.pop(name)
            yield EpochLog(terms=terms, **values)


def _parts(
    names: Sequence[str], values: Sequence[float]
) -> tuple[float, dict[str, float], dict[str, float]]:
    """Total, other terms and losses of the sub-tasks."""
    losses = dict(zip(names, values, strict=True))
    total = losses.pop("total")
    sub_tasks = {}
    for name in SUB_TASKS:
        if name in losses:
            sub_tasks[name] = losses.pop(name)
    return total, losses, sub_tasks


def require_length(path: Path, size_bytes: int) -> None:
    """Raises TrainError if the log is shorter: a resumed run would then have other bytes."""
    length = path.stat().st_size if path.exists() else 0
    if length < size_bytes:
        raise TrainError(
            f"{path} is shorter than when the checkpoint was made: the run cannot be resumed. "
            "Start a new run."
        )


def _as_json(line: StepLog | EpochLog) -> dict[str, Any]:
    """The keys of a line; each term is one of them."""
    values: dict[str, Any] = {}
    for key, value in asdict(line).items():
        if key == "terms":
            values |= value
        else:
            values[key] = value
    return values


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
        *losses, norm = values
        loss, terms, sub_tasks = _parts(metrics.names, losses)
        for name, value in (("loss", loss), ("gradient", norm)):
            if not math.isfinite(value):
                raise TrainError(
                    f"the {name} became {value} in epoch {metrics.epoch}, on the clips "
                    f"{', '.join(metrics.clip_ids)}. Lower lr_language and lr_rest, or check "
                    "these clips with `semanticmac verify`."
                )
        line = StepLog(metrics.step, metrics.epoch, loss, terms, sub_tasks, norm, metrics.rates)
        self._write(line)
        self._on_step(line)

    def _write(self, line: StepLog | EpochLog) -> None:
        if self._file is not None:
            self._file.write(json.dumps(_as_json(line)).encode() + b"\n")
            self._file.flush()
