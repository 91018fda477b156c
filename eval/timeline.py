"""Timeline: the predictions of one recording, utterance by utterance."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from semanticmac.core import Task
from semanticmac.eval.prediction import Prediction

FORMAT = "semanticmac time line 1"


class TimelineError(ValueError):
    """A text that is no time line; the message says what was expected."""


@dataclass(frozen=True)
class SpokenWord:
    """One word of a transcript, in seconds from the start of the recording."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Moment:
    """One utterance of a recording. The times are seconds from the start of the recording."""

    start_s: float
    end_s: float
    text: str | None = None  # None: no transcript
    speaker: str | None = None  # None: not known
    words: tuple[SpokenWord, ...] = ()  # empty: the times of the words are not known
    prediction: Prediction | None = None  # None: it failed, and the first remark says why
    thumbnail: bytes | None = None  # a small JPEG; None: no video track
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Timeline:
    """The utterances of one recording in order of time, with the predictions of one model."""

    video: str  # path of the file, as it was given
    seconds: float  # length of the recording
    task: Task
    modalities: tuple[str, ...]  # that the model reads
    run: str  # name of the run folder
    dataset: str  # that the model was trained on
    moments: tuple[Moment, ...]
    remarks: tuple[str, ...] = ()  # about the whole recording
    key: str = ""  # identifies everything that it depends on; empty: not known

    @property
    def failed(self) -> int:
        """How many utterances have no prediction."""
        return sum(moment.prediction is None for moment in self.moments)

    def to_json(self) -> str:
        """The time line as JSON, in ASCII; `from_json` reads it. Thumbnails are base64."""
        moments = [moment_fields(moment) for moment in self.moments]
        content = {
            "format": FORMAT,
            "video": self.video,
            "seconds": self.seconds,
            "task": self.task.to_dict(),
            "modalities": self.modalities,
            "run": self.run,
            "dataset": self.dataset,
            "key": self.key,
            "remarks": self.remarks,
            "moments": moments,
        }
        return json.dumps(content, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Timeline:
        """Raises TimelineError for a text that `to_json` did not write."""
        try:
            content = json.loads(text)
            if content["format"] != FORMAT:
                raise TimelineError(f"expected the format {FORMAT!r}, not {content['format']!r}")
            task = Task.from_dict(content["task"])
            moments = [moment_from(fields, task) for fields in content["moments"]]
            return cls(
                str(content["video"]),
                float(content["seconds"]),
                task,
                tuple(content["modalities"]),
                str(content["run"]),
                str(content["dataset"]),
                tuple(moments),
                tuple(content["remarks"]),
                str(content["key"]),
            )
        except TimelineError:
            raise
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TimelineError(
                f"this is no time line that `predict --timeline` wrote "
                f"({type(error).__name__}: {error})"
            ) from None


def moment_fields(moment: Moment) -> dict[str, Any]:
    """One utterance as JSON values; `moment_from` reads them.

    `prediction` holds the words for people and the probabilities too. They follow from the outputs
    and are not read back.
    """
    fields: dict[str, Any] = {
        "start_s": moment.start_s,
        "end_s": moment.end_s,
        "text": moment.text,
        "speaker": moment.speaker,
        "words": [[word.text, word.start_s, word.end_s] for word in moment.words],
        "remarks": list(moment.remarks),
        "prediction": None,
        "thumbnail": None,
    }
    if moment.thumbnail is not None:
        fields["thumbnail"] = base64.b64encode(moment.thumbnail).decode("ascii")
    prediction = moment.prediction
    if prediction is not None:
        fields["prediction"] = {
            "clip": prediction.clip_id,
            "prediction": prediction.summary,
            "scores": prediction.outputs,
            "probabilities": prediction.probabilities,
            "intervals": prediction.intervals,
            "unusual": list(prediction.unusual),
            "temperature": prediction.temperature,
            "notes": list(prediction.notes),
        }
    return fields


def moment_from(fields: Mapping[str, Any], task: Task) -> Moment:
    """The utterance that `moment_fields` wrote. Raises ValueError, KeyError or TypeError."""
    words = [SpokenWord(text, start_s, end_s) for text, start_s, end_s in fields["words"]]
    thumbnail = fields["thumbnail"]
    prediction = fields["prediction"]
    return Moment(
        float(fields["start_s"]),
        float(fields["end_s"]),
        fields["text"],
        fields["speaker"],
        tuple(words),
        None if prediction is None else _prediction_from(prediction, task),
        None if thumbnail is None else base64.b64decode(thumbnail, validate=True),
        tuple(fields["remarks"]),
    )


def _prediction_from(fields: Mapping[str, Any], task: Task) -> Prediction:
    return Prediction(
        fields["clip"],
        task,
        dict(fields["scores"]),
        tuple(fields["notes"]),
        without_lists(fields["intervals"]),
        tuple(fields["unusual"]),
        fields["temperature"],
    )


def without_lists(value: Any) -> Any:
    """A JSON value with tuples in place of lists, at every depth."""
    if isinstance(value, list):
        return tuple(without_lists(item) for item in value)
    if isinstance(value, dict):
        return {key: without_lists(item) for key, item in value.items()}
    return value
