"""clips.csv of segmented recordings: a table for people, and for `cache folder` and `predict`."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from semanticmac.cache.atomic_io import as_text, write_text
from semanticmac.preprocess.clip import CorpusError
from semanticmac.preprocess.corpora.clips_table import file_ids
from semanticmac.preprocess.speech.recording import Recording

COLUMNS = ("clip_id", "file", "start_s", "end_s", "speaker", "text", "dialogue_id", "position")
# A spreadsheet takes a cell that begins like this for a formula. A blank before it prevents that,
# and the reader of clips.csv drops blanks.
FORMULA_STARTS = ("=", "+", "-", "@")


def relative_names(videos: Sequence[Path], table: Path) -> list[str]:
    """The names of the videos as the table gives them: relative to its folder.

    Raises CorpusError for a video outside that folder, because `cache folder` reads no others.
    """
    root = table.absolute().parent
    names: list[str] = []
    for video in videos:
        path = video.absolute()
        if not path.is_relative_to(root):
            raise CorpusError(
                f"{video} lies outside {root}, and a clips.csv names only files in its own "
                "folder: give --out a path in a folder that holds all the videos"
            )
        names.append(path.relative_to(root).as_posix())
    return names


def write_clips_csv(table: Path, recordings: Mapping[str, Recording]) -> int:
    """Writes the utterances of recordings, by file name; returns how many there are.

    Each file is a dialogue, so that a model that was trained in the conversation setting reads an
    utterance after those before it, and a default split keeps the utterances of a file together.
    """
    ids = dict(zip(recordings, file_ids(list(recordings)), strict=True))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    count = 0
    for name, recording in recordings.items():
        for position, utterance in enumerate(recording.utterances):
            writer.writerow(
                [
                    f"{ids[name]}#{position + 1:04d}",
                    as_text(name),
                    f"{utterance.start_s:.3f}",
                    f"{utterance.end_s:.3f}",
                    _cell(utterance.speaker),
                    _cell(utterance.text),
                    ids[name],
                    position,
                ]
            )
        count += len(recording.utterances)
    write_text(table, text.getvalue())
    return count


def _cell(text: str) -> str:
    return f" {text}" if text.startswith(FORMULA_STARTS) else text
