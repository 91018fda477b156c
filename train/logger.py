"""log.jsonl, the numbers of a run that anybody can plot: one JSON line a step, and one an epoch."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from semanticmac.core import SUB_TASKS
from semanticmac.train.data import TrainError

NUMBERS = 9  # in what a step says: total, intra, inter, five sub-tasks, the norm of the gradient
# steps whose numbers may wait on a GPU: fetching each at once would make it stop for every step
WAITING = 16


@dataclass(frozen=True)
class StepLog:
    """One optimisation step; a line of the log that has `step`."""

    step: int  # of the run, from 1
    epoch: int
    loss: float
    intra: float
    inter: float
    sub_tasks: dict[str, float]
    gradient_norm: float  # before clipping
    rates: dict[str, float]  # learning rates: `language` where a language model learns, `rest`


@dataclass(frozen=True)
class EpochLog:
    """One epoch: means of the losses over its steps, and the score on validation."""

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
    """A step whose numbers are still where they were computed."""

    step: int
    epoch: int
    numbers: Tensor  # (NUMBERS,), in the order of StepLog
    rates: dict[str, float]
    clips: Sequence[str]  # of the whole step


def epoch_log(epoch: int, means: Tensor, metric: str, valid: float, best: bool) -> EpochLog:
    """means (NUMBERS,) over the steps of the epoch."""
    loss, intra, inter, *sub_tasks = means.tolist()[: NUMBERS - 1]
    return EpochLog(
        epoch, loss, intra, inter, dict(zip(SUB_TASKS, sub_tasks, strict=True)), metric, valid, best
    )


def read_epochs(path: Path) -> Iterator[EpochLog]:
    """The epochs of a log, in order."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            numbers = json.loads(line)
            if "step" not in numbers:
                yield EpochLog(**numbers)


def refuse_shorter(path: Path, size_bytes: int) -> None:
    """Raises TrainError for a log of fewer bytes: without them the run cannot go on to the bit."""
    if (path.stat().st_size if path.exists() else 0) < size_bytes:
        raise TrainError(
            f"{path} is shorter than when the checkpoint was made: the run cannot go on; begin another"
        )


class RunLog:
    """Writes the log; of one that goes on, what came after the checkpoint is cut off first."""

    def __init__(
        self, path: Path | None, keep_bytes: int, waiting: int, on_step: Callable[[StepLog], None]
    ) -> None:
        """path None: nothing is written.

        waiting: steps whose numbers are fetched together; on_step is told each.
        """
        self._file = None if path is None else path.open("ab")
        if self._file is not None:
            self._file.truncate(keep_bytes)
        self._waiting, self._on_step = waiting, on_step
        self._taken: list[StepMetrics] = []

    def __enter__(self) -> RunLog:
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.close()

    def step(self, taken: StepMetrics) -> None:
        self._taken.append(taken)
        if len(self._taken) >= self._waiting:
            self.flush()

    def epoch(self, line: EpochLog) -> None:
        self.flush()
        self._write(line)

    def flush(self) -> None:
        """Writes the steps that wait.

        Raises TrainError for the first whose loss or gradient is not finite.
        """
        if self._taken:
            taken, self._taken = self._taken, []
            for one, row in zip(
                taken, torch.stack([one.numbers for one in taken]).tolist(), strict=True
            ):
                self._step(one, row)

    def mark(self) -> int:
        """Everything so far is on disk; the length of the file in bytes."""
        self.flush()
        if self._file is None:
            return 0
        os.fsync(self._file.fileno())
        return self._file.tell()

    def _step(self, taken: StepMetrics, numbers: list[float]) -> None:
        loss, intra, inter, *sub_tasks, norm = numbers
        # NaN and infinity are nowhere near a number that is finite.
        for name, value in (("loss", loss), ("gradient", norm)):
            if not abs(value) < float("inf"):
                raise TrainError(
                    f"the {name} became {value} in epoch {taken.epoch}, on the clips {', '.join(taken.clips)}. "
                    "Lower lr_language and lr_rest, or look at these clips with `semanticmac verify`."
                )
        by_name = dict(zip(SUB_TASKS, sub_tasks, strict=True))
        line = StepLog(taken.step, taken.epoch, loss, intra, inter, by_name, norm, taken.rates)
        self._write(line)
        self._on_step(line)

    def _write(self, line: StepLog | EpochLog) -> None:
        if self._file is not None:
            self._file.write(json.dumps(asdict(line)).encode() + b"\n")
            self._file.flush()
