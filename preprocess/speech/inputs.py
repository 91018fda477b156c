"""What a user names for `segment`: videos, transcripts and speakers, matched by file name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from semanticmac.preprocess.clip import CorpusError, is_there
from semanticmac.preprocess.corpora.folder import clip_of_file, folder_files
from semanticmac.preprocess.speech.speakers import Turn, read_rttm
from semanticmac.preprocess.speech.transcript_files import SUFFIXES, Transcript, read_transcript

# What is said of a text without times.
ESTIMATED = "its text has no times: those of its words are estimated"


def find_videos(paths: Sequence[Path]) -> list[Path]:
    """The files, and every media file below the folders; each once, in order.

    Raises CorpusError for a path that does not exist, for a folder without media files, and for one
    with a subfolder that cannot be read.
    """
    videos: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            found = folder_files(path)
            for name, reason in found.unreadable.items():
                raise CorpusError(
                    f"{path / name} cannot be read: {reason}. Allow it, or name the files instead "
                    f"of {path}"
                )
            if not found.media:
                raise CorpusError(f"{path} contains no video and no audio file")
            videos.update(dict.fromkeys(found.media))
        elif is_there(path):
            videos[path] = None
        else:
            raise CorpusError(f"{path}: there is no such file or folder")
    return list(videos)


def find_transcripts(source: Path, videos: Sequence[Path]) -> dict[Path, Transcript]:
    """The transcripts by video: one file for one video, or a folder with files of the same names.

    Raises CorpusError if a file is given for several videos, or if a folder has none that fits.
    """
    if not source.is_dir():
        if len(videos) != 1:
            raise CorpusError(
                f"{source} is the transcript of one file, but {len(videos)} files are segmented: "
                "give a folder with one transcript for each, named like its video"
            )
        return {videos[0]: read_transcript(source)}

    transcripts: dict[Path, Transcript] = {}
    for video in videos:
        existing = []
        for suffix in SUFFIXES:
            path = source / f"{video.stem}{suffix}"
            if is_there(path):
                existing.append(path)
        if len(existing) > 1:
            names = " and ".join(path.name for path in existing)
            raise CorpusError(f"{source} holds {names} for {video.name}: keep one of them")
        if existing:
            transcripts[video] = read_transcript(existing[0])
    if not transcripts:
        raise CorpusError(
            f"{source} holds no transcript for any of the {len(videos)} files: expected names "
            f"such as {videos[0].stem}{SUFFIXES[0]}"
        )
    return transcripts


def transcripts_beside(videos: Sequence[Path]) -> dict[Path, Transcript]:
    """The `.txt` of the same name beside each video, as `predict` reads it.

    Raises CorpusError for one that cannot be read.
    """
    transcripts: dict[Path, Transcript] = {}
    for video in videos:
        clip = clip_of_file(video.stem, video, video.parent)
        if clip.problem:
            raise CorpusError(f"{video}: {clip.problem}")
        if clip.text:
            transcripts[video] = Transcript((), clip.text, ESTIMATED)
    return transcripts


def find_turns(rttm: Path, videos: Sequence[Path]) -> dict[Path, list[Turn]]:
    """The speakers' turns by video. An RTTM file names a recording without its suffix.

    Raises CorpusError if it names none of the videos.
    """
    by_name = read_rttm(rttm)
    turns = {video: by_name[video.stem] for video in videos if video.stem in by_name}
    if not turns:
        raise CorpusError(
            f"{rttm} names the recordings {', '.join(sorted(by_name))}, and none of them is a file "
            f"here; expected names such as {videos[0].stem}"
        )
    return turns
