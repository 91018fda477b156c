"""The sections `step`, `neighbours`, `llm` and `ablation` of benchmarks/gpu.py.

A section imports what it needs inside its function. Random weights have the shapes of published
models: the values of weights do not change the time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from benchmarks.gpu_encoder import imagebind
from benchmarks.gpu_timing import Record, busy_share, peak_gib, reset_peak, seconds_of
from benchmarks.training_steps import CLIPS, TOKENS, BareStep, random_batch, trainer_of

# Section `step`.


def trainer_on(device: torch.device, config: Any, language: Any) -> Any:
    from semanticmac.model.network import SemanticMAC

    return trainer_of(config, SemanticMAC(config.model, language), device)


def whole_step(trainer: Any, batch: Any) -> Callable[[], object]:
    from semanticmac.train.seeding import in_fixed_order
    from semanticmac.train.train_batch import TrainBatch

    batches = [TrainBatch(list(range(len(batch))), batch.clip_ids, batch)]
    return lambda: in_fixed_order(lambda: trainer.step(batches), print)


def mosi(precision: str, tiny: bool, **model: Any) -> Any:
    from semanticmac.train.toml_settings import preset

    config = preset("mosi")
    if tiny:
        model = {"d_model": 32, "heads": 4, "vision_width": 16, "audio_width": 16} | model
    return replace(config, precision=precision, model=replace(config.model, **model))


def bert(tiny: bool) -> Any:
    from transformers import BertConfig, BertModel

    from semanticmac.model.language.language_model import LanguageModel

    shape = {"num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 2} if tiny else {}
    return LanguageModel(BertModel(BertConfig(**shape)))


def step(device: torch.device, tiny: bool, record: Record) -> None:
    """BERT-base: the whole step over a bare fine-tuning step of the language model."""
    from semanticmac.train.seeding import deterministic

    precision = "float32" if tiny else "bfloat16"
    rounds = 1 if tiny else 15
    with deterministic(device):
        for clips in (4,) if tiny else (32, 64, 128):
            config = replace(mosi(precision, tiny), batch_size=clips)
            torch.manual_seed(0)
            trainer = trainer_on(device, config, bert(tiny))
            batch = random_batch(config)
            if device.type == "cuda":
                batch = batch.pin_memory()
            reset_peak(device)
            whole = whole_step(trainer, batch)
            whole_s = seconds_of(whole, device, rounds)
            peak = peak_gib(device)
            busy = busy_share(whole, device)
            bare = BareStep(config, trainer.model.language, batch.to(device))
            bare_s = seconds_of(bare.step, device, rounds)
            # Otherwise the peak of the next size would count this model too.
            del whole, bare, trainer
            record(f"step, {clips} clips", 1000 * whole_s, "ms", note=precision)
            record(f"over a bare step, {clips} clips", whole_s / bare_s, goal="1.15")
            record(f"share of time the GPU is busy, {clips} clips", busy, goal="0.9")
            record(f"peak memory, {clips} clips", peak, "GiB")


# Section `neighbours`.


def neighbours(device: torch.device, tiny: bool, record: Record) -> None:
    """The update of one bank of pseudo labels, and the bare products of all distances."""
    from semanticmac.train.pseudo_labels import neighbours as search

    for clips in (500,) if tiny else (16_326, 100_000):
        bank = torch.randn(clips, 256, device=device)
        valid = torch.ones(clips, dtype=torch.bool, device=device)
        reset_peak(device)
        spent_s = seconds_of(lambda bank=bank, valid=valid: search(bank, 10, valid), device, 2)
        record(f"neighbours of {clips:,} clips, one bank", spent_s, "s")
        record(f"peak memory, {clips:,} clips", peak_gib(device), "GiB")
        block = bank[: min(4096, clips)]
        product_s = seconds_of(lambda bank=bank, block=block: block @ bank.T, device, 2)
        record(f"share of the products, {clips:,} clips", product_s * clips / len(block) / spent_s)


# Section `llm`.


SHAPES = {
    # Llama 3.2 1B and Llama 3.1 8B: width, feed-forward, layers, heads, heads of keys
    "1B": (2048, 8192, 16, 32, 8),
    "8B": (4096, 14336, 32, 32, 8),
}


def llama(shape: tuple[int, int, int, int, int], device: torch.device) -> Any:
    from transformers import LlamaConfig, LlamaModel

    from semanticmac.model.language.language_model import LanguageModel

    width, feed_forward, layers, heads, key_heads = shape
    config = LlamaConfig(
        vocab_size=32_000,
        hidden_size=width,
        intermediate_size=feed_forward,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=key_heads,
    )
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with device:
            model = LlamaModel(config)
    finally:
        torch.set_default_dtype(default)
    return LanguageModel(model, frozen=True)


def llm(device: torch.device, tiny: bool, record: Record) -> None:
    """A training step with LoRA on a decoder in bfloat16, 8 clips of 128 tokens."""
    from semanticmac.train.seeding import deterministic

    with deterministic(device):
        llm_steps(device, tiny, record)


def llm_steps(device: torch.device, tiny: bool, record: Record) -> None:
    import peft

    shapes = {"tiny": (32, 64, 2, 4, 2)} if tiny else SHAPES
    clips, tokens = (2, 8) if tiny else (8, 128)
    for name, shape in shapes.items():
        for checkpoints in (False, True):
            reset_peak(device)
            torch.manual_seed(0)
            changes = {"lora_rank": 16, "gradient_checkpointing": checkpoints}
            config = replace(mosi("bfloat16", tiny, **changes), batch_size=clips)
            trainer = trainer_on(device, config, llama(shape, device))
            batch = random_batch(config, tokens)
            words = f"{name}, checkpointing" if checkpoints else name
            try:
                spent_s = seconds_of(whole_step(trainer, batch), device, 1 if tiny else 4)
            except torch.cuda.OutOfMemoryError:
                record(f"step, {words}", None, note="more memory than this card has")
            else:
                note = f"LoRA of rank 16 (peft {peft.__version__})"
                record(f"step, {words}", 1000 * spent_s, "ms", note=note)
                record(f"peak memory, {words}", peak_gib(device), "GiB")
            del trainer


# Section `ablation`.


def ablation(device: torch.device, tiny: bool, record: Record) -> None:
    """An epoch of MOSI's size from embeddings, and one that encodes every clip again.

    Clips have 8 frames. Decoding is not counted: section `encoder` says how many cores keep up.
    """
    from semanticmac.cache.batch import Sample, collate
    from semanticmac.cache.records import FrameWidths, RawClip
    from semanticmac.preprocess.encoders.imagebind.encoder import ImageBindEncoder
    from semanticmac.train.seeding import deterministic, in_fixed_order

    clips, batch_size, frames = (8, 4, 2) if tiny else (CLIPS, 32, 8)
    precision = "float32" if tiny else "bfloat16"
    model = imagebind(tiny, device)
    width = model.config.output
    widths = {"vision_width": width, "audio_width": width}
    config = replace(mosi(precision, tiny, **widths), batch_size=batch_size)
    trainer = trainer_on(device, config, bert(tiny))

    dice = np.random.default_rng(0)
    embeddings = dice.standard_normal((clips, frames, width)).astype(np.float16)
    samples = []
    for row, rows in enumerate(embeddings):
        samples.append(Sample(str(row), row, "", rows, rows, [0.5]))

    def epoch() -> None:
        for start in range(0, clips, batch_size):
            part = samples[start : start + batch_size]
            batch = collate(part, random_tokens, 1, FrameWidths(width, width))
            if device.type == "cuda":
                batch = batch.pin_memory()
            rows = list(range(start, start + len(part)))
            batches = [train_batch(batch, rows)]
            in_fixed_order(lambda batches=batches: trainer.step(batches), print)

    with deterministic(device):
        cached_s = seconds_of(epoch, device, 1)
    record("an epoch from the cache", cached_s, "s", note=f"{clips} clips")

    group = 4 if tiny else 16
    pictures = dice.integers(0, 256, (frames, 224, 398, 3), dtype=np.uint8)
    waveform = dice.integers(-9000, 9000, frames * 8000, dtype=np.int16)
    raws = [RawClip(pictures, waveform, frames / 2)] * group
    encode_s = 0.0
    bf16 = device.type == "cuda"
    for modality in ("vision", "audio"):
        encoder_of = ImageBindEncoder(model, modality, "", "0" * 64, False, str(device), bf16)
        spent_s = seconds_of(lambda made=encoder_of: made.encode_clips(raws), device, 1)
        encode_s += spent_s / group
    raw_s = encode_s * clips + cached_s
    record("an epoch from frames and audio", raw_s, "s", note="decoding not counted")
    record("from frames and audio over from the cache", raw_s / cached_s, goal="50")


def random_tokens(texts: Any, contexts: Any = None) -> Any:
    """A tokenizer of random ids: the epoch is measured without one."""
    from semanticmac.cache.batch import NoTokens

    ids = torch.randint(10, 30_000, (len(texts), TOKENS))
    return NoTokens(ids, torch.ones_like(ids, dtype=torch.bool))


def train_batch(batch: Any, rows: list[int]) -> Any:
    from semanticmac.train.train_batch import TrainBatch

    return TrainBatch(rows, batch.clip_ids, batch)
