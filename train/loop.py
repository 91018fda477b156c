"""train: the visible loop. Reads the cache, never a video; leaves a run folder (eval/run.py)."""

from __future__ import annotations

import json
import platform
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TextIO

import numpy as np
import torch
import transformers
from torch import Tensor

from semanticmac import __version__
from semanticmac.cache.dataset import Batch, ClipDataset, Tokenize, loader, no_text
from semanticmac.cache.files import write_text
from semanticmac.cache.home import CacheHome
from semanticmac.cache.manifest import Manifest
from semanticmac.cache.shards import EmbeddingReader
from semanticmac.cache.task import Task
from semanticmac.eval.predict import predict
from semanticmac.eval.run import RunInfo, save_weights
from semanticmac.model.config import SUB_TASKS
from semanticmac.model.language import LanguageModel, Tokenizer, save_language
from semanticmac.model.semanticmac import SemanticMAC
from semanticmac.train.config import TrainConfig
from semanticmac.train.labels import PseudoLabelConfig, PseudoLabels
from semanticmac.train.objective import objective
from semanticmac.train.optim import optimizer, parameter_groups, rate_factor
from semanticmac.train.selection import Score, validation_score

Progress = Callable[[str, int, int, int], None]  # stage, done, total, failed


class TrainError(Exception):
    """Training cannot start or cannot go on; the message says why."""


@dataclass(frozen=True)
class TrainData:
    """The labelled clips of the two splits that training may see."""

    task: Task
    manifest: Manifest
    train: ClipDataset
    valid: ClipDataset

    @property
    def modalities(self) -> tuple[str, ...]:
        """Those that some train clip has. What no clip shows cannot be learned, and would be noise at prediction."""
        rows = self.train.rows
        has = {
            "text": any(row.text.strip() for row in rows),
            "audio": any(row.has_audio for row in rows),
            "vision": any(row.has_vision for row in rows),
        }
        return tuple(name for name, there in has.items() if there)


@dataclass(frozen=True)
class EpochLog:
    """One epoch: means of the losses over its batches, and the score on validation."""

    epoch: int  # from 1
    loss: float
    intra: float
    inter: float
    sub_tasks: dict[str, float]
    valid_metric: str
    valid: float
    best: bool


def open_data(home: CacheHome, dataset: str) -> TrainData:
    """The labelled train and validation clips of a cached dataset. Raises TrainError where there are none."""
    manifest = Manifest.read(home.manifest(dataset))
    if manifest.task is None:
        raise TrainError(f"{dataset} has no labels: it can be cached and predicted, not trained. Add a `label` column.")
    reader = EmbeddingReader(home.embeddings(manifest.fingerprint), manifest.fingerprint)
    splits = {}
    for name in ("train", "valid"):
        rows = [row for row in manifest.split(name) if row.label is not None]
        if not rows:
            raise TrainError(
                f"{dataset} has no labelled clips in its {name} split, and training needs both train and valid: "
                f"see `semanticmac inspect {dataset}`, and check the split column of its labels."
            )
        splits[name] = ClipDataset(manifest, reader, rows)
    return TrainData(manifest.task, manifest, **splits)


def train(
    config: TrainConfig,
    data: TrainData,
    run: Path,
    device: torch.device,
    progress: Progress,
    on_epoch: Callable[[EpochLog], None],
) -> RunInfo:
    """Trains one model and leaves the best epoch's weights in `run`. Same seed, machine and cache: same weights.

    Raises TrainError where a loss is not finite, naming the clips of that batch.
    """
    seed_everything(config.seed)
    shape = (data.task.width, data.manifest.fingerprint.width)
    seen = tuple(name for name in config.model.modalities if name in data.modalities)
    config = replace(config, model=replace(config.model, outputs=shape[0], embedding_width=shape[1], modalities=seen))
    run.mkdir(parents=True, exist_ok=True)
    write_text(run / "config.toml", config.to_toml())
    tokenize: Tokenize = no_text
    language = None
    if "text" in config.model.modalities:
        language = LanguageModel.pretrained(config.model.language)
        tokenize = tokenizer = Tokenizer.load(config.model.language, config.model.max_tokens)
        save_language(run / "language", language, tokenizer)
    model = SemanticMAC(config.model, language).to(device)
    order = torch.Generator().manual_seed(config.seed)
    train_batches = loader(data.train, config.batch_size, tokenize, *shape, shuffle=order)
    valid_batches = loader(data.valid, config.batch_size, tokenize, *shape)
    rates = (config.lr_language, config.lr_rest, config.weight_decay)
    adamw = optimizer(parameter_groups(model, model.language, *rates), device)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        adamw, lambda step: rate_factor(step, len(train_batches), config.epochs * len(train_batches), config.schedule)
    )
    labels = PseudoLabels(data.train.labels(data.task.width).to(device), config.model.d_model, _label_config(config))

    best: Score | None = None
    with (run / "log.jsonl").open("w", encoding="utf-8") as log:
        for epoch in range(1, config.epochs + 1):
            model.train()
            sums = torch.zeros(8, device=device)
            for step, cpu_batch in enumerate(train_batches, 1):
                batch = cpu_batch.to(device)
                output = model(batch)
                losses = objective(config, data.task.kind, output, labels.targets(batch.rows))
                _check_finite(losses.total, batch, epoch)
                adamw.zero_grad(set_to_none=True)
                torch.autograd.backward(losses.total)
                adamw.step()
                scheduler.step()
                labels.record(batch.rows, output.representations, output.present)
                sums += losses.vector()
                progress("training", (epoch - 1) * len(train_batches) + step, config.epochs * len(train_batches), 0)
            labels.update(epoch + 1)

            score = validation_score(data.task, predict(model, valid_batches, device), config.regression_loss)
            line = _epoch_log(epoch, sums / len(train_batches), score, best)
            _write_line(log, line)
            if line.best:
                best = score
                info = _run_info(config, data, epoch, score)
                save_weights(model, run)
                info.write(run)
            on_epoch(line)
    return info


def seed_everything(seed: int) -> None:
    """Python, numpy and torch, on every device."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def _label_config(config: TrainConfig) -> PseudoLabelConfig:
    return PseudoLabelConfig(config.pseudo_labels, config.momentum, config.neighbours, config.start_epoch)


def _check_finite(loss: Tensor, batch: Batch, epoch: int) -> None:
    if not torch.isfinite(loss):
        raise TrainError(
            f"the loss became {loss.item()} in epoch {epoch}, on the clips {', '.join(batch.clip_ids)}. "
            "Lower lr_language and lr_rest, or look at these clips with `semanticmac verify`."
        )


def _epoch_log(epoch: int, means: Tensor, score: Score, best: Score | None) -> EpochLog:
    total, intra, inter, *sub_tasks = means.tolist()
    by_name = dict(zip(SUB_TASKS, sub_tasks, strict=True))
    return EpochLog(epoch, total, intra, inter, by_name, score.name, score.value, score.beats(best))


def _write_line(log: TextIO, line: EpochLog) -> None:
    log.write(json.dumps(asdict(line)) + "\n")
    log.flush()


def _run_info(config: TrainConfig, data: TrainData, epoch: int, score: Score) -> RunInfo:
    versions = {
        "semanticmac": __version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    return RunInfo(
        dataset=config.dataset,
        task=data.task,
        fingerprint=data.manifest.fingerprint,
        model=config.model,
        seed=config.seed,
        best_epoch=epoch,
        valid_metric=score.name,
        valid_score=score.value,
        versions=versions,
    )
