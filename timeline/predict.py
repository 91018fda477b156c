"""predict_timeline: one recording in, the predictions of all its utterances out."""

from __future__ import annotations

import io
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from semanticmac.cache.dialogue import ContextClip
from semanticmac.cache.failures import Failure
from semanticmac.core import ProgressFn
from semanticmac.eval.evaluate import absent_notes
from semanticmac.eval.timeline import Moment, SpokenWord, Timeline
from semanticmac.inference import PredictError, Predictor
from semanticmac.preprocess.clip import Clip, DecodeError
from semanticmac.preprocess.decoding.length import media_lengths
from semanticmac.preprocess.embed import EmbeddedClip, embed_clips
from semanticmac.preprocess.speech.activity import VoiceActivity, open_activity
from semanticmac.preprocess.speech.recognition import Recogniser
from semanticmac.preprocess.speech.recording import (
    NobodySpeaks,
    Recording,
    Utterance,
    segment_recording,
)
from semanticmac.preprocess.speech.spans import SpanLimits
from semanticmac.preprocess.speech.speakers import Turn
from semanticmac.preprocess.speech.transcript_files import Transcript
from semanticmac.run.folder import absent_modalities
from semanticmac.run.notes import NO_TRUST, stream_notes

# A recording without speech is cut into parts of equal length, none longer than this.
PART_S = 10.0
THUMBNAIL_HEIGHT_PX = 72
THUMBNAIL_QUALITY = 70

MomentFn = Callable[[int, Moment], None]


@dataclass(frozen=True)
class TimelineOptions:
    """How a recording is cut into utterances, and where their words and speakers come from."""

    activity: VoiceActivity | None = None  # None: Silero where it is installed, else the energy
    limits: SpanLimits = field(default_factory=SpanLimits)
    transcript: Transcript | None = None
    recogniser: Recogniser | None = None  # writes down the words if there is no transcript
    turns: tuple[Turn, ...] = ()  # who speaks when


@dataclass(frozen=True)
class StartedTimeline:
    """The part of a time line that a stopped call has finished."""

    recording: Recording | None = None  # None: it is not cut into utterances yet
    moments: tuple[Moment, ...] = ()  # of the first utterances


def _silent_progress(stage: str, done: int, total: int, failed: int) -> None:
    pass


def _silent_recording(recording: Recording) -> None:
    pass


def _silent_moment(index: int, moment: Moment) -> None:
    pass


def predict_timeline(
    video: str | Path,
    predictor: Predictor,
    options: TimelineOptions | None = None,
    *,
    without: Sequence[str] = (),
    started: StartedTimeline | None = None,
    key: str = "",
    on_recording: Callable[[Recording], None] = _silent_recording,
    on_moment: MomentFn = _silent_moment,
    on_progress: ProgressFn = _silent_progress,
) -> Timeline:
    """Cuts one recording into utterances and predicts each of them.

    A model of the conversation setting reads the utterances before each one too.

    without: modalities to leave out. started: the part that an earlier call has finished; it is not
    computed again. key: kept in the time line (timeline/unfinished.py). on_recording receives the
    utterances, and on_moment the number and the result of each one, as soon as they are known.

    Utterances are decoded, encoded and predicted one after the other, so that memory does not grow
    with the length. An utterance that cannot be decoded is a Moment without a prediction. Raises
    PredictError if nothing of the file can be read.
    """
    path = Path(video)
    options = options or TimelineOptions()
    started = started or StartedTimeline()
    recording = started.recording
    if recording is None:
        recording = _cut(path, options, on_progress)
        on_recording(recording)
    moments = list(started.moments)
    info = predictor.trained.info
    has_text = options.transcript is not None or options.recogniser is not None
    has_text = has_text or any(utterance.text for utterance in recording.utterances)

    before: deque[ContextClip] = deque(maxlen=info.model.clips_before)
    first = _first_of_context(moments, info.model.clips_before)
    clips: list[Clip] = []
    for index, utterance in enumerate(recording.utterances[first:], first):
        clips.append(clip_of_moment(path, index, utterance))
    sampling = info.streams.sampling
    stage = f"predicting {path.name}, seconds"
    total_s = math.ceil(recording.duration_s)
    failed = sum(moment.prediction is None for moment in moments)
    # One worker reads the file from its start to its end, and encoding goes on beside it.
    for index, embedded in enumerate(embed_clips(clips, predictor.encoders, sampling, 1), first):
        utterance = recording.utterances[index]
        if index >= len(moments):
            moment = _moment(predictor, embedded, utterance, has_text, without, list(before))
            failed += moment.prediction is None
            moments.append(moment)
            on_moment(index, moment)
        if embedded.embeddings is not None:
            embeddings = embedded.embeddings
            before.append(ContextClip(utterance.text, embeddings.vision, embeddings.audio))
        is_last = index == len(recording.utterances) - 1
        done_s = total_s if is_last else min(int(utterance.end_s), total_s - 1)
        on_progress(stage, done_s, total_s, failed)

    return Timeline(
        str(video),
        recording.duration_s,
        info.task,
        info.model.modalities,
        predictor.run,
        info.dataset,
        tuple(moments),
        _remarks(predictor, recording, without),
        key,
    )


