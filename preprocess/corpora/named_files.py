"""Corpora whose file names hold the labels, and whose speakers are actors."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from semanticmac.core import Task, counted
from semanticmac.preprocess.clip import Clip, Corpus
from semanticmac.preprocess.corpora.files_below import all_files
from semanticmac.preprocess.corpora.notes import preview
from semanticmac.preprocess.corpora.splits import assign_splits


def stems(root: Path, name: re.Pattern[str], endings: Sequence[str]) -> dict[str, Path]:
    """Stem → file, for the files below root whose stem matches `name`, in order of their stems.

    Of several files with one stem, the one with the first of the endings is taken. Raises
    CorpusError if a part of root cannot be read.
    """
    files: dict[str, Path] = {}
    for path in all_files(root):
        ending = path.suffix.lower()
        if ending not in endings or not name.fullmatch(path.stem):
            continue
        known = files.get(path.stem)
        if known is None or endings.index(ending) < endings.index(known.suffix.lower()):
            files[path.stem] = path
    return dict(sorted(files.items()))


def split_by_speaker(
    name: str, task: Task, clips: Sequence[Clip], total: int, speakers: Sequence[str]
) -> Corpus:
    """The corpus with splits in which no speaker stands twice; its notes say so.

    total, speakers: clips and speakers of the complete download; what is missing becomes a note.
    """
    splits = assign_splits([clip.speaker or "" for clip in clips])
    divided = [replace(clip, split=split) for clip, split in zip(clips, splits, strict=True)]
    notes = [
        "there is no official split: speakers are divided into train, valid and test. "
        "`train --folds speaker` trains one model for each fold of speakers"
    ]
    shortfall = ""
    if len(clips) < total:
        here = {clip.speaker for clip in clips}
        absent = [speaker for speaker in speakers if speaker not in here]
        shortfall = f"{len(clips)} of the {total} clips of the complete download are here"
        if absent:
            shortfall += f"; {counted(len(absent), 'speaker', 'have')} none: {preview(absent)}"
        notes.append(shortfall)
    return Corpus(name, task, tuple(divided), tuple(notes), shortfall=shortfall)
