"""train: the visible loop. Reads the cache, never a video; leaves a run folder (run/folder.py)."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import torch
import transformers
from torch import Tensor

from semanticmac import __version__
from semanticmac.cache.atomic_io import write_text
from semanticmac.cache.dataset import Batch, ClipDataset, Tokenize, loader, no_text
from semanticmac.core import ProgressFn
from semanticmac.eval.predict import Predictions, join, predict
from semanticmac.model.network import SemanticMAC
from semanticmac.model.text_encoder import LanguageModel, Tokenizer, save_language
from semanticmac.run.folder import RunInfo
from semanticmac.run.pseudo_labels import write_pseudo_labels
from semanticmac.run.weights import save_best
from semanticmac.train import checkpoint
from semanticmac.train.augment import drop_modalities, dropout_draw
from semanticmac.train.checkpoint import CheckpointMetadata
from semanticmac.train.config import TrainConfig
from semanticmac.train.data import TrainData, TrainError, in_setting, open_data, resolve
from semanticmac.train.distributed import SINGLE_PROCESS, DistributedContext
from semanticmac.train.experiments.resumable import is_trained
from semanticmac.train.interrupts import deferred_sigint
from semanticmac.train.logger import (
    NUMBERS,
    WAITING,
    EpochLog,
    RunLog,
    StepLog,
    epoch_log,
    read_epochs,
    refuse_shorter,
)
from semanticmac.train.sampler import epoch_batches, in_order, pad_to_bucket
from semanticmac.train.seeding import deterministic, seed_everything
from semanticmac.train.trainer import Trainer
from semanticmac.train.truncation import count_cut, cut_note
from semanticmac.train.validation import refuse_not_finite, validation_score

__all__ = ["EpochLog", "StepLog", "TrainData", "TrainError", "open_data", "train"]

LANGUAGE = "language"  # in the run: tokenizer and configuration of its language model
# between two checkpoints within an epoch; one is written after every epoch too
SAVE_EVERY_S = 600.0


def train(
    config: TrainConfig,
    data: TrainData,
    run: Path,
    device: torch.device,
    progress: ProgressFn,
    on_epoch: Callable[[EpochLog], None],
    on_note: Callable[[str], None] = lambda note: None,
    *,
    on_step: Callable[[StepLog], None] = lambda step: None,
    resume: bool = False,
    save_every_s: float = SAVE_EVERY_S,
    world: DistributedContext = SINGLE_PROCESS,
) -> RunInfo:
    """Trains one model and leaves the best epoch's weights in `run`. Same seed, machine and cache: same weights.

    on_note is told what a person should know before it starts. resume: go on where the run in the
    folder was stopped; it ends with the files that it would have had without the stop. One that is
    finished stays as it is, and one that was not begun is begun. world: the processes that train
    together, this function running in each of them.

    Raises TrainError where a loss is not finite, naming the clips of that step, and where a run
    cannot go on: the data, the number of processes or the checkpoint are not those it was begun
    with; ConfigError where it has other settings.
    """
    config = resolve(config, data, device)
    data = in_setting(data, config.model.clips_before)
    found = None
    if resume:
        if is_trained(run, config, data):
            checkpoint.sweep(run)
            return RunInfo.read(run)
        found = _last_checkpoint(run, data, world, on_note)
    place = found[0] if found else _beginning(data, world)
    seed_everything(config.seed)
    texts = _open_texts(config, data, run, begun=found is not None)
    if note := cut_note(texts.cut, config.model.max_tokens):
        on_note(note)
    with checkpoint.training(run) if world.first else nullcontext(), deterministic(device):
        if world.first:
            if not found:
                checkpoint.forget(run)
                texts.keep(run)
            write_text(run / "config.toml", config.to_toml())
        model = SemanticMAC(config.model, texts.language).to(device)
        batches = -(-len(data.train) // config.batch_size)
        truth = data.train.labels(data.task.width).to(device)
        learner = Trainer(
            config, data.task.kind, model, truth, -(-batches // config.accumulate), world
        )
        sums = torch.zeros(NUMBERS, device=device)
        if found:
            for line in islice(read_epochs(run / "log.jsonl"), place.epoch - 1):
                on_epoch(line)
            sums = found[1].pop("sums").to(device)
            learner.load(found[1])
        watch = Callbacks(progress, on_epoch, on_step, save_every_s)
        _epochs(learner, data, texts, run, place, sums, watch)
    return world.broadcast(RunInfo.read(run) if world.first else None)  # type: ignore[return-value]


@dataclass(frozen=True)
class Callbacks:
    """Who is told what while a run trains, and how often it is saved."""

    progress: ProgressFn
    on_epoch: Callable[[EpochLog], None]
    on_step: Callable[[StepLog], None]
    save_every_s: float


@dataclass(frozen=True)
class Texts:
    """How the run reads texts: no language model where it does not."""

    tokenize: Tokenize
    language: LanguageModel | None
    cut: dict[str, int]  # texts.count_cut

    def keep(self, run: Path) -> None:
        """From then on the run needs no model hub."""
        if self.language is not None:
            assert isinstance(self.tokenize, Tokenizer)
            save_language(run / LANGUAGE, self.language, self.tokenize)


def _epochs(
    learner: Trainer,
    data: TrainData,
    texts: Texts,
    run: Path,
    place: CheckpointMetadata,
    sums: Tensor,
    watch: Callbacks,
) -> None:
    """From where the run stands to its end.

    sums (NUMBERS,): of the steps of the epoch that were done.
    """
    config, world, task = learner.config, learner.world, data.task
    clip_ids = [row.clip_id for row in data.train.rows]
    read = Reader(texts.tokenize, task.width, config, learner.device.type == "cuda")
    last_step = config.epochs * learner.steps_an_epoch
    best, saved = place.best, time.monotonic()

    def save(epoch: int, steps: int) -> None:
        now = replace(place, epoch=epoch, steps=steps, log_bytes=log.mark(), best=best)
        if world.first:
            checkpoint.save(run, now, learner.state() | {"sums": sums})

    waiting = WAITING if learner.device.type == "cuda" else 1
    with (
        RunLog(
            run / "log.jsonl" if world.first else None, place.log_bytes, waiting, watch.on_step
        ) as log,
        # Several processes do not stop after the same step: there Ctrl-C is not held back.
        deferred_sigint() if world.size == 1 else nullcontext(lambda: False) as stopped,
    ):
        for epoch in range(place.epoch, config.epochs + 1):
            learner.model.train()
            done = place.steps if epoch == place.epoch else 0
            todo = epoch_batches(len(data.train), config.batch_size, config.seed, epoch)[
                done * config.accumulate :
            ]
            draw = dropout_draw(len(data.train), config.seed, epoch)
            local = read(data.train, [world.share(batch) for batch in todo])
            if config.modality_dropout:
                local = (
                    drop_modalities(b, config.modality_dropout, draw, config.model.modalities)
                    for b in local
                )
            for steps, group in enumerate(_groups(todo, local, config.accumulate), done + 1):
                taken = learner.learn(epoch, group, clip_ids)
                sums += taken.numbers
                log.step(taken)
                watch.progress("training", learner.step, last_step, 0)
                due = stopped() or time.monotonic() - saved >= watch.save_every_s
                if due and steps < learner.steps_an_epoch:
                    save(epoch, steps)
                    saved = time.monotonic()
                    if stopped():
                        raise KeyboardInterrupt
            if config.pseudo_labels and world.first:
                write_pseudo_labels(run, epoch, clip_ids, learner.labels.labels)
            learner.labels.update(epoch + 1)

            said = _validate(learner, data, read)
            refuse_not_finite(said, epoch)
            score = validation_score(task, said, config.regression_loss)
            line = epoch_log(
                epoch, sums / learner.steps_an_epoch, score.name, score.value, score.beats(best)
            )
            log.epoch(line)
            if line.best:
                best = score
                if world.first:
                    save_best(run, learner.model, _run_info(config, data, line, texts.cut))
            watch.on_epoch(line)
            sums = torch.zeros_like(sums)
            if epoch < config.epochs:
                save(epoch + 1, 0)
                saved = time.monotonic()
                if stopped():
                    raise KeyboardInterrupt


@dataclass(frozen=True)
class Reader:
    """Batches out of the cache, as this run reads them."""

    tokenize: Tokenize
    label_width: int
    config: TrainConfig
    pin_memory: bool

    def __call__(self, dataset: ClipDataset, batches: Sequence[Sequence[int]]) -> Iterable[Batch]:
        """batches: places in the dataset."""
        model = self.config.model
        widths = (self.label_width, model.embedding_width)
        size, pin = self.config.batch_size, self.pin_memory
        read = loader(dataset, size, self.tokenize, *widths, batches=batches, pin_memory=pin)
        return (
            (pad_to_bucket(batch, model.max_tokens) for batch in read)
            if self.config.compile
            else read
        )


def _groups(
    places: Sequence[Sequence[int]], batches: Iterable[Batch], size: int
) -> Iterator[list[tuple[Sequence[int], Batch]]]:
    """The batches of one step after the other, each with the places of all its clips."""
    pairs = zip(places, batches, strict=True)
    while group := list(islice(pairs, size)):
        yield group


def _validate(learner: Trainer, data: TrainData, read: Reader) -> Predictions:
    """What the model says of every validation clip, once; each process asks it about a part of them."""
    mine = learner.world.part(len(data.valid))
    batches = read(data.valid, in_order(mine, learner.config.batch_size))
    found = predict(learner.model, batches, learner.device) if mine else None
    return join([part for part in learner.world.collect(found) if part is not None])


def _open_texts(config: TrainConfig, data: TrainData, run: Path, *, begun: bool) -> Texts:
    """The language model and its tokenizer; of a run that was begun, those that it keeps."""
    if "text" not in config.model.modalities:
        return Texts(no_text, None, {})
    source = str(run / LANGUAGE) if begun else config.model.language
    language = (
        LanguageModel.untrained(run / LANGUAGE) if begun else LanguageModel.pretrained(source)
    )
    tokenizer = Tokenizer.load(source, config.model.max_tokens)
    return Texts(tokenizer, language, count_cut(tokenizer, (data.train, data.valid)))


def _last_checkpoint(
    run: Path, data: TrainData, world: DistributedContext, on_note: Callable[[str], None]
) -> tuple[CheckpointMetadata, dict[str, Tensor]] | None:
    """Where the run stands, or None where it must begin.

    Raises TrainError where it cannot go on.
    """
    found = checkpoint.load(run)
    if found is None:
        return None
    place = found[0]
    if place.data != data.digest:
        raise TrainError(
            f"{data.manifest.dataset} is not what {run} was begun on: its clips, texts, labels or embeddings have "
            "changed in the cache. Begin another run."
        )
    if place.processes != world.size:
        raise TrainError(
            f"{run} was begun with {place.processes} processes and would go on with {world.size}: start it with "
            f"torchrun --nproc-per-node={place.processes}"
        )
    refuse_shorter(run / "log.jsonl", place.log_bytes)
    now = _beginning(data, world)
    if place.torch != now.torch:
        on_note(f"begun with torch {place.torch}, goes on with {now.torch}: last bits may differ")
    if place.threads != now.threads:
        on_note(
            f"begun on {place.threads} CPU threads, goes on with {now.threads}: last bits may differ"
        )
    return found


def _beginning(data: TrainData, world: DistributedContext) -> CheckpointMetadata:
    return CheckpointMetadata(
        1, 0, 0, None, data.digest, world.size, torch.__version__, torch.get_num_threads()
    )


def _run_info(
    config: TrainConfig, data: TrainData, line: EpochLog, texts_cut: dict[str, int]
) -> RunInfo:
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
        fingerprint=data.manifest.fingerprint,
        model=config.model,
        seed=config.seed,
        best_epoch=line.epoch,
        valid_metric=line.valid_metric,
        valid_score=line.valid,
        data=data.digest,
        versions=versions,
        texts_cut=texts_cut,
    )
