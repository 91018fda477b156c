"""Objective: the losses of a method, and what they remember from batch to batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor

from semanticmac.core import Task
from semanticmac.train.config import TrainConfig


class Objective(Protocol):
    """What the trainer calls, in this order.

    For each batch: `loss`, the backward pass, `after_backward`. After each epoch: `end_epoch`.
    With several processes every process sees the output of the whole batch and keeps the same
    state. A method whose original trains a second set of weights in a stage of its own adds a loss
    term on detached inputs instead: one step, one optimizer, one state to resume.
    """

    def __init__(self, settings: Any, config: TrainConfig, task: Task, truth: Tensor) -> None:
        """settings: those of the method (a frozen dataclass); truth: (N, K) labels of the train
        clips on the model's device, NaN = not labelled. A single score of a regression may be NaN
        in a labelled clip."""

    def loss(self, output: Any, rows: Tensor, targets: Tensor) -> dict[str, Tensor]:
        """The named terms of the loss, scalars; `total` is among them and is minimised.

        The names and their order are the same in every batch; a term named like a sub-task is the
        loss of that head. output: FusionOutput of the network
        with `present`; rows (B,) int64: positions of the clips in the train split; targets (B, K):
        their labels, NaN = not labelled.
        """

    def after_backward(self, output: Any, rows: Tensor) -> None:
        """Updates what the objective remembers of these clips."""

    def end_epoch(self, epoch: int) -> None:
        """epoch: the number of the epoch that has just ended, from 1."""

    def pseudo_labels(self) -> Tensor | None:
        """(4, N, K): targets of this epoch in the order of PSEUDO_SUB_TASKS; None: it has none.

        They are kept in the run folder, one file for each epoch. NaN = no target.
        """

    def state_dict(self) -> dict[str, Tensor]:
        """Everything that changes, for a resume that ends with the same bits."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continues where `state_dict` was taken."""
