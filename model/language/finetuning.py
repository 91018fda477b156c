"""Fine-tuning of the language model: all layers, the last ones, LoRA, or frozen."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from semanticmac.model.config import ModelConfig
from semanticmac.model.language.base import LanguageBase, weights_digest
from semanticmac.model.language.language_model import LanguageModel, freeze_unused
from semanticmac.model.language.source import LanguageModelError
from semanticmac.model.parameters import count_parameters

# The update is α/r · B A; α = 2r keeps its size the same at every rank.
LORA_ALPHA_PER_RANK = 2


def open_language_model(config: ModelConfig, name: str = "") -> LanguageModel:
    """The pre-trained language model that the settings of a model name.

    name: another folder with the same weights. Where only adapters are trained, or the frozen
    weights are not kept in float32, the model carries the digest of its base.
    """
    frozen = bool(config.freeze_language or config.lora_rank)
    language = LanguageModel.pretrained(
        name or config.language, config.language_weights, frozen=frozen
    )
    if config.lora_rank or (frozen and language.weights_dtype != torch.float32):
        language.base = LanguageBase(
            config.language, weights_digest(language.encoder), count_parameters(language.encoder)[0]
        )
    return language


def limit_learning(language: nn.Module, config: ModelConfig) -> None:
    """Prepares a language model in place, as `config` asks: what learns, and how it reads texts.

    LoRA adds weights, so saved weights are loaded afterwards. In the conversation setting the
    segment embeddings are trained too.
    """
    if isinstance(language, LanguageModel):
        set_pooling(language, config)
        if config.gradient_checkpointing:
            checkpoint_activations(language.encoder)
    if config.freeze_language:
        language.requires_grad_(False).eval()
        return
    segments = config.setting == "conversation" and reads_segments(language)
    if not (config.train_layers or config.lora_rank or segments):
        return  # everything is trained, the default of LanguageModel
    encoder = getattr(language, "encoder", None)
    if encoder is None:
        raise TypeError(
            f"{type(language).__name__} has no `encoder`: wrap the encoder in LanguageModel"
        )
    if config.train_layers:
        train_last_layers(encoder, config.train_layers)
    elif config.lora_rank:
        add_lora(encoder, config.lora_rank)
    else:
        encoder.requires_grad_(True)
    freeze_unused(encoder, segments)
    encoder.train()


def set_pooling(language: LanguageModel, config: ModelConfig) -> None:
    """How the state of a text is read from the language model, as `config` asks."""
    language.window = config.text_window
    if config.pooling != "auto":
        language.pooling = config.pooling


def checkpoint_activations(encoder: Any) -> None:
    """Activations are computed again in the backward pass: less memory, a third more time."""
    if not encoder.supports_gradient_checkpointing:
        raise LanguageModelError(
            f"gradient_checkpointing: {type(encoder).__name__} does not support it; leave it off"
        )
    # The second name is that of transformers before version 5.
    enable = getattr(encoder, "activation_checkpointing_enable", None)
    enable = enable or encoder.gradient_checkpointing_enable
    enable({"use_reentrant": False})


def reads_segments(language: nn.Module) -> bool:
    """Whether a language model takes the segment (context or target) of each token."""
    return bool(getattr(language, "reads_segments", False))


def train_last_layers(encoder: Any, count: int) -> None:
    """Freezes all but the last `count` transformer layers; dropout stays on in all of them."""
    layers = transformer_layers(encoder)
    if count > len(layers):
        raise LanguageModelError(
            f"train_layers={count}, but {type(encoder).__name__} has {len(layers)} layers"
        )
    encoder.requires_grad_(False)
    for layer in layers[-count:]:
        layer.requires_grad_(True)


def transformer_layers(encoder: Any) -> list[nn.Module]:
    """The transformer layers, first to last. Raises LanguageModelError if they are not found."""
    length = getattr(encoder.config, "num_hidden_layers", None)
    for module in encoder.modules():
        if isinstance(module, nn.ModuleList) and len(module) == length:
            return list(module)
    raise LanguageModelError(
        f"the layers of {type(encoder).__name__} were not found, so train_layers cannot pick "
        "the last of them: use freeze_language or lora_rank instead"
    )


def add_lora(encoder: Any, rank: int) -> None:
    """Freezes the encoder and adds a trainable low-rank update to each linear layer.

    The updates are zero at first. Raises LanguageModelError where peft is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise LanguageModelError(
            f"lora_rank={rank} needs the package peft, which is not installed: "
            "run `pip install 'semanticmac[lora]'`"
        ) from None
    encoder.requires_grad_(False)
    every_linear = []
    for name, module in encoder.named_modules():
        if isinstance(module, nn.Linear):
            every_linear.append(name)
    every_linear.sort()
    options = LoraConfig(
        r=rank, lora_alpha=LORA_ALPHA_PER_RANK * rank, lora_dropout=0.0, target_modules=every_linear
    )
    inject_adapter_in_model(options, encoder)
    # They learn in float32, whatever type the frozen weights have.
    for name, weight in encoder.named_parameters():
        if "lora_" in name:
            weight.data = weight.data.float()
