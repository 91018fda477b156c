"""The language model of a run, and its tokenizer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from semanticmac.cache.batch import Tokenize, no_text
from semanticmac.model.config import ModelConfig
from semanticmac.model.language.language_model import LanguageModel, save_language
from semanticmac.model.language.tokenizer import Tokenizer

FOLDER = "language"  # in the run: tokenizer and configuration of its language model


@dataclass(frozen=True)
class RunLanguage:
    """How a run reads texts. A run without the text modality has no language model."""

    tokenize: Tokenize
    model: LanguageModel | None

    def save(self, run: Path) -> None:
        """Copies tokenizer and configuration into the run, which then needs no model hub."""
        if self.model is not None:
            assert isinstance(self.tokenize, Tokenizer)
            save_language(run / FOLDER, self.model, self.tokenize)


def open_language(config: ModelConfig, run: Path, *, resumed: bool) -> RunLanguage:
    """Loads the language model that the settings name, or for a resumed run the one it saved."""
    if "text" not in config.modalities:
        return RunLanguage(no_text, None)
    if resumed:
        model = LanguageModel.untrained(run / FOLDER)  # The checkpoint has its weights.
        tokenizer = Tokenizer.load(str(run / FOLDER), config.max_tokens)
    else:
        model = LanguageModel.pretrained(config.language)
        tokenizer = Tokenizer.load(config.language, config.max_tokens)
    return RunLanguage(tokenizer, model)
