"""The user's own videos: a folder of media files, with or without a clips.csv."""

from __future__ import annotations

from pathlib import Path

from semanticmac.preprocess.clip import Clip, Corpus, CorpusError, inside, is_there
from semanticmac.preprocess.corpora.clips_table import file_ids, read_clips_table
from semanticmac.preprocess.corpora.options import OFFICIAL, Options
from semanticmac.preprocess.corpora.tables import read_table, read_text

VIDEO_SUFFIXES = {
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".flv", ".ogv",
    ".3gp", ".mts",
}  # fmt: skip
AUDIO_SUFFIXES = {".wav", ".flac", ".mp3", ".m4a", ".aac", ".ogg", ".oga", ".opus", ".wma"}
MEDIA_SUFFIXES = VIDEO_SUFFIXES | AUDIO_SUFFIXES


def read(root: Path, options: Options = OFFICIAL) -> Corpus:
    """The clips of `root/clips.csv`, or every media file below root if there is no such table."""
    if (root / "clips.csv").is_file():
        return read_clips_table(root, read_table(root / "clips.csv", ("file",)))
    return _read_files(root)


def _read_files(root: Path) -> Corpus:
    files = sorted(path for path in root.rglob("*") if _is_media(path, root))
    if not files:
        raise CorpusError(
            f"{root} holds no clips.csv and no media file; expected videos "
            f"({' '.join(sorted(VIDEO_SUFFIXES))}) or audio ({' '.join(sorted(AUDIO_SUFFIXES))})"
        )
    names = [path.relative_to(root).as_posix() for path in files]
    clips: list[Clip] = []
    for path, name, clip_id in zip(files, names, file_ids(names), strict=True):
        inside(root, name)
        clips.append(Clip(clip_id, path, text=transcript_of(path)))
    note = "no clips.csv: no clip has a label, so the corpus cannot be trained on"
    return Corpus("folder", None, tuple(clips), (note,))


def transcript_of(path: Path) -> str:
    """The text of the `.txt` file beside a media file, in one line; empty if there is none."""
    transcript = path.with_suffix(".txt")
    if transcript == path or not is_there(transcript):
        return ""
    return " ".join(read_text(transcript).split())


def _is_media(path: Path, root: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
    return not hidden and path.suffix.lower() in MEDIA_SUFFIXES and is_there(path)
