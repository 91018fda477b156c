"""What one training takes: seconds an epoch, peak memory, parameters."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch

from semanticmac.eval.leaderboard.result import Cost
from semanticmac.train.callbacks import Callbacks
from semanticmac.train.logger import EpochLog

_CLEAR_REFS = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
_RESET_PEAK = "5"  # proc(5)


class CostMeter:
    """Follows one training by its callbacks.

    Only epochs that were trained here from their first step count: those of an earlier process are
    reported again by a resumed training, without steps.
    """

    def __init__(self, callbacks: Callbacks, device: torch.device) -> None:
        self.callbacks = replace(callbacks, progress=self._progress, on_epoch=self._on_epoch)
        self._outer, self._device = callbacks, device
        self._seconds: list[float] = []
        self._first: float | None = None  # seconds of the first epoch after its first step
        self._epoch_began: float | None = None
        self._steps = 0  # of the epoch that is trained
        self._reset_peak()

    def cost(self) -> Cost:
        seconds = self._seconds or ([] if self._first is None else [self._first])
        per_epoch = median(seconds) if seconds else None
        return Cost(seconds_per_epoch=per_epoch, peak_memory_bytes=self._peak())

    def _progress(self, stage: str, done: int, total: int, failed: int) -> None:
        if stage == "training" and done:
            self._steps += 1
            if self._steps == 1 and self._epoch_began is None:
                self._first_step = time.monotonic()
        self._outer.progress(stage, done, total, failed)

    def _on_epoch(self, line: EpochLog) -> None:
        now = time.monotonic()
        if self._steps and self._epoch_began is not None:
            self._seconds.append(now - self._epoch_began)
        elif self._steps > 1:
            # The loading before the first step does not count; its time is that of the others.
            self._first = (now - self._first_step) * self._steps / (self._steps - 1)
        if self._steps:
            self._epoch_began = now
        self._steps = 0
        self._outer.on_epoch(line)

    def _reset_peak(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            return
        # Without permission the peak is that of the process since its start.
        with suppress(OSError):
            _CLEAR_REFS.write_text(_RESET_PEAK)

    def _peak(self) -> int | None:
        if self._device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self._device))
        with suppress(OSError, ValueError, IndexError):
            for line in _STATUS.read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        return None
