"""Tiny random language models of every supported family, saved to folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer as FastTokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import (
    AutoModel,
    AutoModelForTextEncoding,
    BertConfig,
    DebertaV2Config,
    Gemma3TextConfig,
    GemmaConfig,
    LlamaConfig,
    MistralConfig,
    ModernBertConfig,
    MPNetConfig,
    MT5Config,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
    RobertaConfig,
    SmolLM3Config,
    T5Config,
    XLNetConfig,
)

from support.planted import WORDS

LENGTH = 64  # of the position tables
_SIZE: dict[str, Any] = {
    "vocab_size": len(WORDS),
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": LENGTH,
    "pad_token_id": 0,
}
_MARKS: dict[str, Any] = {"bos_token_id": 1, "eos_token_id": 2}
_DECODER = _SIZE | _MARKS | {"num_key_value_heads": 1, "head_dim": 8}
_T5: dict[str, Any] = {"vocab_size": len(WORDS), "d_model": 16, "d_kv": 8, "d_ff": 32}
_T5 |= {"num_layers": 2, "num_heads": 2, "pad_token_id": 0, "eos_token_id": 2}
_XLNET: dict[str, Any] = {"vocab_size": len(WORDS), "d_model": 16, "n_layer": 2, "n_head": 2}
_DEBERTA: dict[str, Any] = {
    "relative_attention": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False,
    "position_buckets": 8,
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
    "type_vocab_size": 0,
}
_MODERN: dict[str, Any] = {"global_attn_every_n_layers": 2, "local_attention": 8}
_MODERN |= {"cls_token_id": 1, "sep_token_id": 2}

ENCODERS = ("bert", "roberta", "xlnet", "deberta", "modernbert", "mpnet")
DECODERS = ("qwen2", "qwen3", "llama", "gemma", "gemma3", "smollm", "mistral")
ENCODER_DECODERS = ("t5", "mt5")
ALL = (*ENCODERS, *DECODERS, *ENCODER_DECODERS)
# Chinese BERT and MacBERT are BERTs with another vocabulary.


def config_of(family: str) -> Any:
    """A tiny configuration of transformers."""
    configs: dict[str, Any] = {
        "bert": BertConfig(**_SIZE),
        "roberta": RobertaConfig(**_SIZE, type_vocab_size=1),
        "xlnet": XLNetConfig(**_XLNET, d_inner=32, pad_token_id=0),
        "deberta": DebertaV2Config(**_SIZE, **_DEBERTA),
        "modernbert": ModernBertConfig(**_SIZE, **_MODERN, **_MARKS),
        "mpnet": MPNetConfig(**{**_SIZE, "pad_token_id": 1}),
        "qwen2": Qwen2Config(**_DECODER),
        "qwen3": Qwen3Config(**_DECODER),
        "llama": LlamaConfig(**_DECODER),
        "gemma": GemmaConfig(**_DECODER),
        "gemma3": Gemma3TextConfig(**_DECODER, sliding_window=8),
        "smollm": SmolLM3Config(**_DECODER),
        "mistral": MistralConfig(**_DECODER, sliding_window=8),
        "t5": T5Config(**_T5),
        "mt5": MT5Config(**_T5),
    }
    return configs[family]


def save_model(family: str, folder: Path) -> str:
    """Saves a random model with a tokenizer that marks texts as its family does → the folder."""
    torch.manual_seed(0)
    config = config_of(family)
    auto: Any = AutoModelForTextEncoding if family in ENCODER_DECODERS else AutoModel
    model = auto.from_config(config)
    # At their small initial size, attention would hardly change the states.
    for weight in model.parameters():
        weight.data.add_(torch.randn_like(weight) * 0.1)
    model.save_pretrained(folder)
    save_tokenizer(family, folder)
    return str(folder)


def save_tokenizer(family: str, folder: Path) -> None:
    words = list(WORDS)
    if family == "mpnet":  # Its padding token always has the id 1.
        words[0], words[1] = words[1], words[0]
    ids = {word: number for number, word in enumerate(words)}
    tokenizer = FastTokenizer(WordLevel(ids, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    template = _template(family)
    if template:
        marks = [("<cls>", ids["<cls>"]), ("<sep>", ids["<sep>"])]
        tokenizer.post_processor = TemplateProcessing(
            single=template, pair=f"{template} $B:1 <sep>:1", special_tokens=marks
        )
    names: dict[str, Any] = {"pad_token": "<pad>", "unk_token": "<unk>"}
    names |= {"cls_token": "<cls>", "sep_token": "<sep>"}
    inputs = ["input_ids", "attention_mask"]
    if family in ("bert", "xlnet"):
        inputs.append("token_type_ids")
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        padding_side="left" if family == "xlnet" else "right",
        model_input_names=inputs,
        **names,
    ).save_pretrained(folder)


def _template(family: str) -> str:
    """How the family's tokenizer marks a text; empty for no marks."""
    if family == "xlnet":
        return "$A:0 <sep>:0 <cls>:2"
    if family in ENCODERS:
        return "<cls>:0 $A:0 <sep>:0"
    if family in ENCODER_DECODERS:
        return "$A:0 <sep>:0"
    if family in ("llama", "gemma", "gemma3", "mistral"):
        return "<cls>:0 $A:0"
    return ""
