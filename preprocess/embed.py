"""Raw videos to embeddings without a cache, by the same decoders and encoders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from semanticmac.cache.face_records import unpack_faces
from semanticmac.cache.frame_codec import unpack
from semanticmac.cache.keys import Sampling
from semanticmac.cache.records import Embeddings, RawClip, concatenate
from semanticmac.cache.streams import Streams
from semanticmac.preprocess.clip import Clip, CorpusError
from semanticmac.preprocess.corpora import read_corpus
from semanticmac.preprocess.corpora.folder import clip_of_file, passed_over
from semanticmac.preprocess.decoding.isolation import decode_all
from semanticmac.preprocess.encoders.faces import FaceEncoder
from semanticmac.preprocess.encoders.protocol import EncodeError, Encoder, require_content
from semanticmac.preprocess.faces.find_all import FoundFaces, find_all
from semanticmac.preprocess.faces.finder import FinderSpec


class EncoderMismatch(Exception):
    """The encoder is not the one that the model was trained on."""


def require_same(encoders: Sequence[Encoder], streams: Streams) -> None:
    """Raises EncoderMismatch unless these encoders make the streams of a model.

    Whether clips were encoded together does not matter: it changes less than the last bit of
    float16, and a model that was trained on the embeddings of a GPU can predict on a CPU.
    """
    mine = Streams.group(encoder.fingerprint(streams.sampling) for encoder in encoders)
    if mine.unbatched() != streams.unbatched():
        raise EncoderMismatch(
            f"the model was trained on other embeddings than {mine.describe()} makes here: "
            f"{'; '.join(mine.differences(streams))}. Name the right encoders with --encoder, or "
            "with --vision and --audio."
        )


def clips_of(videos: Sequence[Path], text: str | None) -> list[Clip]:
    """The clips of videos and folders: `read_clips` without its notes."""
    return read_clips(videos, text)[0]


def read_clips(videos: Sequence[Path], text: str | None) -> tuple[list[Clip], list[str]]:
    """The clips of videos and folders, and notes. A folder is read like a `folder` corpus.

    The notes name files of a folder that are passed over. text: transcript of every file; None: the
    `.txt` beside the file. Raises CorpusError if a text is given for a folder, and if there is no
    clip.
    """
    stems = Counter(video.stem for video in videos)
    clips: list[Clip] = []
    notes: list[str] = []
    for video in videos:
        if not video.is_dir():
            name = video.stem if stems[video.stem] == 1 else str(video)
            if text is None:
                clips.append(clip_of_file(name, video, video.parent))
            else:
                clips.append(Clip(name, video, text=text))
        elif text is None:
            clips += read_corpus("folder", video).clips
            notes += [f"{video}: {note}" for note in passed_over(video)]
        else:
            raise CorpusError(
                f"a text belongs to one file, but {video} is a folder: write the texts of its "
                "clips into its clips.csv, or into a .txt beside each"
            )
    if not clips:
        raise CorpusError("there is nothing to predict: name one or more videos or folders")
    return clips, notes


@dataclass(frozen=True)
class EmbeddedClip:
    """A clip with its embeddings, or None and the reason. The remarks say what it lacks."""

    clip: Clip
    embeddings: Embeddings | None
    reason: str = ""
    remarks: tuple[str, ...] = ()
    frame: np.ndarray | None = None  # (H, W, 3) uint8, in the middle of the clip


def embed_clips(
    clips: Sequence[Clip], encoders: Sequence[Encoder], sampling: Sampling, workers: int
) -> Iterator[EmbeddedClip]:
    """Every clip in order.

    Encoders of one modality are concatenated. A clip is packed and unpacked as for the frame store,
    so that its frames are compressed like cached ones. Its remarks are those that `cache` writes to
    failures.jsonl.
    """
    usable = [clip for clip in clips if not clip.problem]
    outcomes = _decoded(usable, encoders, sampling, workers)
    for clip in clips:
        if clip.problem:
            yield EmbeddedClip(clip, None, clip.problem)
            continue
        outcome = next(outcomes)
        decoded = outcome.decoded
        if decoded.record is None:
            yield EmbeddedClip(decoded.clip, None, decoded.reason)
            continue
        raw = unpack(decoded.record)
        try:
            embeddings, remarks = _encode(raw, encoders, outcome)
        except EncodeError as error:
            yield EmbeddedClip(decoded.clip, None, str(error))
        else:
            yield EmbeddedClip(
                decoded.clip, embeddings, remarks=(*raw.notes, *remarks), frame=_middle_frame(raw)
            )


def _middle_frame(raw: RawClip) -> np.ndarray | None:
    """A copy, so that the other frames need not be kept."""
    return None if raw.frames is None else raw.frames[len(raw.frames) // 2].copy()


def _decoded(
    clips: Sequence[Clip], encoders: Sequence[Encoder], sampling: Sampling, workers: int
) -> Iterator[FoundFaces]:
    """The clips in order, with their faces where an encoder reads faces."""
    outcomes = decode_all(clips, sampling, workers)
    finders: dict[FinderSpec, None] = {}
    for encoder in encoders:
        if isinstance(encoder, FaceEncoder):
            finders[encoder.finder_spec] = None
    if finders:
        return find_all(outcomes, list(finders), sampling, workers)
    return (FoundFaces(outcome, {}, {}) for outcome in outcomes)


def _encode(
    raw: RawClip, encoders: Sequence[Encoder], outcome: FoundFaces
) -> tuple[Embeddings, tuple[str, ...]]:
    """The embeddings of a clip, and remarks on its faces."""
    require_content(raw)
    vision: list[np.ndarray | None] = []
    audio: list[np.ndarray | None] = []
    remarks: dict[str, None] = {}
    for encoder in encoders:
        part = vision if encoder.modality == "vision" else audio
        if not isinstance(encoder, FaceEncoder):
            part.append(encoder.encode(raw))
            continue
        finder = encoder.finder_spec
        if finder not in outcome.records:
            raise EncodeError(outcome.reasons[finder])
        faces = unpack_faces(outcome.records[finder])
        part.append(encoder.encode_faces(faces, raw))
        remarks.update(dict.fromkeys(faces.notes))
    return Embeddings(concatenate(vision), concatenate(audio)), tuple(remarks)