def _remarks(predictor: Predictor, recording: Recording, without: Sequence[str]) -> tuple[str, ...]:
    """Remarks on the whole recording and on the model."""
    info = predictor.trained.info
    remarks = [*recording.notes, *stream_notes(info.streams)]
    remarks += absent_notes(absent_modalities(info, without))
    trust = predictor.trust
    remarks += [NO_TRUST] if trust is None else trust.notes(info.task)
    if info.model.clips_before:
        remarks.append(f"each utterance is predicted after the {info.model.clips_before} before it")
    return tuple(remarks)


def _first_of_context(moments: Sequence[Moment], clips_before: int) -> int:
    """The first finished utterance that must be encoded again, as context of the next one."""
    first = len(moments)
    while first > 0 and clips_before > 0:
        first -= 1
        if moments[first].prediction is not None:
            clips_before -= 1
    return first


def clip_of_moment(path: Path, index: int, moment: Moment | Utterance) -> Clip:
    """One utterance of a recording as a clip."""
    clip_id = f"{path.stem}#{index + 1:04d}"
    return Clip(clip_id, path, moment.start_s, moment.end_s, moment.text or "")


def _cut(path: Path, options: TimelineOptions, on_progress: ProgressFn) -> Recording:
    """The utterances of a recording; parts of equal length if nobody is heard in it."""
    length = media_lengths([path], 1).get(path)
    if length is not None and not length.has_audio:
        return _parts(length.seconds, "the file has no audio track")
    activity = options.activity or open_activity("auto")
    try:
        recording = segment_recording(
            path,
            activity,
            options.limits,
            on_progress,
            transcript=options.transcript,
            recogniser=options.recogniser,
            turns=options.turns,
        )
    except NobodySpeaks as error:
        if length is None:
            raise PredictError(f"{path}: {error}") from None
        return _parts(length.seconds, str(error))
    except DecodeError as error:
        raise PredictError(f"{path}: {error}") from None
    notes = (f"utterances cut by {activity.name}", *recording.notes)
    return Recording(recording.duration_s, recording.utterances, notes)


def _parts(seconds: float, reason: str) -> Recording:
    """The whole recording in parts of equal length."""
    count = max(1, math.ceil(seconds / PART_S))
    each_s = seconds / count
    parts: list[Utterance] = []
    for number in range(count):
        parts.append(Utterance(round(number * each_s, 3), round((number + 1) * each_s, 3)))
    note = f"{reason}: it was cut into {count} parts of {each_s:.1f} s, not into utterances"
    return Recording(seconds, tuple(parts), (note,))


def _moment(
    predictor: Predictor,
    embedded: EmbeddedClip,
    utterance: Utterance,
    has_text: bool,
    without: Sequence[str],
    before: Sequence[ContextClip],
) -> Moment:
    result = predictor.predict_embedded(embedded, without, before)
    return Moment(
        utterance.start_s,
        utterance.end_s,
        utterance.text if has_text else None,
        utterance.speaker or None,
        _words_within(utterance),
        None if isinstance(result, Failure) else result,
        None if embedded.frame is None else thumbnail(embedded.frame),
        (result.reason,) if isinstance(result, Failure) else result.notes,
    )


def _words_within(utterance: Utterance) -> tuple[SpokenWord, ...]:
    """The words with their times, cut to those of the utterance: estimated ones may lie outside."""
    words: list[SpokenWord] = []
    for word in utterance.words:
        start_s = min(max(word.start_s, utterance.start_s), utterance.end_s)
        end_s = min(max(word.end_s, start_s), utterance.end_s)
        words.append(SpokenWord(word.text, start_s, end_s))
    return tuple(words)


def thumbnail(frame: np.ndarray) -> bytes:
    """(H, W, 3) uint8 → a JPEG, 72 px high."""
    height, width = frame.shape[:2]
    size = (max(1, round(width * THUMBNAIL_HEIGHT_PX / height)), THUMBNAIL_HEIGHT_PX)
    image = Image.fromarray(frame).resize(size, Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=THUMBNAIL_QUALITY, optimize=True)
    return file.getvalue()
