"""Spans of time in a recording: where somebody speaks, from a probability of speech."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SAMPLE_RATE_HZ = 16_000
HOP_SAMPLES = 512
HOP_S = HOP_SAMPLES / SAMPLE_RATE_HZ  # 32 ms, one value of the probability of speech

STARTS_AT = 0.5  # speech begins at this probability …
ENDS_BELOW = 0.35  # … and ends below this one, if it stays there for `min_silence_s`
SMOOTHING_HOPS = 7  # 0.2 s, over which the quietest place of a long span is looked for


@dataclass(frozen=True)
class Span:
    """A stretch of a recording, in seconds from its start."""

    start_s: float
    end_s: float

    @property
    def length_s(self) -> float:
        return self.end_s - self.start_s

    def overlap_s(self, other: Span) -> float:
        """How long both last at the same time; 0 if they do not meet."""
        return max(0.0, min(self.end_s, other.end_s) - max(self.start_s, other.start_s))


@dataclass(frozen=True)
class SpanLimits:
    """The lengths of utterances and of the silence between them, in seconds.

    Raises ValueError for lengths that no recording can satisfy.
    """

    min_s: float = 1.0
    max_s: float = 15.0
    min_silence_s: float = 0.3
    # Shorter bursts are clicks and coughs, not speech.
    min_speech_s: float = 0.2
    # Kept before and after the speech, so that no soft sound is cut off.
    padding_s: float = 0.15

    def __post_init__(self) -> None:
        if not 0 < self.min_s <= self.max_s / 2:
            raise ValueError(
                f"utterances of {self.min_s:g} to {self.max_s:g} s are not possible: "
                "the longest must be at least twice the shortest, and both above 0"
            )
        if self.min_silence_s < HOP_S:
            raise ValueError(
                f"a silence of {self.min_silence_s:g} s cannot be measured: "
                f"give at least {HOP_S:g} s"
            )


def speech_spans(speech: np.ndarray, limits: SpanLimits) -> list[Span]:
    """The spans in which somebody speaks, in order and without overlap.

    speech: (n,) probability of speech in each 32 ms. A span lasts `min_s` to `max_s`: longer speech
    is cut where it is quietest, and shorter speech is joined with its neighbour or widened. A
    recording that is itself shorter than `min_s` gives a shorter span.
    """
    duration_s = len(speech) * HOP_S
    raw = [span for span in _runs(speech, limits) if span.length_s >= limits.min_speech_s]
    padded = _pad(raw, limits.padding_s, duration_s)
    joined = join_short(padded, limits)
    cut: list[Span] = []
    for span in joined:
        cut += _cut_long(span, speech, limits)
    return _widen_short(cut, limits.min_s, duration_s)


def join_short(spans: list[Span], limits: SpanLimits) -> list[Span]:
    """Joins a span that is shorter than `min_s` with the nearer neighbour.

    Only a neighbour at most `min_s` away is taken, and only while both together stay within
    `max_s`.
    """
    spans = list(spans)
    index = 0
    while index < len(spans):
        if spans[index].length_s >= limits.min_s:
            index += 1
            continue
        neighbour = _nearer_neighbour(spans, index, limits)
        if neighbour is None:
            index += 1
            continue
        first = min(index, neighbour)
        spans[first : first + 2] = [Span(spans[first].start_s, spans[first + 1].end_s)]
        index = max(0, first)
    return spans


def _nearer_neighbour(spans: list[Span], index: int, limits: SpanLimits) -> int | None:
    best, best_gap_s = None, limits.min_s
    for other in (index - 1, index + 1):
        if not 0 <= other < len(spans):
            continue
        first, second = sorted((spans[index], spans[other]), key=lambda span: span.start_s)
        gap_s = second.start_s - first.end_s
        if gap_s <= best_gap_s and second.end_s - first.start_s <= limits.max_s:
            best, best_gap_s = other, gap_s
    return best


def _runs(speech: np.ndarray, limits: SpanLimits) -> list[Span]:
    """Speech between two silences, with hysteresis."""
    silence_hops = max(1, round(limits.min_silence_s / HOP_S))
    spans: list[Span] = []
    start: int | None = None
    silent = 0
    for hop, probability in enumerate(speech):
        if start is None:
            if probability >= STARTS_AT:
                start, silent = hop, 0
            continue
        silent = silent + 1 if probability < ENDS_BELOW else 0
        if silent == silence_hops:
            spans.append(Span(start * HOP_S, (hop + 1 - silent) * HOP_S))
            start = None
    if start is not None:
        spans.append(Span(start * HOP_S, (len(speech) - silent) * HOP_S))
    return spans


def _pad(spans: list[Span], padding_s: float, duration_s: float) -> list[Span]:
    """Every span with padding on both sides; two neighbours share the silence between them."""
    padded: list[Span] = []
    for index, span in enumerate(spans):
        before_s = span.start_s
        if index:
            before_s = (span.start_s - spans[index - 1].end_s) / 2
        after_s = duration_s - span.end_s
        if index + 1 < len(spans):
            after_s = (spans[index + 1].start_s - span.end_s) / 2
        padded.append(
            Span(span.start_s - min(padding_s, before_s), span.end_s + min(padding_s, after_s))
        )
    return padded


def _cut_long(span: Span, speech: np.ndarray, limits: SpanLimits) -> list[Span]:
    """Cuts a span of more than `max_s` at its quietest places, until all parts are short enough."""
    if span.length_s <= limits.max_s:
        return [span]
    at_s = _quietest_s(span, speech, limits)
    before, after = Span(span.start_s, at_s), Span(at_s, span.end_s)
    return _cut_long(before, speech, limits) + _cut_long(after, speech, limits)


def _quietest_s(span: Span, speech: np.ndarray, limits: SpanLimits) -> float:
    """Where to cut: in the middle half of the span, so that the parts do not get tiny."""
    margin_s = max(limits.min_s, span.length_s / 4)
    first = round((span.start_s + margin_s) / HOP_S)
    last = max(first + 1, round((span.end_s - margin_s) / HOP_S))
    kernel = np.full(SMOOTHING_HOPS, 1 / SMOOTHING_HOPS)
    smooth = np.convolve(speech, kernel, mode="same")
    # Of equally quiet places the one next to the middle.
    middle = (first + last) / 2
    places = np.arange(first, min(last, len(smooth)))
    order = np.lexsort((np.abs(places - middle), np.round(smooth[places], 3)))
    return float((places[order[0]] + 0.5) * HOP_S)


def _widen_short(spans: list[Span], min_s: float, duration_s: float) -> list[Span]:
    """Takes silence from both sides of a short span until it lasts `min_s`."""
    widened: list[Span] = []
    for index, span in enumerate(spans):
        lack_s = min_s - span.length_s
        if lack_s > 0:
            earliest_s = widened[-1].end_s if widened else 0.0
            latest_s = spans[index + 1].start_s if index + 1 < len(spans) else duration_s
            start_s = max(earliest_s, span.start_s - lack_s / 2)
            end_s = min(latest_s, start_s + min_s)
            start_s = max(earliest_s, end_s - min_s)
            span = Span(min(start_s, span.start_s), max(end_s, span.end_s))
        widened.append(span)
    return widened
