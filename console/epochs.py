"""One line an epoch while a model trains."""

from __future__ import annotations

from semanticmac.console.progress import Screen
from semanticmac.train.loop import EpochLog


class EpochLines:
    """A header once, then a row for every epoch; ★ marks the best one so far."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def show(self, line: EpochLog) -> None:
        if line.epoch == 1:
            names = " ".join(f"{name[:7]:>7}" for name in ("loss", *line.sub_tasks, "intra", "inter"))
            self._screen.line(f"epoch {names}   {line.valid_metric}")
        numbers = " ".join(f"{v:7.3f}" for v in (line.loss, *line.sub_tasks.values(), line.intra, line.inter))
        self._screen.line(f"{line.epoch:5d} {numbers}   {line.valid:.4f}{' ★' if line.best else ''}")
