"""The epochs of a training run: a live table on a terminal, one line per epoch elsewhere."""

from __future__ import annotations

from rich.table import Table

from semanticmac.commands.ui.progress import Screen
from semanticmac.run.metric import format_validation, validation_label
from semanticmac.train.callbacks import Callbacks
from semanticmac.train.logger import EpochLog

_WIDTH = len("99.999")
_SHOWN = 10  # epochs in the live table; log.jsonl holds all of them


def callbacks_for(screen: Screen) -> Callbacks:
    """Shows progress, epochs and notes of several trainings."""
    return Callbacks(screen.progress, EpochLines(screen).show, on_note=screen.line)


class EpochLines:
    """The losses by sub-task and the validation score of every epoch; ★ marks the best so far."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._epochs: list[EpochLog] = []

    def show(self, line: EpochLog) -> None:
        if line.epoch == 1:  # the next training begins
            self._epochs = []
        self._epochs.append(line)
        if self._screen.live:
            self._screen.above(epochs_table(self._epochs))
        else:
            self._print(line)

    def _print(self, line: EpochLog) -> None:
        losses = {"loss": line.loss, **line.sub_tasks, **line.terms}
        if line.epoch == 1:
            names = " ".join(f"{name:>{_WIDTH}}" for name in losses)
            self._screen.line(f"epoch {names}   {validation_label(line.valid_metric)}")
        numbers = " ".join(f"{loss:{max(len(name), _WIDTH)}.3f}" for name, loss in losses.items())
        score = format_validation(line.valid_metric, line.valid)
        mark = " ★" if line.best else ""
        self._screen.line(f"{line.epoch:5d} {numbers}   {score}{mark}")


def epochs_table(epochs: list[EpochLog]) -> Table:
    """The last epochs; the best epoch stands first if it is an earlier one. Fits 80 columns."""
    best = max((line for line in epochs if line.best), key=lambda line: line.epoch, default=None)
    shown = epochs[-_SHOWN:]
    if best is not None and best not in shown:
        shown = [best, *shown[1:]]
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="dim")
    for name in ("epoch", "loss", *shown[-1].sub_tasks, *shown[-1].terms):
        width = len("epoch") if name == "epoch" else _WIDTH
        table.add_column(
            name.replace("multimodal", "multi-\nmodal"), justify="right", min_width=width
        )
    table.add_column(shown[-1].valid_metric.replace(" ", "\n", 1), justify="right", no_wrap=True)
    table.add_column()
    for line in shown:
        losses = [line.loss, *line.sub_tasks.values(), *line.terms.values()]
        # A loss of 0 is one that is not trained.
        cells = [f"{loss:.3f}" if loss else "–" for loss in losses]
        cells += [format_validation(line.valid_metric, line.valid), "★" if line is best else ""]
        table.add_row(str(line.epoch), *cells, style="bold green" if line is best else "")
    return table
