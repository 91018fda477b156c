"""A small corpus of made-up embeddings without videos, and tiny language models without a hub."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer as FastTokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import AutoModel, BertConfig, PreTrainedTokenizerFast, RobertaConfig, XLNetConfig

from semanticmac.cache.keys import Sampling
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.manifest import Manifest, Row
from semanticmac.cache.records import Embeddings
from semanticmac.cache.stream_catalogue import record_last
from semanticmac.core import Task
from semanticmac.eval.eval_data import EvalData
from semanticmac.run.weights import load_run
from support.streams import StreamWriters, streams_of
from support.tasks import AFFECT

CPU = torch.device("cpu")
WIDTH = 8
WORDS = [
    "<pad>",
    "<cls>",
    "<sep>",
    "<unk>",
    "i",
    "we",
    "they",
    "love",
    "like",
    "film",
    "hate",
    "dread",
    "the",
]
WORDS += list("abcdefg")
# What a walk is trained on: a kind of task, or `dimensions` for a regression of several scores.
TASKS: dict[str, Task] = {
    "regression": Task("regression"),
    "binary": Task("binary", ("no", "yes")),
    "single-label": Task("single-label", ("low", "middle", "high")),
    "multi-label": Task("multi-label", ("loud", "bright")),
    "dimensions": AFFECT,
}


@dataclass(frozen=True)
class Planted:
    """One clip, drawn directly: what is said, frames of sound and picture, and where it stands."""

    clip_id: str
    text: str = ""
    audio: np.ndarray | None = None  # (F, WIDTH)
    vision: np.ndarray | None = None
    label: list[float] | None = None
    split: str | None = None
    dialogue: str | None = None
    position: int | None = None
    speaker: str | None = None


def write_corpus(
    root: Path, task: Task, clips: Sequence[Planted], name: str = "planted"
) -> CacheLayout:
    """A whole cache of these clips: shards, index and manifest, as stage 1 leaves them."""
    layout = CacheLayout(root)
    streams = streams_of(
        vision=_width(clip.vision for clip in clips), audio=_width(clip.audio for clip in clips)
    )
    writer = StreamWriters(layout, streams)
    rows = []
    for i, clip in enumerate(clips):
        frames = max(len(side) for side in (clip.audio, clip.vision) if side is not None)
        halves = [
            None if side is None else side.astype(np.float16) for side in (clip.vision, clip.audio)
        ]
        writer.add(f"{i:032x}", Embeddings(*halves))
        row = Row(
            clip.clip_id,
            f"{i:032x}",
            "",
            0.0,
            None,
            clip.text,
            clip.split,
            frames,
            frames / 2,
            *[False] * 2,
            None,
        )
        has = {"has_vision": clip.vision is not None, "has_audio": clip.audio is not None}
        place = {"label": clip.label, "dialogue": clip.dialogue, "position": clip.position}
        place["speaker"] = clip.speaker
        rows.append(Row(**(vars(row) | has | place)))
    writer.finish()
    record_last(layout, name, streams.all)
    Manifest(name, task, Sampling(), tuple(rows)).write(layout.manifest(name))
    return layout


def _width(sides: Iterable[np.ndarray | None]) -> int:
    """The width of one modality."""
    for side in sides:
        if side is not None:
            return side.shape[1]
    return WIDTH


def planted_clips(
    kind: str, sizes: tuple[int, int, int] = (24, 8, 8), seed: int = 0
) -> list[Planted]:
    """Each modality shows a number of its own; the label is made of all three.

    Dialogues of four clips, MELD-like.
    """
    random = np.random.default_rng(seed)
    directions = random.normal(size=(2, WIDTH))
    scale = ["hate", "dread", "film", "like", "love"]
    clips = []
    for split, size in zip(("train", "valid", "test"), sizes, strict=True):
        for i in range(size):
            u = random.uniform(-1, 1, 3)  # text, audio, vision
            frames = int(random.integers(1, 6))
            sides = [
                u[m + 1] * directions[m] + 0.1 * random.normal(size=(frames, WIDTH))
                for m in range(2)
            ]
            text = f"{random.choice(['i', 'we', 'they'])} {scale[round(2 + 2 * u[0])]} the film"
            place = {"dialogue": f"{split}{i // 4}", "position": i % 4}
            clips.append(
                Planted(f"{split}{i}", text, *sides, planted_label(kind, u), split, **place)
            )
    return clips


def planted_label(kind: str, u: np.ndarray) -> list[float]:
    """The label of one clip; in one of six clips a score of several is missing."""
    if kind == "dimensions":
        arousal = math.nan if u[2] > 2 / 3 else float(3 + 2 * u[1])
        return [float(u.sum()), arousal, float(50 + 50 * u[2])]
    if kind == "regression":
        return [float(u.sum())]
    if kind == "binary":
        return [float(u.sum() > 0)]
    if kind == "multi-label":
        return [float(u[1] > 0), float(u[2] > 0)]
    return np.eye(3)[int(np.digitize(u.sum(), [-0.5, 0.5]))].tolist()


def save_family(family: str, folder: Path) -> None:
    """A tiny random model of a family with a tokenizer that pairs in that family's manner."""
    size: dict[str, Any] = {"vocab_size": len(WORDS), "pad_token_id": 0}
    if family == "xlnet":
        config: Any = XLNetConfig(**size, d_model=16, n_layer=3, n_head=2, d_inner=32)
        single, pair = "$A:0 <sep>:0 <cls>:2", "$A:0 <sep>:0 $B:1 <sep>:1 <cls>:2"
    else:
        size |= {
            "hidden_size": 16,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "intermediate_size": 32,
        }
        size |= {"type_vocab_size": 1 if family == "roberta" else 2}
        if family == "still":
            size |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        kind = RobertaConfig if family == "roberta" else BertConfig
        config = kind(**size, max_position_embeddings=64)
        single = "<cls>:0 $A:0 <sep>:0"
        pair = "<cls>:0 $A:0 <sep>:0 " + (
            "<sep>:0 $B:0 <sep>:0" if family == "roberta" else "$B:1 <sep>:1"
        )
    AutoModel.from_config(config).save_pretrained(folder)
    words = FastTokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = Whitespace()
    words.post_processor = TemplateProcessing(
        single=single, pair=pair, special_tokens=[("<cls>", 1), ("<sep>", 2)]
    )
    special = {
        name: f"<{name[:3]}>" for name in ("pad_token", "cls_token", "sep_token", "unk_token")
    }
    inputs = ["input_ids", "attention_mask"] + ["token_type_ids"] * (family != "roberta")
    side = "left" if family == "xlnet" else "right"
    PreTrainedTokenizerFast(
        tokenizer_object=words, padding_side=side, model_input_names=inputs, **special
    ).save_pretrained(folder)


SMALL: dict[str, Any] = {  # settings of a model that trains in a second
    "d_model": 8,
    "heads": 2,
    "feed_forward": 2,
    "perceiver_tokens": 2,
    "perceiver_layers": 1,
    "sgfi_layers": 1,
    "bridge_tokens": 2,
    "dropout": 0.1,
    "epochs": 2,
    "batch_size": 8,
    "neighbours": 3,
    "lr_rest": 0.01,
}


@dataclass(frozen=True)
class Walk:
    """A cache and a run."""

    layout: CacheLayout
    run: Path

    def open(self) -> EvalData:
        return EvalData.open(load_run(self.run, CPU), self.layout, CPU)
