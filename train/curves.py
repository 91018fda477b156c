"""Curves for TensorBoard: what log.jsonl says, as event files in RUN/tensorboard."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any

from semanticmac.train.logger import EpochLog, StepLog

FOLDER = "tensorboard"


class CurvesError(Exception):
    """TensorBoard is not installed; the message says how to."""


class Curves:
    """Use as a context manager; `step` and `epoch` are what `train` tells."""

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
            # Of a run that goes on, what was drawn beyond its checkpoint is drawn again.
            self._writer = self._make(self._folder, purge_step=line.step)
        losses = {"loss": line.loss, "intra": line.intra, "inter": line.inter, **line.sub_tasks}
        numbers = {f"train/{name}": value for name, value in losses.items()}
        numbers |= {f"optimizer/rate_{name}": rate for name, rate in line.rates.items()}
        for name, value in (numbers | {"optimizer/gradient_norm": line.gradient_norm}).items():
            self._writer.add_scalar(name, value, line.step)
        self._last = line.step

    def epoch(self, line: EpochLog) -> None:
        """An epoch before a resume is drawn already."""
        if self._writer is not None:
            self._writer.add_scalar(line.valid_metric.replace(" ", "_"), line.valid, self._last)
