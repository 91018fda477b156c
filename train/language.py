"""The language model of a run, its tokenizer, and a count of the texts that are too long for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from semanticmac.cache.batch import Tokenize, no_text
from semanticmac.cache.dataset import ClipDataset
from semanticmac.model.config import ModelConfig
from semanticmac.model.text_encoder import LanguageModel, save_language
from semanticmac.model.tokenizer import Tokenizer

FOLDER = "language"  # in the run: tokenizer and configuration of its language model
_TEXTS_AT_ONCE = 256


@dataclass(frozen=True)
class RunLanguage:
    """How a run reads texts. A run without the text modality has no language model."""

    tokenize: Tokenize
    model: LanguageModel | None
    cut: dict[str, int]  # see `count_cut`

    def save(self, run: Path) -> None:
        """Copies tokenizer and configuration into the run, which then needs no model hub."""
        if self.model is not None:
            assert isinstance(self.tokenize, Tokenizer)
            save_language(run / FOLDER, self.model, self.tokenize)


def open_language(
    config: ModelConfig, splits: Sequence[ClipDataset], run: Path, *, resumed: bool
) -> RunLanguage:
    """Loads the language model that the settings name, or for a resumed run the one it saved."""
    if "text" not in config.modalities:
        return RunLanguage(no_text, None, {})
    if resumed:
        model = LanguageModel.untrained(run / FOLDER)  # The checkpoint has its weights.
        tokenizer = Tokenizer.load(str(run / FOLDER), config.max_tokens)
    else:
        model = LanguageModel.pretrained(config.language)
        tokenizer = Tokenizer.load(config.language, config.max_tokens)
    return RunLanguage(tokenizer, model, count_cut(tokenizer, splits))


def count_cut(tokenize: Tokenizer, splits: Sequence[ClipDataset]) -> dict[str, int]:
    """Counts `clips`, `texts` that lost their end, and `contexts` that lost their beginning."""
    counts = {"clips": sum(map(len, splits)), "texts": 0, "contexts": 0}
    for split in splits:
        texts, contexts = split.texts()
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            part = slice(start, start + _TEXTS_AT_ONCE)
            if contexts is None:
                tokens = tokenize(texts[part])
            else:
                tokens = tokenize(texts[part], contexts[part])
            counts["texts"] += tokens.cut
            counts["contexts"] += tokens.context_cut
    return counts


def cut_note(counts: dict[str, int], max_tokens: int) -> str | None:
    """A sentence for the user, or None if no text was cut."""
    parts = []
    for name, lost in (("texts", "end"), ("contexts", "oldest words")):
        if counts.get(name):
            parts.append(f"{counts[name]} of {counts['clips']} {name} lost their {lost}")
    if not parts:
        return None
    return f"longer than max_tokens={max_tokens}: {', '.join(parts)}"
