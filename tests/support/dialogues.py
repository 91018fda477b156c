"""Planted dialogues of two speakers, in which the other's last utterance decides the label."""

from __future__ import annotations

import numpy as np

from semanticmac.core import Task
from support.planted import WIDTH, Planted

TASK = Task("single-label", ("bad", "good"))
WORD = {0: "hate", 1: "love"}


def planted_dialogues(
    dialogues: tuple[int, int, int] = (24, 8, 8), utterances: int = 6, seed: int = 0
) -> list[Planted]:
    """The label of an utterance is the last word of the *other* speaker; the first has none.

    Turns are irregular, so that the last utterance is often of the same speaker. Audio and vision
    are noise.
    """
    random = np.random.default_rng(seed)
    clips = []
    for split, count in zip(("train", "valid", "test"), dialogues, strict=True):
        for number in range(count):
            last: dict[str, int] = {}
            speaker = "A"
            for position in range(utterances):
                if position and random.random() < 0.6:
                    speaker = "B" if speaker == "A" else "A"
                other = "B" if speaker == "A" else "A"
                label = None
                if other in last:
                    label = [float(last[other] == value) for value in (0, 1)]
                said = int(random.integers(2))
                last[speaker] = said
                frames = random.normal(size=(2, 2, WIDTH))
                clips.append(
                    Planted(
                        f"{split}{number}-{position}",
                        f"i {WORD[said]} the film",
                        frames[0],
                        frames[1],
                        label,
                        split,
                        f"{split}{number}",
                        position,
                        speaker,
                    )
                )
    return clips
