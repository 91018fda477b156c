"""Checks of a GPU against the CPU: `pytest -m gpu` and benchmarks/gpu.py run them.

They need torch, transformers and numpy. Each takes the device and raises AssertionError. On a CPU
they compare the CPU with itself, to show that they run.
"""

from __future__ import annotations

import copy
import gc
import os
import shutil
import sysconfig
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from transformers import BertConfig, BertModel

from semanticmac.cache.batch import Batch
from semanticmac.cache.records import RawClip
from semanticmac.core import FRAME_MODALITIES, FrameModality, Task
from semanticmac.model.language.language_model import LanguageModel
from semanticmac.model.network import SemanticMAC
from semanticmac.preprocess.encoders.imagebind.encoder import ImageBindEncoder, keep_in_bfloat16
from semanticmac.preprocess.encoders.imagebind.network import (
    ImageBind,
    ImageBindConfig,
    TowerConfig,
    draw_weights,
)
from semanticmac.train.background_writer import BackgroundWriter
from semanticmac.train.config import TrainConfig
from semanticmac.train.distributed import SINGLE_PROCESS
from semanticmac.train.pseudo_labels import neighbours
from semanticmac.train.seeding import deterministic, in_fixed_order, seed_everything
from semanticmac.train.toml_settings import preset
from semanticmac.train.train_batch import TrainBatch
from semanticmac.train.trainer import Trainer

CPU = torch.device("cpu")
ENCODER = ImageBindConfig(
    TowerConfig(256, 4, 4), TowerConfig(192, 4, 4), output=128, picture_px=112
)
CLIPS, TOKENS, FRAMES = 24, 12, 6


class NotHere(Exception):
    """The check needs something that this machine lacks; the message says what."""


@dataclass(frozen=True)
class Check:
    """One check, and what it shows if it passes."""

    name: str
    shows: str
    run: Callable[[torch.device], None]


CHECKS: list[Check] = []


def check(shows: str) -> Callable[[Callable[[torch.device], None]], Callable[..., None]]:
    def add(function: Callable[[torch.device], None]) -> Callable[..., None]:
        CHECKS.append(Check(function.__name__, shows, function))
        return function

    return add


def run_checks(device: torch.device, tiny: bool, record: Callable[..., None]) -> None:
    """Section `checks`: every check, also after one has failed."""
    for each in CHECKS:
        try:
            each.run(device)
        except NotHere as reason:
            record(each.name, "skipped", note=str(reason))
        except Exception as error:
            lines = str(error).strip().splitlines() or [""]
            record(each.name, "failed", note=f"{type(error).__name__}: {lines[0][:200]}")
        else:
            record(each.name, "passed")


# The encoder.


def encoder_on(device: torch.device, modality: FrameModality, bf16: bool = False) -> Any:
    model = ImageBind(ENCODER)
    draw_weights(model, 0)
    digest = "0" * 64
    if bf16 and device.type != "cuda":
        encoder = ImageBindEncoder(model, modality, "check", digest, False, str(device))
        keep_in_bfloat16(encoder.tower)
        encoder.bf16 = True
        return encoder
    return ImageBindEncoder(model, modality, "check", digest, False, str(device), bf16)


def raw_clip(frames: int, seed: int) -> RawClip:
    dice = np.random.default_rng(seed)
    pictures = dice.integers(0, 256, (frames, 120, 160, 3), dtype=np.uint8)
    waveform = dice.integers(-9000, 9000, frames * 8000, dtype=np.int16)
    return RawClip(pictures, waveform, frames / 2)


def exact_rows(encoder: ImageBindEncoder, raw: RawClip) -> Tensor:
    """Embeddings in float32."""
    rows = encoder._rows(raw)
    assert rows is not None
    return encoder._run(rows)


@check("embeddings in float32 differ from those of a CPU by at most 1e-4 of the largest number")
def encoder_float32(device: torch.device) -> None:
    raw = raw_clip(19, seed=1)
    for modality in FRAME_MODALITIES:
        expected = exact_rows(encoder_on(CPU, modality), raw)
        rows = exact_rows(encoder_on(device, modality), raw)
        difference = float((rows - expected).abs().max() / expected.abs().max())
        assert difference <= 1e-4, f"{modality}: {difference:.2g}"


@check("embeddings with @bf16 have a cosine above 0.999 with those of float32")
def encoder_bfloat16(device: torch.device) -> None:
    raw = raw_clip(19, seed=1)
    for modality in FRAME_MODALITIES:
        exact = exact_rows(encoder_on(device, modality), raw)
        rows = exact_rows(encoder_on(device, modality, bf16=True), raw)
        cosine = float(torch.cosine_similarity(rows, exact).min())
        assert cosine > 0.999, f"{modality}: {cosine:.5f}"


