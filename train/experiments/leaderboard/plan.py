"""The wall-clock plan of a leaderboard: two steps of each model are measured before it starts."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from semanticmac.eval.predict import predict
from semanticmac.model.build import build_network
from semanticmac.train.batches import BatchReader
from semanticmac.train.data import TrainData, resolve, with_dialogue
from semanticmac.train.distributed import SINGLE_PROCESS
from semanticmac.train.experiments.leaderboard.entrants import SVM, Entrant
from semanticmac.train.language import open_language
from semanticmac.train.seeding import deterministic, in_fixed_order, seed_everything
from semanticmac.train.trainer import Trainer

MEASURED_STEPS = 2


@dataclass(frozen=True)
class PlannedTime:
    """What one model is expected to take, with its default settings."""

    name: str
    step_s: float  # the faster of two steps
    epoch_s: float  # all steps, and validation
    trainings: int  # trials and seeds that are not finished
    epochs: int  # of one training

    @property
    def total_s(self) -> float:
        return self.epoch_s * self.epochs * self.trainings


def plan_time(
    entrants: Sequence[Entrant],
    trainings: Sequence[int],
    data: Mapping[str, TrainData],
    device: torch.device,
) -> list[PlannedTime]:
    """The expected time of every entrant with trainings left.

    trainings: how many are left of each; data: by choice of streams.

    The trials draw other widths and batch sizes than the default, so the true time differs.
    """
    planned = []
    for entrant, count in zip(entrants, trainings, strict=True):
        if count and entrant.model != SVM:
            planned.append(_measure(entrant, count, data[entrant.streams], device))
    return planned


def _measure(entrant: Entrant, count: int, data: TrainData, device: torch.device) -> PlannedTime:
    config = resolve(entrant.config, data, device)
    data = with_dialogue(data, config.model)
    seed_everything(config.seed)
    with TemporaryDirectory() as folder, deterministic(device):
        language = open_language(config.model, Path(folder), resumed=False)
        reader = BatchReader(config, data, language.tokenize, SINGLE_PROCESS, device)
        model = build_network(config.model, language.model).to(device)
        truth = data.train.labels(data.task.width).to(device)
        steps = reader.sampler.steps_per_epoch
        trainer = Trainer(config, data.task, model, truth, steps, SINGLE_PROCESS)
        trainer.model.train()

        seconds = []
        # The same batch twice: what is computed once a text shall not count in every step.
        [batches] = islice(reader.train_steps(1, 0), 1)
        for _ in range(MEASURED_STEPS):
            began = time.monotonic()
            metrics = in_fixed_order(partial(trainer.step, batches), _ignore)
            metrics.values.tolist()  # waits for a GPU
            seconds.append(time.monotonic() - began)
        first = list(islice(reader.validation(), 1))
        predict(model, first, device)
        began = time.monotonic()
        predict(model, first, device)
        validation_s = (
            (time.monotonic() - began) * len(data.valid) / max(1, len(first[0].scored_clips()))
        )
    step_s = min(seconds)
    return PlannedTime(entrant.name, step_s, step_s * steps + validation_s, count, config.epochs)


def _ignore(note: str) -> None:
    """The training itself shows its notes."""
