"""What the configuration of a language model says about how it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES,
)

from semanticmac.model.language.source import LanguageModelError

Kind = Literal["encoder", "decoder", "encoder-decoder"]
Pooling = Literal["mean", "first", "last"]

# Their position table starts after the padding token's id: RoBERTa's 514 rows hold 512 tokens.
_OFFSET_POSITIONS = {"roberta", "xlm-roberta", "camembert", "mpnet", "longformer", "data2vec-text"}


@dataclass(frozen=True)
class Family:
    """How language models of one architecture are read."""

    kind: Kind  # "encoder-decoder": only its encoder is read
    pooling: Pooling  # how the states of a text's tokens become one
    max_tokens: int | None  # longest input; None = no limit

    @property
    def causal(self) -> bool:
        """True if a token sees the tokens before it only."""
        return self.kind == "decoder"


def family_of(config: Any) -> Family:
    """Decides from a configuration of transformers.

    Raises LanguageModelError for an encoder-decoder whose encoder cannot be loaded alone, and for a
    model that also reads images or audio.
    """
    if getattr(config, "vision_config", None) or getattr(config, "audio_config", None):
        raise LanguageModelError(
            f"{config.model_type} also reads images or audio: name its text-only model"
        )
    return Family(_kind_of(config), _pooling_of(config), _max_tokens_of(config))


def _kind_of(config: Any) -> Kind:
    model_type: str = config.model_type
    # The type as well: an encoder that was saved alone no longer says that it had a decoder.
    if (
        getattr(config, "is_encoder_decoder", False)
        or model_type in MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES
    ):
        if model_type not in MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES:
            raise LanguageModelError(
                f"{model_type} is an encoder-decoder whose encoder cannot be loaded alone: name an "
                "encoder (BERT, RoBERTa), a decoder (Qwen, Llama) or T5"
            )
        return "encoder-decoder"
    if getattr(config, "is_decoder", False):
        return "decoder"
    bidirectional = (
        model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES
        or getattr(config, "attn_type", "") == "bi"  # XLNet
        or bool(getattr(config, "use_bidirectional_attention", False))  # EmbeddingGemma
    )
    if not bidirectional and model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return "decoder"
    return "encoder"


def _pooling_of(config: Any) -> Pooling:
    """The last token of a decoder has seen the whole text; its first token has seen nothing."""
    if _kind_of(config) == "decoder":
        return "last"
    # ModernBERT says which state its classifiers read.
    if getattr(config, "classifier_pooling", "") == "cls":
        return "first"
    return "mean"


def _max_tokens_of(config: Any) -> int | None:
    length = getattr(config, "max_position_embeddings", None)
    if length is None:
        length = getattr(config, "n_positions", None) if config.model_type == "gpt2" else None
    if length is None or length < 1:  # XLNet says -1
        return None
    if config.model_type in _OFFSET_POSITIONS:
        length -= int(config.pad_token_id or 0) + 1
    return int(length)
