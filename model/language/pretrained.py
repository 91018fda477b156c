"""Opens a pre-trained language model without running code that comes with it."""

from __future__ import annotations

import importlib.util
import os
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, BitsAndBytesConfig

from semanticmac.hub import is_offline, quiet_transformers
from semanticmac.model.language.source import LanguageModelError, locate

# Without this, transformers asks the hub to convert a .bin checkpoint, in a thread of its own.
os.environ.setdefault("DISABLE_SAFETENSORS_CONVERSION", "1")

# First parts of the names of tensors that belong to heads, or to the decoder of a T5. They are
# never read, and nobody has to be told.
_HEADS = {
    "cls",
    "classifier",
    "decoder",
    "discriminator_predictions",
    "generator_predictions",
    "head",
    "lm_head",
    "lm_loss",
    "lm_predictions",
    "logits_proj",
    "mask_predictions",
    "pooler",
    "predictions",
    "qa_outputs",
    "score",
    "sequence_summary",
    "vocab_transform",
}
# Last parts of the names of constants that older versions of transformers saved.
_CONSTANTS = ("position_ids", "inv_freq", "masked_bias", "attn.bias")


@contextmanager
def open_pretrained(name: str | Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The source and the options for `from_pretrained`. Raises LanguageModelError on a failure."""
    source = locate(str(name))
    options: dict[str, Any] = {"trust_remote_code": False}
    if Path(source).is_dir() or is_offline():
        options["local_files_only"] = True
    try:
        with quiet_transformers():
            yield source, options
    except pickle.UnpicklingError as error:
        raise LanguageModelError(
            f"the weights of {name!r} are no plain tensors and are not loaded, because such a file "
            "can run code: give a checkpoint in safetensors"
        ) from error
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        if "trust_remote_code" in str(error):
            raise LanguageModelError(
                f"the language model {name!r} comes with code of its own, which is never run here: "
                "name a model whose architecture transformers knows"
            ) from None
        message = str(error).strip()
        reason = message.splitlines()[0] if message else type(error).__name__
        if Path(source).is_dir():
            raise LanguageModelError(
                f"the language model in {source} cannot be read: {reason}"
            ) from error
        raise LanguageModelError(
            f"the model hub did not give the language model {name!r}: {reason} "
            "Give a folder that holds it (config.json, model.safetensors, the tokenizer's files) "
            "instead."
        ) from error


def read_config(source: str, options: dict[str, Any]) -> Any:
    """The configuration of a language model, without the entries that could load foreign code.

    `auto_map` names Python files of the model's folder, `attn_implementation` can name a package of
    kernels on the hub, and `quantization_config` chooses a library that unpacks the weights.
    """
    config = AutoConfig.from_pretrained(source, **options)
    for entry in ("auto_map", "quantization_config"):
        if hasattr(config, entry):
            delattr(config, entry)
    config._attn_implementation = None
    return config


def four_bit_options() -> dict[str, Any]:
    """The options of `from_pretrained` for weights in 4 bit.

    Raises LanguageModelError where bitsandbytes is not installed.
    """
    if importlib.util.find_spec("bitsandbytes") is None:
        raise LanguageModelError(
            "language_weights=4bit needs the package bitsandbytes, which is not installed: run "
            "`pip install bitsandbytes`, or use language_weights=bfloat16"
        )
    build: Any = BitsAndBytesConfig  # it carries no types
    config = build(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16
    )
    return {"quantization_config": config}


def surplus_tensors(names: Sequence[str]) -> tuple[str, ...]:
    """The tensors of a checkpoint that its architecture does not know, without those of heads."""
    surplus = []
    for name in sorted(names):
        parts = name.split(".")
        is_head = not _HEADS.isdisjoint(parts[:2])  # "bert.pooler.dense.weight" as well
        if not is_head and not name.endswith(_CONSTANTS):
            surplus.append(name)
    return tuple(surplus)
