"""The sections of benchmarks/gpu.py: each measures on one device and records its figures.

A section imports what it needs inside its function. Random weights have the shapes of published
models: the values of weights do not change the time.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

Record = Callable[..., None]
FRAME_TOKENS, WINDOW_TOKENS = 257, 229  # of ViT-H/14 at 224 px, and of AST on 2 s
CLIPS = 1284  # of MOSI's train split
TOKENS, FRAMES = 50, 16


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(work: Callable[[], object], device: torch.device, rounds: int) -> float:
    """The median of some rounds; one round before them is not counted."""
    times = []
    for _ in range(rounds + 1):
        synchronise(device)
        started = time.perf_counter()
        work()
        synchronise(device)
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def reset_peak(device: torch.device) -> None:
    gc.collect()  # A model may be in a cycle of references.
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak_gib(device: torch.device) -> float | None:
    """Peak memory on a GPU; a CPU has no such count."""
    if device.type != "cuda":
        return None
    return torch.cuda.max_memory_allocated(device) / 2**30


def product_rate(device: torch.device, dtype: torch.dtype, size: int, rounds: int) -> float:
    """Floating-point operations a second of one square matrix product."""
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / seconds_of(lambda: left @ right, device, rounds)


# Section `encoder`.


def imagebind(tiny: bool, device: torch.device) -> Any:
    """ImageBind's shapes with random weights on the device."""
    from semanticmac.preprocess.encoders.imagebind.network import HUGE, TINY, ImageBind

    with torch.device("meta"):
        model = ImageBind(TINY if tiny else HUGE)
    model = model.to_empty(device=device)
    for name, weight in model.named_parameters():
        if "norm" in name and name.endswith("weight"):
            nn.init.ones_(weight)
        else:
            nn.init.normal_(weight, std=0.02)
    return model


def operations(tower: Any, tokens: int, extra_keys: int) -> int:
    """Floating-point operations of the matrix products of one frame or window."""
    d = tower.cls_token.shape[2]
    linear = 2 * tokens * 12 * d * d  # query, key, value, output: 4 d²; feed-forward: 8 d²
    attention = 2 * 2 * tokens * (tokens + extra_keys) * d
    return len(tower.blocks) * (linear + attention)


