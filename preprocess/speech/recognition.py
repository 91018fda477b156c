"""Speech recognition: audio → words with times. Engines are behind one protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from semanticmac.hub import is_offline
from semanticmac.preprocess.speech.spans import SAMPLE_RATE_HZ, Span
from semanticmac.preprocess.speech.words import Word

# Whisper reads 30 s at once. Neighbouring utterances share one reading.
BLOCK_S = 28.0


class Recogniser(Protocol):
    """A program that writes down what is said."""

    name: str  # for the user: engine, model, language

    def begin(self) -> None:
        """Called before each recording: its language may differ from the last one's."""

    def words(self, waveform: np.ndarray) -> list[Word]:
        """(N,) int16, 16 kHz mono, at most 28 s → its words; times from the waveform's start."""


class RecognitionError(Exception):
    """The recogniser cannot be used; the message says what to install or to give."""


def transcribe(
    recogniser: Recogniser, waveform: np.ndarray, spans: Sequence[Span]
) -> Iterator[list[Word]]:
    """The words of each block of utterances, with times from the recording's start.

    waveform: (N,) int16, 16 kHz mono, the whole recording.
    """
    recogniser.begin()
    for block in blocks(spans):
        first = round(block.start_s * SAMPLE_RATE_HZ)
        last = round(block.end_s * SAMPLE_RATE_HZ)
        words: list[Word] = []
        for word in recogniser.words(waveform[first:last]):
            words.append(Word(word.text, word.start_s + block.start_s, word.end_s + block.start_s))
        yield words


def blocks(spans: Sequence[Span]) -> list[Span]:
    """Stretches of at most 28 s that hold whole utterances."""
    stretches: list[Span] = []
    for span in spans:
        if stretches and span.end_s - stretches[-1].start_s <= BLOCK_S:
            stretches[-1] = Span(stretches[-1].start_s, span.end_s)
        else:
            stretches.append(span)
    return stretches


class WhisperRecogniser:
    """Whisper by faster-whisper, from a folder or a model of the hub.

    The language is detected on the first block with speech, unless it is given.
    """

    def __init__(self, model: str, language: str | None, device: str) -> None:
        """model: base, small, large-v3 … or a folder of a converted model.

        Raises RecognitionError if faster-whisper is not installed or the model cannot be loaded.
        """
        if find_spec("faster_whisper") is None:
            raise RecognitionError(
                "--asr needs faster-whisper, which is not installed: "
                "run `pip install 'semanticmac[transcribe]'`"
            )
        self._model = _load_whisper(model, device)
        self._given = language
        self._language = language
        self.name = f"Whisper {Path(model).name}"

    def begin(self) -> None:
        self._language = self._given

    def words(self, waveform: np.ndarray) -> list[Word]:
        samples = (waveform / 32768.0).astype(np.float32)
        if self._language is None:
            self._language = self._model.detect_language(samples)[0]
        segments, _ = self._model.transcribe(
            samples,
            language=self._language,
            word_timestamps=True,
            vad_filter=False,
            condition_on_previous_text=False,
        )
        words: list[Word] = []
        for segment in segments:
            for word in segment.words or ():
                words.append(Word(word.word.strip(), float(word.start), float(word.end)))
        return words


def _load_whisper(model: str, device: str) -> Any:
    from faster_whisper import WhisperModel

    kind = "cuda" if device.startswith("cuda") else device
    try:
        return WhisperModel(model, device=kind, local_files_only=is_offline())
    except Exception as error:  # of ctranslate2, tokenizers and the hub: no common class
        line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RecognitionError(
            f"the Whisper model {model!r} cannot be loaded: {line}. Give the folder of a model "
            "that is converted for faster-whisper, or a name such as base, small or large-v3 "
            "with a network"
        ) from None