@check("clips that are encoded together have the embeddings of single clips, rounded to float16")
def encoder_clips_together(device: torch.device) -> None:
    clips = [raw_clip(frames, seed=frames) for frames in (3, 40, 1, 70)]
    for modality in FRAME_MODALITIES:
        encoder = encoder_on(device, modality)
        for raw, rows in zip(clips, encoder.encode_clips(clips), strict=True):
            np.testing.assert_allclose(rows, encoder.encode(raw), rtol=2e-3, atol=2e-3)


# Training.


def settings(**changes: Any) -> TrainConfig:
    config = preset("mosi")
    model = replace(config.model, vision_width=32, audio_width=32, d_model=64, heads=4, dropout=0.0)
    return replace(config, precision="float32", model=model, **changes)


def trainer_on(device: torch.device, config: TrainConfig) -> Trainer:
    seed_everything(3)
    drop = config.model.dropout
    bert = BertConfig(
        vocab_size=500,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        hidden_dropout_prob=drop,
        attention_probs_dropout_prob=drop,
    )
    model = SemanticMAC(config.model, LanguageModel(BertModel(bert))).train().to(device)
    truth = torch.randn(CLIPS, 1, generator=torch.Generator().manual_seed(0)).to(device)
    return Trainer(config, Task("regression"), model, truth, 6, SINGLE_PROCESS)


def batch_of(first: int, clips: int) -> TrainBatch:
    dice = torch.Generator().manual_seed(first)
    rows = torch.arange(first, first + clips)
    token_mask = torch.arange(TOKENS) < torch.randint(3, TOKENS + 1, (clips, 1), generator=dice)
    frame_mask = torch.arange(FRAMES) < torch.randint(1, FRAMES + 1, (clips, 1), generator=dice)
    batch = Batch(
        clip_ids=tuple(map(str, rows.tolist())),
        rows=rows,
        token_ids=torch.randint(5, 500, (clips, TOKENS), generator=dice),
        token_mask=token_mask,
        vision=torch.randn(clips, FRAMES, 32, generator=dice),
        vision_mask=frame_mask,
        audio=torch.randn(clips, FRAMES, 32, generator=dice),
        audio_mask=frame_mask,
        labels=torch.randn(clips, 1, generator=dice),
    )
    return TrainBatch(rows.tolist(), batch.clip_ids, batch)


def steps(trainer: Trainer, first: int, last: int) -> Tensor:
    """Takes the steps first … last − 1 of a training → the losses of the last one."""
    values = torch.empty(0)
    for number in range(first, last):
        batch = batch_of(number % 3 * 8, 8)

        def step(batch: TrainBatch = batch) -> Tensor:
            return trainer.step([batch]).values

        values = in_fixed_order(step, print)
    return values.cpu()


def weights_of(trainer: Trainer) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in trainer.state_dict().items()}


def assert_equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    differing = [name for name in first if not first[name].equal(second[name])]
    assert not differing, f"{len(differing)} of {len(first)} tensors, such as {differing[0]}"


@check("a training step in float32 has the losses and the gradient norm of a CPU")
def train_step(device: torch.device) -> None:
    expected = steps(trainer_on(CPU, settings()), 0, 2)
    values = steps(trainer_on(device, settings()), 0, 2)
    torch.testing.assert_close(values, expected, rtol=1e-3, atol=1e-4)


@check("a training step in bfloat16 stays near float32, and its losses are float32")
def train_step_bfloat16(device: torch.device) -> None:
    expected = steps(trainer_on(device, settings()), 0, 1)
    config = replace(settings(), precision="bfloat16")
    values = steps(trainer_on(device, config), 0, 1)
    assert values.dtype == torch.float32
    torch.testing.assert_close(values, expected, rtol=0.1, atol=0.05)


def with_dropout() -> TrainConfig:
    config = settings()
    return replace(config, model=replace(config.model, dropout=0.2))


@check("every operation of a training step has a kernel that adds in a fixed order")
def fixed_order(device: torch.device) -> None:
    notes: list[str] = []
    with deterministic(device):
        trainer = trainer_on(device, with_dropout())
        in_fixed_order(lambda: trainer.step([batch_of(0, 8)]), notes.append)
    assert not notes, "; ".join(notes)


@check("two equal trainings with dropout have the same bytes")
def equal_bytes(device: torch.device) -> None:
    states = []
    with deterministic(device):
        for _ in range(2):
            trainer = trainer_on(device, with_dropout())
            steps(trainer, 0, 4)
            states.append(weights_of(trainer))
    assert_equal(*states)


