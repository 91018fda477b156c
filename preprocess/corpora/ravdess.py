"""RAVDESS: two sentences spoken by 24 actors; file names hold seven numbers."""

from __future__ import annotations

import re
from pathlib import Path

from semanticmac.core import Task
from semanticmac.preprocess.clip import Clip, Corpus, CorpusError
from semanticmac.preprocess.corpora.named_files import split_by_speaker, stems
from semanticmac.preprocess.corpora.options import Options

EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprise")  # 01 … 08
TASK = Task("single-label", EMOTIONS)
STATEMENTS = ("Kids are talking by the door.", "Dogs are sitting by the door.")  # 01, 02
# Modality, vocal channel, emotion, intensity, statement, repetition, actor.
NAME = re.compile(r"0[1-3]-0[12]-0[1-8]-0[12]-0[12]-0[12]-(0[1-9]|1\d|2[0-4])")
ENDINGS = (".mp4", ".avi", ".wav", ".flac")
MODALITIES = ("01", "03", "02")  # video with audio, then audio alone, then video alone
SPEECH = "01"


def read(root: Path, options: Options) -> Corpus:
    """Speech files in Actor_01 … Actor_24 or other folders; songs are left out.

    Of one recording, the file with video and audio is read if it is there.
    """
    files = stems(root, NAME, ENDINGS)
    recordings: dict[str, Path] = {}
    for modality in MODALITIES:
        for stem, path in files.items():
            code, channel, rest = stem.split("-", 2)
            if code == modality and channel == SPEECH:
                recordings.setdefault(rest, path)
    if not recordings:
        raise CorpusError(
            f"ravdess: {root} holds no speech file named as 01-01-03-02-01-01-12.mp4 or "
            "03-01-03-02-01-01-12.wav"
        )
    clips: list[Clip] = []
    for rest, path in sorted(recordings.items()):
        emotion, _, statement, _, actor = rest.split("-")
        clip = Clip(
            path.stem,
            path,
            text=STATEMENTS[int(statement) - 1],
            labels={"multimodal": EMOTIONS[int(emotion) - 1]},
            speaker=actor,
        )
        clips.append(clip)
    actors = [f"{number:02d}" for number in range(1, 25)]
    return split_by_speaker("ravdess", TASK, clips, 1440, actors)
