"""The language model of a run, and its tokenizer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from semanticmac.cache.batch import Tokenize, no_text
from semanticmac.model.config import ModelConfig
from semanticmac.model.language.finetuning import open_language_model
from semanticmac.model.language.language_model import LanguageModel, save_language
from semanticmac.model.language.report import language_notes
from semanticmac.model.language.tokenizer import Tokenizer
from semanticmac.run.language import FOLDER, open_saved_language


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

    def notes(self, config: ModelConfig) -> list[str]:
        """How the language model is read, and what of it is not, as sentences for the user."""
        if self.model is None:
            return []
        assert isinstance(self.tokenize, Tokenizer)
        return language_notes(self.model, self.tokenize, config)


def open_language(config: ModelConfig, run: Path, *, resumed: bool) -> RunLanguage:
    """Loads the language model that the settings name, or for a resumed run the one it saved."""
    if "text" not in config.modalities:
        return RunLanguage(no_text, None)
    if resumed:
        return RunLanguage(*open_saved_language(run, config))  # The checkpoint has its weights.
    return RunLanguage(Tokenizer.of_config(config.language, config), open_language_model(config))
