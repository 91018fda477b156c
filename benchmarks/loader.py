"""How many batches a second come out of the cache, beside what a training step consumes.

    python -m benchmarks.loader [--rounds 5] [--steps 3] [--threads N] [--workers 0]
                                [--device cuda --bf16]

MOSI's sizes: 1,284 train clips in batches of 32, 16 frames × 2 modalities × 1024 in the cache,
texts of 50 tokens, the tokenizer of the demo's language model. A pass is an epoch in a new order:
reading, tokenising, padding, no model. The first epoch tokenises every text, later ones find them
tokenised. The step is that of benchmarks/train_step.py.
"""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.common import arguments, cores, interleaved, report, synchronised
from benchmarks.streams import StreamWriters, made_up
from benchmarks.train_step import CONFIG, Whole
from benchmarks.training_steps import CLIPS, FRAMES, TOKENS
from semanticmac.cache.dataset import ClipDataset, make_dataloader
from semanticmac.cache.keys import Sampling
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.cache.opening import StreamReader
from semanticmac.core import Task
from semanticmac.model.language.tokenizer import Tokenizer

WIDTH = CONFIG.model.vision_width
SPECIAL_TOKENS = 2


def dataset(folder: Path, clips: int) -> ClipDataset:
    """A cache of random embeddings, and texts of short words, a token each."""
    layout, streams = CacheLayout(folder), made_up("random", WIDTH)
    writer = StreamWriters(layout, streams)
    dice, words = np.random.default_rng(0), random.Random(0)
    vocabulary = [
        "i",
        "we",
        "they",
        "you",
        "love",
        "like",
        "hate",
        "see",
        "the",
        "film",
        "book",
        "day",
        "good",
        "bad",
    ]
    rows = []
    for i in range(clips):
        vision, audio = dice.standard_normal((2, FRAMES, WIDTH), np.float32).astype(np.float16)
        writer.add(str(i), vision, audio)
        text = " ".join(words.choices(vocabulary, k=TOKENS - SPECIAL_TOKENS))
        rows.append(
            Row(
                str(i),
                str(i),
                "",
                0.0,
                None,
                text,
                "train",
                FRAMES,
                FRAMES / 2,
                True,
                True,
                label=[words.uniform(-3, 3)],
            )
        )
    writer.finish()
    manifest = Manifest("random", Task("regression"), Sampling(), tuple(rows))
    return ClipDataset(manifest, StreamReader(layout, streams), rows)


def main() -> None:
    options = arguments(
        __doc__, rounds=5, steps=3, threads=cores(), workers=0, device="cpu", bf16=False
    )
    torch.set_num_threads(options.threads)
    device = torch.device(options.device)
    with tempfile.TemporaryDirectory() as name:
        clips = dataset(Path(name), CLIPS)
        tokenize = Tokenizer.load("all-minilm-l6-v2", CONFIG.model.max_tokens)
        batches = make_dataloader(
            clips,
            CONFIG.batch_size,
            tokenize,
            1,
            shuffle=torch.Generator().manual_seed(0),
            workers=options.workers,
            pin_memory=device.type == "cuda",
        )
        tokens = next(iter(batches)).token_ids.shape[1]
        tokenize = Tokenizer.load(
            "all-minilm-l6-v2", CONFIG.model.max_tokens
        )  # which knows no text yet
        tokenize(["once, for what is made at the first call"])
        start = time.perf_counter()
        texts = [row.text for row in clips.rows]
        for place in range(0, len(texts), CONFIG.batch_size):
            tokenize(texts[place : place + CONFIG.batch_size])
        tokenise_s = time.perf_counter() - start

        def epoch() -> None:
            for batch in batches:
                batch.to(device)
            if device.type == "cuda":
                torch.cuda.synchronize()

        [pass_] = interleaved(options.rounds, epoch)
        whole = Whole(device, options.bf16)
        [step] = interleaved(options.steps, synchronised(whole.step, device.type))
    a_second = len(batches) / pass_.wall_s
    report(
        "the cache is read faster than a model trains",
        "times_consumed at least 5",
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        threads=options.threads,
        workers=options.workers,
        clips=CLIPS,
        tokens=tokens,
        batches_per_s=a_second,
        batch_ms=1000 / a_second,
        first_epoch_tokenise_ms_a_batch=1000 * tokenise_s / len(batches),
        step_ms=1000 * step.wall_s,
        times_consumed=a_second * step.wall_s,
    )


if __name__ == "__main__":
    main()
