"""Trains one model from the cache, and leaves a run folder (run/folder.py)."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import torch
import transformers

from semanticmac import __version__
from semanticmac.cache.atomic_io import write_text
from semanticmac.eval.predict import predict
from semanticmac.model.build import build_network
from semanticmac.model.registry import model_notes
from semanticmac.run.folder import RunInfo
from semanticmac.run.predictions import join_predictions
from semanticmac.run.pseudo_labels import write_pseudo_labels
from semanticmac.run.weights import save_best
from semanticmac.train import checkpoint
from semanticmac.train.batches import BatchReader
from semanticmac.train.callbacks import SILENT, Callbacks
from semanticmac.train.checkpoint import Checkpointer, CheckpointMetadata
from semanticmac.train.config import TrainConfig
from semanticmac.train.data import TrainData, resolve, with_dialogue, with_fold
from semanticmac.train.dialogue_notes import dialogue_notes
from semanticmac.train.distributed import SINGLE_PROCESS, DistributedContext
from semanticmac.train.error import TrainError
from semanticmac.train.frame_statistics import fit_frame_scaling
from semanticmac.train.input_report import InputReport, report_inputs
from semanticmac.train.interrupts import deferred_sigint
from semanticmac.train.language import open_language
from semanticmac.train.logger import GPU_BUFFERED_STEPS, EpochLog, RunLog, read_epochs
from semanticmac.train.mixture_fit import fit_on
from semanticmac.train.resume import is_trained
from semanticmac.train.seeding import deterministic, in_fixed_order, seed_everything
from semanticmac.train.step_cost import measure_step
from semanticmac.train.trainer import Trainer
from semanticmac.train.validation import Score, require_finite, validation_score

SAVE_EVERY_S = 600.0  # between checkpoints; the end of an epoch may write one earlier


def train(
    config: TrainConfig,
    data: TrainData,
    run: Path,
    device: torch.device,
    callbacks: Callbacks = SILENT,
    *,
    resume: bool = False,
    save_every_s: float = SAVE_EVERY_S,
    distributed: DistributedContext = SINGLE_PROCESS,
) -> RunInfo:
    """Trains one model and keeps the weights of the best epoch by validation score in `run`.

    The same settings, cache, machine and versions give the same weights.

    resume: continue from the last checkpoint in the folder. The files at the end are the same as
    without the stop. A finished run is left as it is; a run without a checkpoint starts from the
    beginning.
    distributed: the processes that train together. Each of them calls this function.

    Raises TrainError if a loss is not finite, naming the clips of that step, if the GPU has too
    little memory, or if a run cannot be resumed with this data or number of processes; ConfigError
    if the run has other settings.
    """
    data = with_fold(data, config.fold)
    config = resolve(config, data, device)
    data = with_dialogue(data, config.model)
    if resume and is_trained(run, config, data):
        checkpoint.remove_leftovers(run)
        return RunInfo.read(run)

    with (
        _memory_errors(config),
        _open_session(
            config, data, run, device, callbacks, resume, save_every_s, distributed
        ) as session,
    ):
        trainer, reader = session.trainer, session.reader
        for epoch in range(trainer.epoch, config.epochs + 1):
            trainer.model.train()
            for batches in reader.train_steps(epoch, trainer.epoch_steps):
                step = partial(trainer.step, batches)
                session.log.step(in_fixed_order(step, callbacks.on_note))
                callbacks.progress("training", trainer.step_count, trainer.total_steps, 0)
                session.checkpointer.after_step(trainer, session.log)

            # Before the epoch is used: a NaN is reported with the clips of its step.
            session.log.flush()
            session.write_pseudo_labels(epoch)
            with trainer.kept_weights():
                score = validate(trainer, reader)
                result = trainer.finish_epoch(score)
                session.log.epoch(result)
                if result.best:
                    session.save_best(result)
            callbacks.on_epoch(result)
            if epoch < config.epochs:
                session.checkpointer.after_epoch(trainer, session.log)
    info = distributed.broadcast(RunInfo.read(run) if distributed.is_main else None)
    assert info is not None  # The main process has read it.
    return info


def validate(trainer: Trainer, reader: BatchReader) -> Score:
    """Scores all validation clips. Each process predicts a part of them.

    A mixture of the heads is fitted on them first. Raises TrainError if a prediction is not finite.
    """
    mixture = trainer.model.mixture
    if mixture is not None:
        mixture.reset()
    part = None
    if trainer.distributed.part(len(reader.valid_items)):
        part = predict(
            trainer.model, reader.validation(), trainer.device, bfloat16=trainer.use_bfloat16
        )
    parts = trainer.distributed.all_gather(part)
    predictions = join_predictions([part for part in parts if part is not None])
    predictions = predictions.ordered([row.clip_id for row in reader.data.valid.rows])
    require_finite(predictions, trainer.epoch)
    if mixture is not None:
        predictions = fit_on(mixture, predictions, reader.data.task, trainer.config)
    return validation_score(reader.data.task, predictions, trainer.config.regression_loss)


@contextmanager
def _memory_errors(config: TrainConfig) -> Iterator[None]:
    """Turns torch's error of a full GPU into a TrainError that says what to do."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        first_line = str(error).strip().partition("\n")[0]
        raise TrainError(
            f"the GPU has too little memory for batch_size={config.batch_size}: use a smaller one "
            f"with a larger accumulate (now {config.accumulate}), or gradient_checkpointing=true. "
            f"A contrastive loss compares the clips of one batch. torch: {first_line}"
        ) from None


