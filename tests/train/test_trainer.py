"""Precision, compilation, accumulation and clipping: what changes, and what must not."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support.syncs import SyncCounter
from torch._dynamo.testing import CompileCounter

from semanticmac.cache.batch import Batch
from semanticmac.cache.dataset import make_dataloader
from semanticmac.cache.layout import CacheLayout
from semanticmac.model.language.language_model import LanguageModel
from semanticmac.model.language.tokenizer import Tokenizer
from semanticmac.model.network import SemanticMAC
from semanticmac.train.augment import ModalityDropout
from semanticmac.train.batches import BatchReader, TrainBatch
from semanticmac.train.callbacks import Callbacks
from semanticmac.train.config import TrainConfig
from semanticmac.train.data import TrainData, TrainError, open_data, resolve
from semanticmac.train.distributed import SINGLE_PROCESS
from semanticmac.train.logger import RunLog, StepMetrics
from semanticmac.train.loop import train, validate
from semanticmac.train.objectives import semantic_centric
from semanticmac.train.overrides import override
from semanticmac.train.sampler import BatchSampler, pad_to_bucket
from semanticmac.train.seeding import seed_everything
from semanticmac.train.trainer import Trainer

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(planted: Callable[..., CacheLayout]) -> TrainData:
    return open_data(planted(), "planted")


@pytest.fixture(scope="module")
def config(small: dict[str, Any], families: dict[str, str], data: TrainData) -> TrainConfig:
    settings = small | {"language": families["still"], "dropout": 0.0}
    return resolve(override(TrainConfig("planted"), settings), data)


def made(config: TrainConfig, data: TrainData) -> Trainer:
    seed_everything(config.seed)
    model = SemanticMAC(config.model, LanguageModel.pretrained(config.model.language))
    return Trainer(config, data.task, model, data.train.labels(1), 3, SINGLE_PROCESS)


def step(trainer: Trainer, data: TrainData, batches: list[list[int]]) -> StepMetrics:
    tokenize = Tokenizer.load(trainer.config.model.language, 32)
    local = make_dataloader(data.train, 1, tokenize, 1, batches=batches)
    rows = data.train.rows
    return trainer.step(
        [
            TrainBatch(batch, [rows[row].clip_id for row in batch], read)
            for batch, read in zip(batches, local, strict=True)
        ]
    )


def last_gradients(trainer: Trainer) -> Callable[[], torch.Tensor]:
    """The gradients of the last step, as one vector."""
    return lambda: torch.cat(
        [weight.grad.flatten() for weight in trainer.trainable if weight.grad is not None]
    )


def test_accumulated_gradients_are_the_mean_of_those_of_the_batches(
    config: TrainConfig, data: TrainData
) -> None:
    batches = [[0, 1, 2, 3], [4, 5, 6], [7, 8]]
    single = []
    for batch in batches:
        trainer = made(config, data)
        gradients = last_gradients(trainer)
        step(trainer, data, [batch])
        single.append(gradients())
    trainer = made(config, data)
    gradients = last_gradients(trainer)
    taken = step(trainer, data, batches)
    torch.testing.assert_close(gradients(), torch.stack(single).mean(0), rtol=1e-4, atol=1e-7)
    assert taken.values[8].item() == pytest.approx(gradients().norm().item(), rel=1e-5)


def test_clipped_gradients_keep_their_direction(config: TrainConfig, data: TrainData) -> None:
    found = []
    for limit in (0.0, 0.5):
        trainer = made(replace(config, clip_norm=limit), data)
        gradients = last_gradients(trainer)
        taken = step(trainer, data, [[0, 1, 2, 3]])
        found.append((gradients(), taken.values[8].item()))
    (free, norm), (clipped, logged) = found
    assert norm == logged > 0.5  # the log says what it was before
    torch.testing.assert_close(clipped, free * (0.5 / norm), rtol=1e-3, atol=1e-7)


def test_bfloat16_computes_the_model_in_it_and_losses_and_banks_in_float32(
    config: TrainConfig, data: TrainData, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, torch.dtype] = {}
    exact = semantic_centric.objective

    def watched(
        config: TrainConfig, kind: Any, output: Any, targets: torch.Tensor, weights: Any
    ) -> Any:
        losses = exact(config, kind, output, targets, weights)
        seen.update(
            fused=output.fused.dtype,
            prediction=output.predictions.dtype,
            loss=losses.total.dtype,
            inter=losses.inter.dtype,
        )
        return losses

    monkeypatch.setattr(semantic_centric, "objective", watched)
    numbers = {}
    for precision in ("float32", "bfloat16"):
        trainer = made(replace(config, precision=precision), data)  # type: ignore[arg-type]
        numbers[precision] = step(trainer, data, [[0, 1, 2, 3, 4, 5, 6, 7]]).values
        assert all(weight.dtype == torch.float32 for weight in trainer.trainable)
        assert trainer.objective.labels.banks.dtype == torch.float32
    wide = torch.float32
    assert seen == {"fused": torch.bfloat16, "prediction": wide, "loss": wide, "inter": wide}
    assert not numbers["float32"].equal(numbers["bfloat16"])
    torch.testing.assert_close(numbers["bfloat16"], numbers["float32"], rtol=0.05, atol=0.02)


def test_auto_precision_is_resolved_before_it_is_saved(
    config: TrainConfig, data: TrainData, tmp_path: Path
) -> None:
    assert config.precision == "float32"  # of the CPU
    train(replace(config, epochs=1), data, tmp_path, CPU)
    assert 'precision = "float32"' in (tmp_path / "config.toml").read_text()


def test_padding_to_buckets_changes_no_output(config: TrainConfig, data: TrainData) -> None:
    trainer = made(config, data)
    tokenize = Tokenizer.load(config.model.language, 32)
    batch = next(iter(make_dataloader(data.train, 8, tokenize, 1)))
    padded = pad_to_bucket(batch, 32)
    assert (
        padded.token_ids.shape[1] == 16
        and padded.vision.shape[1] == padded.audio_mask.shape[1] == 8
    )
    assert (
        pad_to_bucket(batch, 9).token_ids.shape[1] == 9
    )  # a language model has places for so many
    trainer.model.eval()
    with torch.inference_mode():
        mine, its = trainer.model(batch), trainer.model(padded)
    torch.testing.assert_close(mine.predictions, its.predictions, rtol=1e-5, atol=1e-6)


def test_a_compiled_model_is_not_compiled_for_every_length(
    config: TrainConfig, data: TrainData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is compiled is counted: batches of many lengths, few graphs."""
    counter = CompileCounter()
    compile_ = SemanticMAC.compile
    monkeypatch.setattr(SemanticMAC, "compile", lambda self: compile_(self, backend=counter))
    torch._dynamo.reset()
    trainer = made(replace(config, compile=True), data)
    tokenize = Tokenizer.load(config.model.language, 32)
    batches = BatchSampler(24, 3, accumulate=1, seed=1).batches(epoch=1)
    local = list(make_dataloader(data.train, 1, tokenize, 1, batches=batches))
    lengths = {(batch.token_ids.shape[1], batch.vision.shape[1]) for batch in local}
    counts = []
    for batch, places in zip(local, batches, strict=True):
        trainer.step([TrainBatch(places, batch.clip_ids, pad_to_bucket(batch, 32))])
        counts.append(counter.frame_count)
    assert len(lengths) > 2 and counts[0] > 0
    assert counts[-1] == counts[0]


