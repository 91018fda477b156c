"""Counts what the model cannot read of its inputs: long texts, unknown tokens, long videos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from semanticmac.cache.batch import Sample, Tokenize
from semanticmac.cache.dataset import ClipDataset
from semanticmac.cache.dialogue import ContextClip
from semanticmac.model.config import ModelConfig
from semanticmac.model.language.tokenizer import Tokenizer
from semanticmac.model.language.unknown import UNKNOWN_SHARE, count_unknown

_TEXTS_AT_ONCE = 256


@dataclass(frozen=True)
class InputReport:
    """Counts over the splits that training reads; run.json keeps them."""

    # `clips`, `texts` that lost their end, and `contexts` that lost their beginning
    texts_cut: dict[str, int] = field(default_factory=dict)
    # split → share of its tokens that the tokenizer does not know
    unknown_tokens: dict[str, float] = field(default_factory=dict)
    # `clips`, and those with more frames than max_frames (`subsampled`)
    frames_subsampled: dict[str, int] = field(default_factory=dict)

    def notes(self, config: ModelConfig) -> list[str]:
        """The sentences for the user; none if the model reads everything."""
        notes = []
        parts = []
        for name, lost in (("texts", "end"), ("contexts", "oldest words")):
            if self.texts_cut.get(name):
                count, clips = self.texts_cut[name], self.texts_cut["clips"]
                parts.append(f"{count} of {clips} {name} lost their {lost}")
        if parts:
            notes.append(f"longer than max_tokens={config.max_tokens}: {', '.join(parts)}")
        for split, share in self.unknown_tokens.items():
            if share > UNKNOWN_SHARE:
                notes.append(
                    f"{split}: {share:.1%} of the text tokens are unknown to language="
                    f"{config.language}. Use a language model for the language of these texts."
                )
        if self.frames_subsampled.get("subsampled"):
            count, clips = self.frames_subsampled["subsampled"], self.frames_subsampled["clips"]
            notes.append(
                f"longer than max_frames={config.max_frames}: {count} of {clips} clips are "
                "uniformly subsampled"
            )
        return notes


def report_inputs(
    config: ModelConfig, tokenize: Tokenize, splits: Mapping[str, ClipDataset]
) -> InputReport:
    """Reads the texts of all clips once. tokenize: that of the model; unused without text."""
    frames = _count_subsampled(config, splits)
    if "text" not in config.modalities:
        return InputReport(frames_subsampled=frames)
    assert isinstance(tokenize, Tokenizer)

    cut = {"clips": sum(map(len, splits.values())), "texts": 0, "contexts": 0}
    unknown_tokens = {}
    for name, split in splits.items():
        texts, contexts = split.texts()
        unknown = total = 0
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            part = slice(start, start + _TEXTS_AT_ONCE)
            if contexts is None:
                tokens = tokenize(texts[part])
            else:
                tokens = tokenize(texts[part], contexts[part])
            cut["texts"] += tokens.cut
            cut["contexts"] += tokens.context_cut
            unknown_here, total_here = count_unknown(tokenize, tokens)
            unknown += unknown_here
            total += total_here
        unknown_tokens[name] = unknown / max(1, total)
    return InputReport(cut, unknown_tokens, frames)


def _count_subsampled(config: ModelConfig, splits: Mapping[str, ClipDataset]) -> dict[str, int]:
    counts = {"clips": sum(map(len, splits.values())), "subsampled": 0}
    for split in splits.values():
        for i, row in enumerate(split.rows):
            frames = row.frames
            if split.context_rows is not None:
                for before in split.context_rows[i]:
                    frames += before.frames
            # Embeddings are read only where a modality may be too long.
            if frames > config.max_frames and _frames_read(config, split[i]) > config.max_frames:
                counts["subsampled"] += 1
    return counts


def _frames_read(config: ModelConfig, sample: Sample) -> int:
    """Real frames of the sample and its context, in the longest modality that the model reads."""
    vision = audio = 0
    clips: list[Sample | ContextClip] = [*(sample.context or ()), sample]
    for clip in clips:
        if clip.vision is not None:
            vision += len(clip.vision)
        if clip.audio is not None:
            audio += len(clip.audio)
    lengths = {"vision": vision, "audio": audio, "text": 0}
    return max(lengths[name] for name in config.modalities)
