"""The prediction of one recording in the model process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from semanticmac.cache.failures import Failure
from semanticmac.core import ProgressFn
from semanticmac.eval.timeline import Moment, Timeline
from semanticmac.inference import Predictor, encoder_requests, load
from semanticmac.preprocess.clip import Clip
from semanticmac.preprocess.decoding.decode import check_file
from semanticmac.preprocess.decoding.ffmpeg_probe import probe
from semanticmac.preprocess.encoders.protocol import Encoder
from semanticmac.preprocess.encoders.requests import EncoderRequest, open_encoders
from semanticmac.run.folder import RunInfo


class RecordingRefused(Exception):
    """A recording cannot be predicted; the message says why, for the person who sent it."""


class Models:
    """The model that was used last, so that its next recording needs no loading.

    The encoders are the largest part. They stay when the next model reads the same ones.
    """

    def __init__(self, device: str, recogniser: str | None) -> None:
        self._device, self.recogniser = device, recogniser
        self._loaded: tuple[Path, float] | None = None  # folder, and when it was written
        self._predictor: Predictor | None = None
        self._requests: tuple[EncoderRequest, ...] = ()
        self._encoders: Sequence[Encoder] = ()

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
    decoders: int,
    max_seconds: float,
    progress: ProgressFn,
) -> Timeline:
    """The time line of a recording. Raises RecordingRefused."""
    progress("reading the recording", 0, 1, 0)
    check_file(media)
    seconds = probe(media).duration_s or 0.0
    if seconds > max_seconds:
        raise RecordingRefused(
            f"the recording is {seconds / 60:.1f} minutes long, and this server takes up to "
            f"{max_seconds / 60:g}: cut it into parts"
        )
    progress("loading the model", 0, 1, 0)
    predictor = models.open(run)
    info = predictor.trained.info
    progress("predicting", 0, 1, 0)
    clip = Clip(name, media, text=text or "")
    [result] = predictor.predict_clips([clip], without, decoders)
    if isinstance(result, Failure):
        raise RecordingRefused(result.reason)
    progress("predicting", 1, 1, 0)
    moment = Moment(0.0, seconds, text, prediction=result, remarks=result.notes)
    return Timeline(
        name, seconds, info.task, info.model.modalities, run.name, info.dataset, (moment,)
    )
