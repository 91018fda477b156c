"""Raw videos to embeddings without a cache, by the same decoders and encoders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from semanticmac.cache.frame_codec import unpack
from semanticmac.cache.keys import Sampling
from semanticmac.cache.records import Embeddings, RawClip, concatenate
from semanticmac.cache.streams import Streams
from semanticmac.preprocess.clip import Clip, CorpusError
from semanticmac.preprocess.corpora import read_corpus
from semanticmac.preprocess.corpora.folder import clip_of_file
from semanticmac.preprocess.decoding.isolation import decode_all
from semanticmac.preprocess.encoders.protocol import EncodeError, Encoder, require_content


class EncoderMismatch(Exception):
    """The encoder is not the one that the model was trained on."""


def require_same(encoders: Sequence[Encoder], streams: Streams) -> None:
    """Raises EncoderMismatch unless these encoders make the streams of a model."""
    mine = Streams.group(encoder.fingerprint(streams.sampling) for encoder in encoders)
    if mine != streams:
        raise EncoderMismatch(
            f"the model was trained on other embeddings than {mine.describe()} makes here: "
            f"{'; '.join(mine.differences(streams))}. Name the right encoders with --encoder, or "
            "with --vision and --audio."
        )


def clips_of(videos: Sequence[Path], text: str | None) -> list[Clip]:
    """The clips of videos and folders. A folder is read like a `folder` corpus.

    text: transcript of every file; None: the `.txt` beside the file. Raises CorpusError if a text
    is given for a folder, and if there is no clip.
    """
    stems = Counter(video.stem for video in videos)
    clips: list[Clip] = []
    for video in videos:
        if not video.is_dir():
            name = video.stem if stems[video.stem] == 1 else str(video)
            if text is None:
                clips.append(clip_of_file(name, video, video.parent))
            else:
                clips.append(Clip(name, video, text=text))
        elif text is None:
            clips += read_corpus("folder", video).clips
        else:
            raise CorpusError(
                f"a text belongs to one file, but {video} is a folder: write the texts of its "
                "clips into its clips.csv, or into a .txt beside each"
            )
    if not clips:
        raise CorpusError("there is nothing to predict: name one or more videos or folders")
    return clips


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
    outcomes = decode_all(usable, sampling, workers)
    for clip in clips:
        if clip.problem:
            yield EmbeddedClip(clip, None, clip.problem)
            continue
        outcome = next(outcomes)
        if outcome.record is None:
            yield EmbeddedClip(outcome.clip, None, outcome.reason)
            continue
        raw = unpack(outcome.record)
        try:
            embeddings = _encode(raw, encoders)
        except EncodeError as error:
            yield EmbeddedClip(outcome.clip, None, str(error))
        else:
            yield EmbeddedClip(
                outcome.clip, embeddings, remarks=raw.notes, frame=_middle_frame(raw)
            )


def _middle_frame(raw: RawClip) -> np.ndarray | None:
    """A copy, so that the other frames need not be kept."""
    return None if raw.frames is None else raw.frames[len(raw.frames) // 2].copy()


def _encode(raw: RawClip, encoders: Sequence[Encoder]) -> Embeddings:
    require_content(raw)
    vision: list[np.ndarray | None] = []
    audio: list[np.ndarray | None] = []
    for encoder in encoders:
        part = vision if encoder.modality == "vision" else audio
        part.append(encoder.encode(raw))
    return Embeddings(concatenate(vision), concatenate(audio))
