"""The user's own videos: a folder of media files, with or without a clips.csv."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from semanticmac.core import counted
from semanticmac.preprocess.clip import Clip, Corpus, CorpusError, is_there, leads_out
from semanticmac.preprocess.corpora.clips_table import file_ids, read_clips_table
from semanticmac.preprocess.corpora.files_below import find_files
from semanticmac.preprocess.corpora.notes import count_note, preview
from semanticmac.preprocess.corpora.options import OFFICIAL, Options
from semanticmac.preprocess.corpora.tables import read_table, read_text

# The usual suffixes of the containers that stage 1 decodes (decoding/probe.py).
VIDEO_SUFFIXES = {
    ".264", ".265", ".3g2", ".3gp", ".asf", ".avc", ".avi", ".dif", ".divx", ".dv", ".f4v",
    ".flv", ".gxf", ".h264", ".h265", ".hevc", ".ismv", ".ivf", ".m2t", ".m2ts", ".m2v",
    ".m4v", ".mj2", ".mk3d", ".mkv", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mts", ".mxf",
    ".nut", ".obu", ".ogm", ".ogv", ".psp", ".qt", ".rm", ".rmvb", ".ts", ".vob", ".webm",
    ".wmv", ".wtv",
}  # fmt: skip
AUDIO_SUFFIXES = {
    ".aac", ".ac3", ".aif", ".aifc", ".aiff", ".amr", ".ape", ".au", ".caf", ".dts", ".eac3",
    ".ec3", ".flac", ".isma", ".m2a", ".m4a", ".m4b", ".mka", ".mp2", ".mp3", ".mpa", ".nist",
    ".oga", ".ogg", ".opus", ".ra", ".snd", ".sph", ".spx", ".tta", ".w64", ".wav", ".weba",
    ".wma", ".wv",
}  # fmt: skip
MEDIA_SUFFIXES = VIDEO_SUFFIXES | AUDIO_SUFFIXES


def read(root: Path, options: Options = OFFICIAL) -> Corpus:
    """The clips of `root/clips.csv`, or every media file below root if there is no such table.

    A table without the column `file` is a corpus of texts alone.
    """
    if (root / "clips.csv").is_file():
        # A list of splits replaces the default split, and a note about both would contradict it.
        table = read_table(root / "clips.csv")
        return read_clips_table(root, table, default_split=options.splits is None)
    return _read_files(root)


@dataclass(frozen=True)
class FolderFiles:
    """The content of a folder of own videos, each part in order of its names."""

    media: tuple[Path, ...]
    others: tuple[Path, ...]  # all other files, and links that lead to no file
    unreadable: Mapping[str, str]  # name below the folder → reason; a subfolder ends with "/"


def folder_files(root: Path) -> FolderFiles:
    """The files below root. Raises CorpusError if root itself cannot be read."""
    found = find_files(root, hidden=False)
    media: list[Path] = []
    others: list[Path] = []
    for path in found.files:
        if path.suffix.lower() in MEDIA_SUFFIXES and is_there(path):
            media.append(path)
        else:
            others.append(path)
    return FolderFiles(tuple(media), tuple(others), found.unreadable)


def _read_files(root: Path) -> Corpus:
    found = folder_files(root)
    notes = ["no clips.csv: no clip has a label, so the corpus cannot be trained on"]
    notes += _passed_over(root, found.media, found.others)
    if not found.media and not found.unreadable:
        raise CorpusError(
            f"{root} contains no clips.csv and no media file; expected videos "
            f"({' '.join(sorted(VIDEO_SUFFIXES))}) or audio ({' '.join(sorted(AUDIO_SUFFIXES))})"
        )
    clips: list[Clip] = []
    names = [path.relative_to(root).as_posix() for path in found.media]
    for path, clip_id in zip(found.media, file_ids(names), strict=True):
        clips.append(clip_of_file(clip_id, path, root))
    for name, reason in found.unreadable.items():
        clips.append(_unreadable_clip(root, name, reason))
    return Corpus("folder", None, tuple(clips), tuple(notes))


def _unreadable_clip(root: Path, name: str, reason: str) -> Clip:
    """A clip that fails, so that what cannot be read is reported with the other failures."""
    problem = f"the file cannot be read: {reason}"
    if name.endswith("/"):
        problem = f"the folder cannot be read, and files in it are passed over: {reason}"
    return Clip(name, root / name, problem=problem)


def clip_of_file(clip_id: str, path: Path, root: Path) -> Clip:
    """A whole media file as a clip. A `.txt` file of the same name beside it is its transcript.

    A transcript that is a link out of root is not read: the clip gets a problem.
    """
    transcript = path.with_suffix(".txt")
    if transcript == path or not is_there(transcript):
        return Clip(clip_id, path)
    if leads_out(root, transcript):
        return Clip(clip_id, path, problem=f"its transcript is a link that leads out of {root}")
    try:
        text = " ".join(read_text(transcript).split())
    except CorpusError as error:
        return Clip(clip_id, path, problem=f"its transcript cannot be read: {error}")
    return Clip(clip_id, path, text=text)


def passed_over(root: Path) -> list[str]:
    """Notes on the files that a folder without clips.csv does not give as clips."""
    if (root / "clips.csv").is_file():
        return []
    found = folder_files(root)
    return _passed_over(root, found.media, found.others)


def _passed_over(root: Path, media: Sequence[Path], others: Sequence[Path]) -> list[str]:
    """Notes on the files that are neither clips nor their transcripts."""
    transcripts = {path.with_suffix(".txt") for path in media}
    suffixes: Counter[str] = Counter()
    names: list[str] = []
    links: list[str] = []
    for path in others:
        name = path.relative_to(root).as_posix()
        if path.name == "clips.csv" or path in transcripts:
            continue
        if path.is_symlink() and not is_there(path):
            links.append(name)
        else:
            suffixes[path.suffix.lower() or "no suffix"] += 1
            names.append(name)

    notes = count_note("link", "are", "passed over, because no file is there", links)
    if names:
        counts = ", ".join(f"{suffix} {count}" for suffix, count in suffixes.most_common())
        notes.append(
            f"{counted(len(names), 'file', 'are')} passed over ({counts}): {preview(names)}"
        )
    return notes
