"""The language model in a run folder: its tokenizer, its configuration, and its base."""

from __future__ import annotations

import os
from pathlib import Path

from semanticmac.model.config import ModelConfig
from semanticmac.model.language.base import BASE_FILE, read_base
from semanticmac.model.language.finetuning import open_language_model
from semanticmac.model.language.language_model import LanguageModel
from semanticmac.model.language.source import LanguageModelError
from semanticmac.model.language.tokenizer import Tokenizer
from semanticmac.run.folder import RunError

FOLDER = "language"
BASE_VARIABLE = "SEMANTICMAC_LANGUAGE"  # names the base where the run's own name leads nowhere


def open_saved_language(run: Path, config: ModelConfig) -> tuple[Tokenizer, LanguageModel]:
    """Tokenizer and language model of a run; the model's trained weights are still to be loaded.

    Raises RunError where the run keeps adapters only and their base is missing or another one.
    """
    folder = run / FOLDER
    tokenizer = Tokenizer.of_config(folder, config)
    base = read_base(folder / BASE_FILE)
    if base is None:
        return tokenizer, LanguageModel.untrained(folder)

    name = os.environ.get(BASE_VARIABLE) or base.name
    try:
        language = open_language_model(config, name)
    except LanguageModelError as error:
        raise RunError(
            f"{run} keeps what was trained on top of the language model {base.name}, not the model "
            f"itself: {error}. If it is in another folder, set {BASE_VARIABLE}=FOLDER"
        ) from None
    assert language.base is not None
    if language.base.sha256 != base.sha256:
        raise RunError(
            f"{run} was trained on other weights than those of the language model {name} "
            f"(sha256 {base.sha256[:12]}… expected, {language.base.sha256[:12]}… found): "
            f"set {BASE_VARIABLE} to the folder of the right ones"
        )
    return tokenizer, language
