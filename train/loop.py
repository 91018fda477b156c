"""train: the visible loop. Reads the cache, never a video; leaves a run folder (eval/run.py)."""

from __future__ import annotations

import json
import platform
import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
import torch
import transformers
from torch import Tensor

from semanticmac import __version__
from semanticmac.cache.dataset import Batch, Tokenize, loader, no_text
from semanticmac.cache.files import write_text
from semanticmac.eval.predict import predict
from semanticmac.eval.pseudo import write_pseudo_labels
from semanticmac.eval.run import RunInfo, save_weights
from semanticmac.model.config import SUB_TASKS
from semanticmac.model.language import LanguageModel, Tokenizer, save_language
from semanticmac.model.semanticmac import SemanticMAC
from semanticmac.train.config import TrainConfig
from semanticmac.train.data import TrainData, TrainError, in_setting, open_data, resolve
from semanticmac.train.labels import PseudoLabelConfig, PseudoLabels
from semanticmac.train.losses import balanced_weights
from semanticmac.train.modalities import drop_modalities, dropout_draw
from semanticmac.train.objective import objective
from semanticmac.train.optim import optimizer, parameter_groups, rate_factor
from semanticmac.train.selection import Score, validation_score
from semanticmac.train.texts import count_cut, cut_note

__all__ = ["EpochLog", "TrainData", "TrainError", "open_data", "train"]

Progress = Callable[[str, int, int, int], None]  # stage, done, total, failed


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


def train(
    config: TrainConfig,
    data: TrainData,
    run: Path,
    device: torch.device,
    progress: Progress,
    on_epoch: Callable[[EpochLog], None],
    on_note: Callable[[str], None] = lambda note: None,
) -> RunInfo:
    """Trains one model and leaves the best epoch's weights in `run`. Same seed, machine and cache: same weights.

    on_note is told what a person should know before it starts. Raises TrainError where a loss is not finite, naming
    the clips of that batch.
    """
    seed_everything(config.seed)
    config = resolve(config, data)
    data = in_setting(data, config.model.clips_before)
    shape = (config.model.outputs, config.model.embedding_width)
    run.mkdir(parents=True, exist_ok=True)
    write_text(run / "config.toml", config.to_toml())
    tokenize: Tokenize = no_text
    language = None
    texts_cut: dict[str, int] = {}
    if "text" in config.model.modalities:
        language = LanguageModel.pretrained(config.model.language)
        tokenize = tokenizer = Tokenizer.load(config.model.language, config.model.max_tokens)
        save_language(run / "language", language, tokenizer)
        texts_cut = count_cut(tokenizer, (data.train, data.valid))
        if note := cut_note(texts_cut, tokenizer.max_tokens):
            on_note(note)
    model = SemanticMAC(config.model, language).to(device)
    order = torch.Generator().manual_seed(config.seed)
    train_batches = loader(data.train, config.batch_size, tokenize, *shape, shuffle=order)
    valid_batches = loader(data.valid, config.batch_size, tokenize, *shape)
    rates = (config.lr_language, config.lr_rest, config.weight_decay)
    adamw = optimizer(parameter_groups(model, model.language, *rates), device)
    scheduler = torch.optim.lr_scheduler.LambdaLR(
        adamw, lambda step: rate_factor(step, len(train_batches), config.epochs * len(train_batches), config.schedule)
    )
    truth = data.train.labels(data.task.width).to(device)
    labels = PseudoLabels(truth, config.model.d_model, _label_config(config))
    class_weights = balanced_weights(truth, data.task.kind) if config.class_weights == "balanced" else None

    best: Score | None = None
    with (run / "log.jsonl").open("w", encoding="utf-8") as log:
        for epoch in range(1, config.epochs + 1):
            model.train()
            sums = torch.zeros(8, device=device)
            draw = dropout_draw(len(data.train), config.seed, epoch)
            for step, cpu_batch in enumerate(train_batches, 1):
                if config.modality_dropout:
                    cpu_batch = drop_modalities(cpu_batch, config.modality_dropout, draw, config.model.modalities)
                batch = cpu_batch.to(device)
                output = model(batch)
                losses = objective(config, data.task.kind, output, labels.targets(batch.rows), class_weights)
                _check_finite(losses.total, batch, epoch)
                adamw.zero_grad(set_to_none=True)
                torch.autograd.backward(losses.total)
                adamw.step()
                scheduler.step()
                labels.record(batch.rows, output.representations, output.present)
                sums += losses.vector()
                progress("training", (epoch - 1) * len(train_batches) + step, config.epochs * len(train_batches), 0)
            if config.pseudo_labels:
                write_pseudo_labels(run, epoch, [row.clip_id for row in data.train.rows], labels.labels)
            labels.update(epoch + 1)

            score = validation_score(data.task, predict(model, valid_batches, device), config.regression_loss)
            line = _epoch_log(epoch, sums / len(train_batches), score, best)
            _write_line(log, line)
            if line.best:
                best = score
                info = _run_info(config, data, epoch, score, texts_cut)
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


def _run_info(config: TrainConfig, data: TrainData, epoch: int, score: Score, texts_cut: dict[str, int]) -> RunInfo:
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
        best_epoch=epoch,
        valid_metric=score.name,
        valid_score=score.value,
        versions=versions,
        texts_cut=texts_cut,
    )
