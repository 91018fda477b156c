"""CREMA-D: twelve sentences acted by 91 people; file names hold actor, sentence and emotion."""

from __future__ import annotations

import re
from pathlib import Path

from semanticmac.core import Task
from semanticmac.preprocess.clip import Clip, Corpus, CorpusError
from semanticmac.preprocess.corpora.emotion_names import class_of
from semanticmac.preprocess.corpora.named_files import split_by_speaker, stems
from semanticmac.preprocess.corpora.options import Options

TASK = Task("single-label", ("neutral", "happy", "sad", "angry", "fear", "disgust"))
NAME = re.compile(r"(\d{4})_([A-Z]{3})_([A-Z]{3})_([A-Z]{2}|X)")  # actor, sentence, emotion, level
ENDINGS = (".mp4", ".flv", ".avi", ".wav", ".flac", ".mp3")  # a file with video comes first
SENTENCES = {
    "IEO": "It's eleven o'clock.",
    "TIE": "That is exactly what happened.",
    "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.",
    "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}


def read(root: Path, options: Options) -> Corpus:
    """Files named <actor>_<sentence>_<emotion>_<level> in VideoFlash, AudioWAV or other folders."""
    clips: list[Clip] = []
    for stem, path in stems(root, NAME, ENDINGS).items():
        actor, sentence, emotion, _ = stem.split("_")
        if sentence not in SENTENCES:
            raise CorpusError(f"cremad: {path} has the sentence {sentence}, which is unknown")
        labels = {"multimodal": class_of(TASK, emotion, str(path))}
        clips.append(Clip(stem, path, text=SENTENCES[sentence], labels=labels, speaker=actor))
    if not clips:
        raise CorpusError(
            f"cremad: {root} holds no file named as 1001_DFA_ANG_XX.flv (VideoFlash) or .wav "
            "(AudioWAV)"
        )
    actors = [str(number) for number in range(1001, 1092)]
    return split_by_speaker("cremad", TASK, clips, 7442, actors)