def encoder(device: torch.device, tiny: bool, record: Record) -> None:
    from semanticmac.preprocess.encoders.imagebind.encoder import keep_in_bfloat16

    rounds = 1 if tiny else 3
    size = 256 if tiny else 8192
    model = imagebind(tiny, device).eval().requires_grad_(False)
    pixels = model.config.picture_px
    patches = (pixels // 14) ** 2
    frames_per_s = 0.0
    for dtype, batches in ((torch.float32, (16, 64)), (torch.bfloat16, (16, 64, 128, 256))):
        word = str(dtype).removeprefix("torch.")
        peak = product_rate(device, dtype, size, rounds)
        record(f"matrix product of {size}, {word}", peak / 1e12, "TFLOP/s")
        for tower, name, shape, tokens, extra in (
            (model.vision, "frames", (3, pixels, pixels), 1 + patches, 0),
            (model.audio, "windows", (1, 128, 204), WINDOW_TOKENS, 1),
        ):
            if dtype == torch.bfloat16:
                keep_in_bfloat16(tower)
            rates = []
            for rows in (2,) if tiny else batches:
                inputs = torch.randn(rows, *shape, device=device)
                rate = rows / seconds_of(forward_of(tower, inputs, dtype), device, rounds)
                share = rate * operations(tower, tokens, extra) / peak
                goal = "0.7" if dtype == torch.bfloat16 else ""
                record(f"{name} a second, {word}, batches of {rows}", rate)
                record(f"share of the product's rate, {name}, {word}, {rows}", share, goal=goal)
                rates.append(rate)
            if name == "frames":
                frames_per_s = max(rates)
    record_feeding(frames_per_s, tiny, record)


def forward_of(tower: Any, inputs: Tensor, dtype: torch.dtype) -> Callable[[], object]:
    from semanticmac.preprocess.encoders.device import exact_float32

    device = inputs.device

    @torch.inference_mode()
    def forward() -> None:
        half = dtype == torch.bfloat16
        with exact_float32(device), torch.autocast(device.type, torch.bfloat16, enabled=half):
            tower(inputs)

    return forward


def record_feeding(frames_per_s: float, tiny: bool, record: Record) -> None:
    """How many CPU cores decode and resize as many frames as the encoder takes."""
    from semanticmac.preprocess.encoders.imagebind.encoder import prepare_frames

    cpu = torch.device("cpu")
    torch.set_num_threads(1)
    frames = np.random.default_rng(0).integers(0, 256, (8, 224, 398, 3), dtype=np.uint8)
    prepare_s = seconds_of(lambda: prepare_frames(frames, 224), cpu, 1 if tiny else 5) / 8
    record("cores that crop frames for the encoder, bfloat16", frames_per_s * prepare_s)
    try:
        rate = decoded_frames_per_s(tiny)
    except ImportError as error:
        record("cores that decode for the encoder, bfloat16", None, note=f"skipped: {error}")
        return
    record("cores that decode for the encoder, bfloat16", frames_per_s / rate, note="640 × 360")


def decoded_frames_per_s(tiny: bool) -> float:
    """Frames at 2 per second that one core decodes, crops and packs."""
    import tempfile
    from pathlib import Path

    from benchmarks.common import film
    from semanticmac.preprocess.clip import Clip
    from semanticmac.preprocess.decoding.decode import decode_clip

    with tempfile.TemporaryDirectory() as folder:
        video = film(Path(folder) / "film.mp4", 2.0 if tiny else 20.0)
        clip = Clip("film", video)
        decode_clip(clip)  # The first time loads libraries.
        started = time.perf_counter()
        raw = decode_clip(clip)
        seconds = time.perf_counter() - started
    assert raw.frames is not None
    return len(raw.frames) / seconds


# Section `step`.


def random_batch(config: Any, clips: int, tokens: int, vocabulary: int) -> Any:
    """Clips without padding."""
    from semanticmac.cache.batch import Batch

    width = config.model.vision_width
    real = torch.ones(clips, FRAMES, dtype=torch.bool)
    return Batch(
        clip_ids=tuple(map(str, range(clips))),
        rows=torch.arange(clips),
        token_ids=torch.randint(10, vocabulary, (clips, tokens)),
        token_mask=torch.ones(clips, tokens, dtype=torch.bool),
        vision=torch.randn(clips, FRAMES, width),
        vision_mask=real,
        audio=torch.randn(clips, FRAMES, width),
        audio_mask=real,
        labels=torch.randn(clips, 1),
    )


def trainer_of(config: Any, language: Any, device: torch.device) -> Any:
    from semanticmac.core import Task
    from semanticmac.model.network import SemanticMAC
    from semanticmac.train.distributed import SINGLE_PROCESS
    from semanticmac.train.trainer import Trainer

    model = SemanticMAC(config.model, language).to(device).train()
    truth = torch.randn(CLIPS, 1, device=device)
    steps = CLIPS // config.batch_size
    return Trainer(config, Task("regression"), model, truth, steps, SINGLE_PROCESS)


def whole_step(trainer: Any, batch: Any) -> Callable[[], object]:
    from semanticmac.train.seeding import in_fixed_order
    from semanticmac.train.train_batch import TrainBatch

    batches = [TrainBatch(list(range(len(batch))), batch.clip_ids, batch)]
    return lambda: in_fixed_order(lambda: trainer.step(batches), print)


def bare_step(trainer: Any, batch: Any, first_token: bool = True) -> Callable[[], object]:
    """The same language model with a linear head and its own optimizer."""
    from semanticmac.train.optim import make_optimizer, parameter_groups

    config, device, language = trainer.config, trainer.device, trainer.model.language
    head = nn.Linear(language.width, 1, device=device)
    rates = (config.lr_language, config.lr_rest, config.weight_decay)
    both = nn.ModuleList([language, head])
    optimizer = make_optimizer(parameter_groups(both, language, *rates))
    moved = batch.to(device)

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, enabled=trainer.use_bfloat16):
            hidden = language(moved.token_ids, moved.token_mask)
            state = hidden[:, 0] if first_token else hidden[:, -1]
            loss = (head(state.to(head.weight.dtype)).float() - moved.labels).abs().mean()
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()

    return step


def busy_share(step: Callable[[], object], device: torch.device) -> float | None:
    """Kernel time over wall time. The profiler costs time, so this is a lower bound.

    None without a GPU, and where the profiler sees no kernels.
    """
    if device.type != "cuda":
        return None
    from torch.profiler import ProfilerActivity, profile

    times = 5
    with profile(activities=[ProfilerActivity.CUDA]):
        step()  # The first profile also starts the profiler.
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        synchronise(device)
        started = time.perf_counter()
        for _ in range(times):
            step()
        synchronise(device)
        wall_s = time.perf_counter() - started
    return kernel_seconds(seen.events()) / wall_s or None


def kernel_seconds(events: Iterable[Any]) -> float:
    """The time of all kernels and copies among the events of a profile."""
    from torch.autograd import DeviceType

    kernels_us = 0.0
    for event in events:
        # Not `is`: each event has an object of its own for the same device.
        if event.device_type == DeviceType.CUDA and not event.is_user_annotation:
            kernels_us += event.self_device_time_total
    return kernels_us / 1e6


def mosi(precision: str, tiny: bool, **model: Any) -> Any:
    from semanticmac.train.config import preset

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
            trainer = trainer_of(config, bert(tiny), device)
            batch = random_batch(config, clips, TOKENS, 30_000)
            if device.type == "cuda":
                batch = batch.pin_memory()
            reset_peak(device)
            whole = whole_step(trainer, batch)
            whole_s = seconds_of(whole, device, rounds)
            peak = peak_gib(device)
            busy = busy_share(whole, device)
            bare_s = seconds_of(bare_step(trainer, batch), device, rounds)
            # Otherwise the peak of the next size would count this model too.
            del whole, trainer
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
            trainer = trainer_of(config, llama(shape, device), device)
            batch = random_batch(config, clips, tokens, 30_000)
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
    trainer = trainer_of(config, bert(tiny), device)

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
