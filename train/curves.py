"""Curves for TensorBoard: the numbers of log.jsonl as event files in RUN/tensorboard."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

from semanticmac.train.logger import EpochLog, StepLog

FOLDER = "tensorboard"


class CurvesError(Exception):
    """TensorBoard is not installed. The message says how to install it."""


class Curves:
    """A context manager. Its methods `step` and `epoch` are callbacks of `train`."""

    def __init__(self, run: Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise CurvesError(
                "--tensorboard needs the package tensorboard, which is not installed: "
                "run `pip install 'semanticmac[tensorboard]'`"
            ) from None
        self._make: Any = SummaryWriter
        self._folder = str(run / FOLDER)
        self._writer: Any = None
        self._last = 0

    def __enter__(self) -> Curves:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def step(self, line: StepLog) -> None:
        if self._writer is None:
            # In a resumed run the curves after the checkpoint are drawn again.
            self._writer = self._make(self._folder, purge_step=line.step)
        losses = {"loss": line.loss, **line.terms, **line.sub_tasks}
        for name, loss in losses.items():
            self._writer.add_scalar(f"train/{name}", loss, line.step)
        for name, rate in line.rates.items():
            self._writer.add_scalar(f"optimizer/rate_{name}", rate, line.step)
        self._writer.add_scalar("optimizer/gradient_norm", line.gradient_norm, line.step)
        self._last = line.step

    def epoch(self, line: EpochLog) -> None:
        """Epochs before the first step of a resumed run are drawn already."""
        if self._writer is not None:
            self._writer.add_scalar(line.valid_metric.replace(" ", "_"), line.valid, self._last)
