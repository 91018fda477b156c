"""Functions that a training run calls, so that its caller can show how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from semanticmac.core import ProgressFn
from semanticmac.train.logger import EpochLog, StepLog


def _ignore(*values: object) -> None:
    pass


@dataclass(frozen=True)
class Callbacks:
    """Each field is called with its value; the default does nothing."""

    progress: ProgressFn = _ignore
    on_epoch: Callable[[EpochLog], None] = _ignore  # after validation; also for resumed epochs
    on_step: Callable[[StepLog], None] = _ignore  # on a GPU several steps late (logger.py)
    on_note: Callable[[str], None] = _ignore  # a sentence for the user


SILENT = Callbacks()