@check("a training that is resumed has the bytes of one without a stop")
def resume_to_the_bit(device: torch.device) -> None:
    with deterministic(device):
        whole = trainer_on(device, with_dropout())
        steps(whole, 0, 4)
        stopped = trainer_on(device, with_dropout())
        steps(stopped, 0, 2)
        resumed = trainer_on(device, with_dropout())
        resumed.load_state_dict(weights_of(stopped), epoch=1, epoch_steps=2, best=None)
        steps(resumed, 2, 4)
    assert_equal(weights_of(whole), weights_of(resumed))


@check("a checkpoint in the background holds the state at its start, while training goes on")
def checkpoint_in_background(device: torch.device) -> None:
    trainer = trainer_on(device, settings())
    steps(trainer, 0, 1)
    expected = weights_of(trainer)
    written: list[dict[str, Tensor]] = []
    writer = BackgroundWriter()
    writer.submit(trainer.state_dict(), lambda tensors: written.append(copy.deepcopy(tensors)))
    steps(trainer, 1, 4)
    writer.close()
    assert_equal(expected, written[0])


@check("the gradient of two batches in a step is the mean of their gradients")
def accumulated(device: torch.device) -> None:
    def gradients(batches: list[TrainBatch]) -> Tensor:
        trainer = trainer_on(device, settings())
        trainer.step(batches)
        found = [weight.grad for weight in trainer.trainable if weight.grad is not None]
        return torch.cat([gradient.flatten() for gradient in found]).cpu()

    first, second = batch_of(0, 8), batch_of(8, 5)
    mean = (gradients([first]) + gradients([second])) / 2
    torch.testing.assert_close(gradients([first, second]), mean, rtol=1e-3, atol=1e-5)


@check("data-parallel training in a process group of one is training without a group")
def world_of_one(device: torch.device) -> None:
    backend = "nccl" if device.type == "cuda" else "gloo"
    with deterministic(device), tempfile.TemporaryDirectory() as folder:
        expected = steps(trainer_on(device, settings()), 0, 2)
        store = dist.FileStore(str(Path(folder) / "store"), 1)
        dist.init_process_group(backend, store=store, rank=0, world_size=1)
        try:
            trainer = trainer_on(device, settings())
            trainer.forward = DistributedDataParallel(trainer.model)
            values = steps(trainer, 0, 2)
            del trainer
        finally:
            # A model that still uses the group when it is deleted aborts the process.
            gc.collect()
            dist.destroy_process_group()
    torch.testing.assert_close(values, expected, rtol=1e-5, atol=1e-6)


@check("a step waits for the GPU once at most: transformers looks at the mask of the batch")
def waits_of_a_step(device: torch.device) -> None:
    if device.type != "cuda":
        raise NotHere("only a GPU is waited for")
    trainer = trainer_on(device, settings())
    steps(trainer, 0, 2)
    batch = replace(batch_of(0, 8), local=batch_of(0, 8).local.pin_memory())
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as waits:
            warnings.simplefilter("always")
            trainer.step([batch])
    finally:
        torch.cuda.set_sync_debug_mode("default")
    found = [wait for wait in waits if "synchroniz" in str(wait.message)]
    assert len(found) <= 1, [f"{wait.filename}:{wait.lineno}" for wait in found]


@check("the nearest neighbours of pseudo labels are those of a CPU")
def nearest_neighbours(device: torch.device) -> None:
    bank = torch.randn(3000, 64, generator=torch.Generator().manual_seed(0))
    valid = torch.arange(3000) % 7 != 0
    expected, exact = neighbours(bank, 10, valid)
    indices, distances = neighbours(bank.to(device), 10, valid.to(device), block=500)
    torch.testing.assert_close(distances.cpu(), exact, rtol=1e-4, atol=1e-5)
    same = float((indices.cpu() == expected).float().mean())
    assert same > 0.999, f"{same:.5f} are equal"


# The last check: compiling may take longer than all others together.
@check("a compiled model has the losses of one that is not compiled")
def compiled(device: torch.device) -> None:
    backend = "eager"
    if device.type == "cuda":
        backend = "inductor"
        require_compiler()
    expected = steps(trainer_on(device, settings()), 0, 1)
    trainer = trainer_on(device, settings())
    trainer.model.compile(backend=backend)
    torch.testing.assert_close(steps(trainer, 0, 1), expected, rtol=1e-3, atol=1e-4)


def require_compiler() -> None:
    """Raises NotHere without what Triton needs to compile its launcher."""
    if not any(map(shutil.which, (os.environ.get("CC", "gcc"), "gcc", "clang"))):
        raise NotHere("torch.compile needs a C compiler")
    if not (Path(sysconfig.get_path("include")) / "Python.h").exists():
        raise NotHere("torch.compile needs the headers of Python (Python.h)")
