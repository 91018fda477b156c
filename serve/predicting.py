"""The prediction of one recording in the model process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from semanticmac.cache.atomic_io import atomic_write
from semanticmac.core import ProgressFn
from semanticmac.eval.timeline import Timeline
from semanticmac.inference import Predictor, encoder_requests, load
from semanticmac.preprocess.clip import DecodeError
from semanticmac.preprocess.decoding.decode import check_file
from semanticmac.preprocess.decoding.ffmpeg_probe import probe
from semanticmac.preprocess.decoding.length import media_lengths
from semanticmac.preprocess.decoding.small_copy import small_copy
from semanticmac.preprocess.encoders.protocol import Encoder
from semanticmac.preprocess.encoders.requests import EncoderRequest, open_encoders
from semanticmac.preprocess.speech.recognition import Recogniser, WhisperRecogniser
from semanticmac.preprocess.speech.recording import Recording, Utterance
from semanticmac.preprocess.speech.transcript_files import Transcript
from semanticmac.run.folder import RunInfo
from semanticmac.timeline.predict import StartedTimeline, TimelineOptions, predict_timeline


class RecordingRefused(Exception):
    """A recording cannot be predicted; the message says why, for the person who sent it."""


class Models:
    """The model that was used last, so that its next recording needs no loading.

    The encoders are the largest part. They stay when the next model reads the same ones.
    """

    def __init__(self, device: str, recogniser: str | None) -> None:
        self._device, self._recogniser_name = device, recogniser
        self._recogniser: Recogniser | None = None
        self._loaded: tuple[Path, float] | None = None  # folder, and when it was written
        self._predictor: Predictor | None = None
        self._requests: tuple[EncoderRequest, ...] = ()
        self._encoders: Sequence[Encoder] = ()

    def open_recogniser(self) -> Recogniser | None:
        """Writes down what is said; None if the server has none."""
        if self._recogniser is None and self._recogniser_name is not None:
            self._recogniser = WhisperRecogniser(self._recogniser_name, None, self._device)
        return self._recogniser

    def open(self, folder: Path) -> Predictor:
        """The model of a run. One that was trained again meanwhile is read again."""
        key = (folder, (folder / "run.json").stat().st_mtime)
        if self._predictor is not None and self._loaded == key:
            return self._predictor
        self._predictor = None
        requests = encoder_requests(RunInfo.read(folder).streams)
        if requests != self._requests:
            self._encoders = ()
            self._encoders = open_encoders(requests, self._device)
            self._requests = requests
        self._predictor = load(folder, encoders=self._encoders, device=self._device)
        self._loaded = key
        return self._predictor


def predict_recording(
    models: Models,
    run: Path,
    media: Path,
    *,
    name: str,
    text: str | None,
    without: Sequence[str],
    copy: Path | None,
    max_seconds: float,
    progress: ProgressFn,
) -> Timeline:
    """The time line of a recording. Raises RecordingRefused.

    copy: where to write a small copy that any browser plays; None: it plays the recording itself.
    """
    progress("reading the recording", 0, 1, 0)
    seconds = _length_s(media)
    if seconds is not None and seconds > max_seconds:
        raise RecordingRefused(
            f"the recording is {seconds / 60:.1f} minutes long, and this server takes up to "
            f"{max_seconds / 60:g}: cut it into parts"
        )
    progress("loading the model", 0, 1, 0)
    predictor = models.open(run)
    recogniser = None
    transcript = None
    if text is not None:
        transcript = Transcript((), " ".join(text.split()))
    else:
        recogniser = models.open_recogniser()
    options = TimelineOptions(transcript=transcript, recogniser=recogniser)

    started = None
    if recogniser is None and seconds is not None and seconds <= options.limits.max_s:
        utterance = Utterance(0.0, seconds, "" if transcript is None else transcript.text)
        started = StartedTimeline(Recording(seconds, (utterance,)))

    def report(stage: str, done: int, total: int, failed: int) -> None:
        progress(stage.replace(f" {media.name}", " the recording"), done, total, failed)

    timeline = predict_timeline(
        media, predictor, options, without=without, started=started, on_progress=report
    )
    remarks = list(timeline.remarks)
    if transcript is not None and not any(moment.text for moment in timeline.moments):
        remarks.append("the transcript was not used: no speech was heard that it could belong to")
    if timeline.failed == len(timeline.moments):
        raise RecordingRefused(timeline.moments[0].remarks[0])
    if copy is not None:
        progress("making a copy for the player", 0, 1, 0)
        remarks += _write_copy(media, copy, timeline.seconds)
    return replace(timeline, video=name, remarks=tuple(remarks))


def _write_copy(media: Path, copy: Path, seconds: float) -> list[str]:
    """Writes the small copy; returns why there is none."""
    try:
        data = small_copy(media, seconds)
    except DecodeError as error:
        return [f"the recording cannot be played here: {error}"]
    with atomic_write(copy) as partial:
        partial.write_bytes(data)
    return []


def _length_s(media: Path) -> float | None:
    """The length of a recording; None where its header does not tell. Raises RecordingRefused."""
    check_file(media)
    # What is no recording is refused by the reason that the reader gives.
    probe(media)
    length = media_lengths([media], 1).get(media)
    return None if length is None else length.seconds