@dataclass(frozen=True)
class _Session:
    """The objects of one call of `train`."""

    run: Path
    trainer: Trainer
    reader: BatchReader
    log: RunLog
    checkpointer: Checkpointer
    report: InputReport

    def write_pseudo_labels(self, epoch: int) -> None:
        labels = self.trainer.objective.pseudo_labels()
        if labels is not None and self.trainer.distributed.is_main:
            clip_ids = [row.clip_id for row in self.reader.data.train.rows]
            write_pseudo_labels(self.run, epoch, clip_ids, labels)

    def save_best(self, result: EpochLog) -> None:
        if self.trainer.distributed.is_main:
            info = _run_info(self.trainer.config, self.reader.data, result, self.report)
            save_best(self.run, self.trainer.model, info)


@contextmanager
def _open_session(
    config: TrainConfig,
    data: TrainData,
    run: Path,
    device: torch.device,
    callbacks: Callbacks,
    resume: bool,
    save_every_s: float,
    distributed: DistributedContext,
) -> Iterator[_Session]:
    """Loads the language model and the last checkpoint, and holds the lock of the run folder."""
    metadata = CheckpointMetadata.of_new_run(data, distributed)
    saved = None
    if resume:
        saved = checkpoint.load_for_resume(run, data, metadata, callbacks.on_note)
    if saved is not None:
        metadata = saved.metadata

    seed_everything(config.seed)
    language = open_language(config.model, run, resumed=saved is not None)
    splits = {"train": data.train, "valid": data.valid}
    report = report_inputs(config.model, language.tokenize, splits)
    for note in [
        *model_notes(config.model.name),
        *language.notes(config.model),
        *report.notes(config.model),
        *dialogue_notes(data, config.model),
    ]:
        callbacks.on_note(note)

    is_main, on_gpu = distributed.is_main, device.type == "cuda"
    with checkpoint.training_folder(run) if is_main else nullcontext(), deterministic(device):
        if is_main:
            if saved is None:
                checkpoint.remove_checkpoint(run)
                language.save(run)
            write_text(run / "config.toml", config.to_toml())

        reader = BatchReader(config, data, language.tokenize, distributed, device)
        model = build_network(config.model, language.model).to(device)
        fit_frame_scaling(model, data.train)
        truth = data.train.labels(data.task.width).to(device)
        steps_per_epoch = reader.sampler.steps_per_epoch
        trainer = Trainer(config, data.task, model, truth, steps_per_epoch, distributed)
        if saved is not None:
            for earlier in islice(read_epochs(run / "log.jsonl"), metadata.epoch - 1):
                callbacks.on_epoch(earlier)
            saved.restore(trainer)
        else:
            cost = measure_step(trainer, reader, callbacks.on_note)
            callbacks.on_note(cost.note(trainer.total_steps))
            if is_main:
                cost.write(run)

        log_file = run / "log.jsonl" if is_main else None
        buffered_steps = GPU_BUFFERED_STEPS if on_gpu else 1
        with (
            RunLog(log_file, metadata.log_bytes, buffered_steps, callbacks.on_step) as log,
            # Several processes would stop after different steps, so they stop at once.
            deferred_sigint(enabled=distributed.world_size == 1) as interrupted,
        ):
            checkpointer = Checkpointer(
                run if is_main else None, metadata, save_every_s, interrupted, in_background=on_gpu
            )
            with closing(checkpointer):
                yield _Session(run, trainer, reader, log, checkpointer, report)


def _run_info(config: TrainConfig, data: TrainData, best: EpochLog, report: InputReport) -> RunInfo:
    versions = {
        "semanticmac": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    return RunInfo(
        dataset=config.dataset,
        corpus=data.manifest.corpus,
        task=data.task,
        streams=data.streams,
        model=config.model,
        seed=config.seed,
        best_epoch=best.epoch,
        valid_metric=best.valid_metric,
        valid_score=best.valid,
        data=data.digest,
        versions=versions,
        texts_cut=report.texts_cut,
        unknown_tokens=report.unknown_tokens,
        frames_subsampled=report.frames_subsampled,
        fold=config.fold,
    )
