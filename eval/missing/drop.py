"""Drop: parts of a clip made absent by a protocol, at a rate, from a seed.

The protocols are those of CIDer (Zhong et al. 2025). What is dropped depends on the clip, the seed
and the number of the draw. It does not depend on the batch, its order, or other clips. What is
dropped at one rate is also dropped at every greater rate of the same draw.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from semanticmac.cache.batch import ClipInput
from semanticmac.core import MODALITIES
from semanticmac.eval.missing.request import RateProtocol
from semanticmac.eval.missing.words import drop_words, word_spans

Kept = dict[str, np.ndarray]  # modality → (n,) bool for its words or frames, True = kept


@dataclass(frozen=True)
class Drop:
    """Drops words and frames of clips; an object of this class is a `cache.batch.Corrupt`.

    protocol:
    - own: each modality of a clip has a rate of its own, and their expectation is `rate`
    - same: each word and each frame by itself, with the same rate in all modalities
    - modalities: whole modalities; one that the clip has always remains
    - steps: the same time steps in all modalities
    - block: one block of time in all modalities; its length is `rate` times the clip's
    """

    protocol: RateProtocol
    rate: float  # 0 ≤ rate < 1
    seed: int = 0
    draw: int | str = 0
    drops: tuple[str, ...] = MODALITIES  # modalities that may lose something
    substitute: str = ""  # stands for a dropped word; empty: the word is absent

    def __call__(self, clip_id: str, clip: ClipInput) -> ClipInput:
        """The clip without what is dropped."""
        return self.apply(clip_id, clip)[0]

    def apply(self, clip_id: str, clip: ClipInput) -> tuple[ClipInput, float]:
        """The clip without what is dropped, and the share that was dropped.

        The share is the mean over the clip's modalities; words and frames are counted.
        """
        words = len(word_spans(clip.text))
        counts = {"text": words, "audio": _length(clip.audio), "vision": _length(clip.vision)}
        kept = self.kept(clip_id, counts)
        changed = replace(
            clip,
            text=drop_words(clip.text, kept["text"].tolist(), self.substitute),
            audio_kept=None if kept["audio"].all() else kept["audio"],
            vision_kept=None if kept["vision"].all() else kept["vision"],
        )
        shares = []
        for name in MODALITIES:
            if counts[name]:
                shares.append(1 - float(kept[name].mean()))
        return changed, float(np.mean(shares)) if shares else 0.0

    def kept(self, clip_id: str, counts: Mapping[str, int]) -> Kept:
        """counts: modality → its words or frames, 0 = absent in the clip."""
        if self.protocol == "modalities":
            kept = self._modalities(clip_id, counts)
        elif self.protocol in ("steps", "block"):
            kept = self._times(clip_id, counts)
        else:
            kept = self._units(clip_id, counts)
        for name in MODALITIES:
            if name not in self.drops:
                kept[name] = np.ones(counts[name], dtype=bool)
        return kept

    def _units(self, clip_id: str, counts: Mapping[str, int]) -> Kept:
        """Each word and each frame by itself."""
        rates = dict.fromkeys(MODALITIES, self.rate)
        if self.protocol == "own":
            low, high = max(0.0, 2 * self.rate - 1), min(1.0, 2 * self.rate)
            drawn = self._numbers(clip_id, "rates", len(MODALITIES))
            for name, number in zip(MODALITIES, drawn, strict=True):
                rates[name] = low + (high - low) * float(number)
        kept = {}
        for name in MODALITIES:
            kept[name] = self._numbers(clip_id, name, counts[name]) >= rates[name]
        return kept

    def _modalities(self, clip_id: str, counts: Mapping[str, int]) -> Kept:
        """Whole modalities; the present one with the greatest number always remains."""
        drawn = self._numbers(clip_id, "modalities", len(MODALITIES))
        numbers = dict(zip(MODALITIES, drawn.tolist(), strict=True))
        present = [name for name in MODALITIES if counts[name]]
        last = max(present, key=numbers.__getitem__, default=None)
        kept = {}
        for name in MODALITIES:
            kept[name] = np.full(counts[name], numbers[name] >= self.rate or name == last)
        return kept

    def _times(self, clip_id: str, counts: Mapping[str, int]) -> Kept:
        """Time steps of all modalities. Word i of W is at the step (i + ½)·F / W."""
        frames = max(counts["audio"], counts["vision"])
        steps = frames or counts["text"]
        if self.protocol == "steps":
            step_kept = self._numbers(clip_id, "steps", steps) >= self.rate
        else:
            length = round(self.rate * steps)
            [number] = self._numbers(clip_id, "block", 1)
            start = int(float(number) * (steps - length + 1))
            step_kept = np.ones(steps, dtype=bool)
            step_kept[start : start + length] = False
        words = counts["text"]
        step_of_word = ((np.arange(words) + 0.5) * steps / max(words, 1)).astype(int)
        return {
            "text": step_kept[step_of_word],
            "audio": step_kept[: counts["audio"]],
            "vision": step_kept[: counts["vision"]],
        }

    def _numbers(self, clip_id: str, purpose: str, count: int) -> np.ndarray:
        return drawn_numbers(f"{self.seed}/{self.draw}/{purpose}/{clip_id}", count)


def drawn_numbers(name: str, count: int) -> np.ndarray:
    """(count,) numbers in [0, 1) that the name decides. A longer row begins with the same ones."""
    digest = hashlib.blake2b(name.encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "little")).random(count)


def _length(frames: np.ndarray | None) -> int:
    return 0 if frames is None else len(frames)
