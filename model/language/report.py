"""How a language model is read, as sentences for the user."""

from __future__ import annotations

from semanticmac.model.config import ModelConfig
from semanticmac.model.language.language_model import LanguageModel
from semanticmac.model.language.tokenizer import Tokenizer
from semanticmac.model.parameters import count_parameters

_KINDS = {
    "encoder": "encoder",
    "decoder": "decoder, a token sees those before it only",
    "encoder-decoder": "encoder of an encoder-decoder, its decoder is not read",
}
_POOLINGS = {"mean": "the mean of its tokens", "first": "its first token", "last": "its last token"}


def language_notes(language: LanguageModel, tokenizer: Tokenizer, config: ModelConfig) -> list[str]:
    """One sentence on how it is read, then a warning for everything that it cannot read."""
    limit = language.family.max_tokens
    notes = [_reading(language, tokenizer, config)]
    if limit is not None and not config.text_window and limit < config.max_tokens:
        notes.append(
            f"max_tokens={config.max_tokens}, but {config.language} reads {limit} tokens at most"
        )
    if language.surplus:
        names = ", ".join(language.surplus[:3])
        more = ", …" if len(language.surplus) > 3 else ""
        notes.append(
            f"{config.language}: {len(language.surplus)} tensors of the checkpoint are unknown to "
            f"its architecture and are not read ({names}{more})"
        )
    return notes


def _reading(language: LanguageModel, tokenizer: Tokenizer, config: ModelConfig) -> str:
    encoder = language.encoder
    segments = language.reads_segments and config.setting == "conversation"
    millions = count_parameters(encoder)[0] / 1e6
    kind = str(language.weights_dtype).removeprefix("torch.")
    parts = [
        f"language model {encoder.config.model_type}: {_KINDS[language.family.kind]}",
        f"{millions:,.1f} million weights in {kind}",
        f"one state of a text is {_POOLINGS[language.pooling]}",
        "segments mark context and target" if segments else "no segments",
        _marks(tokenizer),
        "padded on the right",
        _length(language, tokenizer),
    ]
    if tokenizer.before or tokenizer.after:
        parts.append(f"prompt {tokenizer.before}{{text}}{tokenizer.after}")
    return "; ".join(parts)


def _marks(tokenizer: Tokenizer) -> str:
    """The tokens that the tokenizer adds before and after a text."""
    tokens = tokenizer.tokenizer
    plain = tokens("a", add_special_tokens=False)["input_ids"]
    marked = tokens("a")["input_ids"]
    names = tokens.convert_ids_to_tokens([token for token in marked if token not in plain])
    if not names:
        return "no token marks start or end"
    return f"added tokens {' '.join(names)}"


def _length(language: LanguageModel, tokenizer: Tokenizer) -> str:
    if tokenizer.window:
        return f"windows of {tokenizer.window} tokens, texts up to {tokenizer.max_tokens} tokens"
    limit = language.family.max_tokens
    possible = f" of {limit} possible" if limit is not None else ", with no limit of its own"
    return f"texts up to {tokenizer.max_tokens} tokens{possible}"