def test_nan_stops_the_run_with_the_clips_of_its_step(
    config: TrainConfig, data: TrainData, tmp_path: Path
) -> None:
    poisoned = 0

    def progress(stage: str, done: int, total: int, failed: int) -> None:
        nonlocal poisoned
        if done == 2:
            for trainer in trainers:
                torch.nn.init.constant_(trainer.model.fuse.weight, float("nan"))
            poisoned = done

    trainers: list[Trainer] = []
    with pytest.MonkeyPatch.context() as patched:
        init = Trainer.__init__
        patched.setattr(
            Trainer, "__init__", lambda self, *words: trainers.append(self) or init(self, *words)
        )
        with pytest.raises(
            TrainError, match="the loss became nan in epoch 1, on the clips"
        ) as found:
            train(config, data, tmp_path, CPU, Callbacks(progress=progress))
    assert poisoned == 2
    third = BatchSampler(24, config.batch_size, 1, config.seed).batches(1)[2]
    assert all(data.train.rows[place].clip_id in str(found.value) for place in third)
    steps = [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert steps == [1, 2]


def test_a_full_gpu_is_told_with_the_settings_that_need_less(
    config: TrainConfig, data: TrainData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Trainer, batches: list[TrainBatch]) -> StepMetrics:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nmore lines")

    monkeypatch.setattr(Trainer, "step", full)
    with pytest.raises(TrainError) as told:
        train(config, data, tmp_path, CPU)
    assert f"too little memory for batch_size={config.batch_size}" in str(told.value)
    assert "gradient_checkpointing=true" in str(told.value)
    assert str(told.value).endswith("torch: CUDA out of memory. Tried to allocate 2 GiB.")


def test_a_step_waits_for_its_device_only_where_transformers_does(
    config: TrainConfig, data: TrainData
) -> None:
    """Transformers looks once at the mask of a batch. Nothing else needs a value of the device."""
    settings = replace(config, modality_dropout=0.3, clip_norm=1.0, weight_average=0.5)
    conversation = replace(config.model, setting="conversation")
    for changed in (config, settings, replace(config, model=conversation)):
        trainer = made(changed, data)
        [batch] = make_dataloader(
            data.train, 1, Tokenizer.load(changed.model.language, 32), 1, batches=[[3, 1, 2]]
        )
        dropout = ModalityDropout.of_epoch(
            len(data.train), 1, 1, changed.modality_dropout, changed.model.modalities, CPU
        )
        batches = [TrainBatch([3, 1, 2], batch.clip_ids, batch, dropout)]
        trainer.step(batches)  # The first step makes the state of the optimizer.
        with SyncCounter() as syncs:
            trainer.step(batches)
        assert syncs.counts == {"aten._local_scalar_dense.default": 1}


def test_the_counter_of_waits_sees_masks_and_numbers() -> None:
    values = torch.arange(4.0, requires_grad=True)
    with SyncCounter() as syncs:
        values[values > 1].sum().backward()
        float(values.detach().max())
        torch.tensor([1, 2])
    assert syncs.counts == {
        "aten.index.Tensor": 1,
        "aten.index_put.default": 1,  # in the backward pass
        "aten._local_scalar_dense.default": 1,
        "aten.lift_fresh.default": 1,
    }


def test_a_nan_of_the_last_steps_is_told_before_validation_with_its_clips(
    config: TrainConfig, data: TrainData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU the log is written some steps later, but before the epoch is used."""
    monkeypatch.setattr(RunLog, "step", lambda self, metrics: self._buffer.append(metrics))
    take = Trainer.step

    def poisoned(self: Trainer, batches: list[TrainBatch]) -> StepMetrics:
        if self.step_count == self.steps_per_epoch - 1:
            torch.nn.init.constant_(self.model.fuse.weight, float("nan"))
        return take(self, batches)

    monkeypatch.setattr(Trainer, "step", poisoned)
    with pytest.raises(TrainError, match="the loss became nan in epoch 1, on the clips") as found:
        train(config, data, tmp_path, CPU)
    last = BatchSampler(24, config.batch_size, 1, config.seed).batches(1)[-1]
    for row in last:
        assert data.train.rows[row].clip_id in str(found.value)
    assert not (tmp_path / "pseudo_labels.safetensors").exists()


def test_batches_are_padded_before_they_are_pinned(
    config: TrainConfig, data: TrainData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that is padded after it was pinned is copied from pageable memory."""
    pinned: list[tuple[int, int]] = []

    def pin(batch: Batch, device: object = None) -> Batch:
        pinned.append((batch.token_ids.shape[1], batch.vision.shape[1]))
        return batch

    monkeypatch.setattr("torch.utils.data._utils.pin_memory.pin_memory", pin)
    monkeypatch.setattr("torch.accelerator.is_available", lambda: True)
    tokenize = Tokenizer.load(config.model.language, 32)
    cuda = torch.device("cuda")
    reader = BatchReader(replace(config, compile=True), data, tokenize, SINGLE_PROCESS, cuda)
    shapes = []
    for batch in reader.validation():
        shapes.append((batch.token_ids.shape[1], batch.vision.shape[1]))
    assert pinned == shapes and set(shapes) == {(16, 8)}


def test_validation_runs_in_the_precision_of_training_and_scores_in_float32(
    config: TrainConfig, data: TrainData, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[torch.dtype, torch.dtype]] = []
    forward = SemanticMAC.forward

    def watched(self: SemanticMAC, batch: Batch) -> Any:
        output = forward(self, batch)
        seen.append((output.fused.dtype, output.predictions.dtype))
        return output

    monkeypatch.setattr(SemanticMAC, "forward", watched)
    scores = {}
    tokenize = Tokenizer.load(config.model.language, 32)
    for precision in ("float32", "bfloat16"):
        changed = replace(config, precision=precision)  # type: ignore[arg-type]
        reader = BatchReader(changed, data, tokenize, SINGLE_PROCESS, CPU)
        scores[precision] = validate(made(changed, data), reader).value
        expected = torch.float32 if precision == "float32" else torch.bfloat16
        assert set(seen) == {(expected, torch.float32)}
        seen.clear()
    assert scores["float32"] != scores["bfloat16"]
    assert scores["bfloat16"] == pytest.approx(scores["float32"], rel=0.05)
