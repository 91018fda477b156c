"""Tiny random language models of several families, with their tokenizers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as FastTokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import AutoModel, BertConfig, PreTrainedTokenizerFast, RobertaConfig, XLNetConfig

WORDS = [
    "<pad>",
    "<cls>",
    "<sep>",
    "<unk>",
    "i",
    "really",
    "love",
    "this",
    "film",
    "but",
    "hate",
    "the",
    "end",
]


FAMILIES = ("bert", "roberta", "xlnet")


TEXTS = ["i love this film", "", "hate", "i really love this film but i really hate the end", " \n"]


def save_family(family: str, folder: Path) -> None:
    """Saves a tiny random model of a family, with a tokenizer like that of the family."""
    size = {"vocab_size": len(WORDS), "pad_token_id": 0}
    if family == "xlnet":
        config: Any = XLNetConfig(**size, d_model=16, n_layer=2, n_head=2, d_inner=32)
        template, side = "$A:0 <sep>:0 <cls>:2", "left"
    else:
        size |= {
            "hidden_size": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 32,
        }
        config = {"bert": BertConfig, "roberta": RobertaConfig}[family](
            **size, max_position_embeddings=32
        )
        template, side = "<cls>:0 $A:0 <sep>:0", "right"
    AutoModel.from_config(config).save_pretrained(folder)
    words = FastTokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = Whitespace()
    words.post_processor = TemplateProcessing(
        single=template, special_tokens=[("<cls>", 1), ("<sep>", 2)]
    )
    special = {
        name: f"<{name[:3]}>" for name in ("pad_token", "cls_token", "sep_token", "unk_token")
    }
    inputs = ["input_ids", "attention_mask"] + ["token_type_ids"] * (family != "roberta")
    fast = PreTrainedTokenizerFast(
        tokenizer_object=words, padding_side=side, model_input_names=inputs, **special
    )
    fast.save_pretrained(folder)
