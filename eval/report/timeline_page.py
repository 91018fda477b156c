"""render_timeline: a time line as one HTML page that needs no network and no other file."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from semanticmac.cache.atomic_io import as_text
from semanticmac.core import MODALITIES
from semanticmac.eval.disagreement import RULE_CLASSES, RULE_SCORES, disagreement
from semanticmac.eval.prediction import Prediction
from semanticmac.eval.report.formatting import interval_text, score_text
from semanticmac.eval.report.template import TEMPLATES, render_template
from semanticmac.eval.report.timeline_charts import bounds_of, charts, is_dense, speakers_of
from semanticmac.eval.report.timeline_shapes import (
    HEIGHT,
    WIDTH,
    Chart,
    clock,
    colour_class,
    time_ticks,
)
from semanticmac.eval.timeline import Moment, Timeline

# A remark on more than this share of the utterances stands once, above all of them.
COMMON_SHARE = 0.5
DATA_URL = "data:"

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Word:
    """A word of a transcript; start_s is empty if its time is not known."""

    text: str
    start_s: str


@dataclass(frozen=True)
class Entry:
    """One utterance of the transcript."""

    start_s: float
    end_s: float
    clock: str
    words: tuple[Word, ...]
    no_text: str  # what stands in place of the words; empty if there are any
    speaker: str
    speaker_colour: str
    thumbnail: str  # data URL; empty without one
    summary: str
    details: Pairs  # interval and single modalities
    flags: Pairs  # (kind, text): disagree, unusual, failed
    remarks: tuple[str, ...]

    @property
    def kinds(self) -> str:
        """The kinds of its flags, for the filter of the page."""
        return " ".join(kind for kind, _ in self.flags)


@dataclass(frozen=True)
class Filter:
    """A choice of utterances to show."""

    kind: str
    label: str
    count: int


@dataclass(frozen=True)
class TimelinePage:
    """Everything that the template reads; the template computes nothing."""

    title: str
    subtitle: str
    facts: Pairs
    remarks: tuple[str, ...]
    charts: tuple[Chart, ...]
    legend: Pairs  # (CSS class, name) of curves, which can be hidden
    colours: Pairs  # (CSS class, name) of classes
    has_band: bool
    is_dense: bool
    ticks: tuple[tuple[float, str], ...]
    entries: tuple[Entry, ...]
    filters: tuple[Filter, ...]
    rule: str  # when modalities count as disagreeing
    seconds: float
    video_url: str  # empty: no video, or an embedded one
    video_data: str  # base64 of an embedded video
    video_type: str
    has_player: bool
    script: str
    policy: str  # Content-Security-Policy
    width: float = WIDTH
    height: float = HEIGHT


def render_timeline(timeline: Timeline, *, video_url: str | None) -> str:
    """The page of a time line.

    video_url: an address of the video, relative or absolute, or a `data:` URL, which embeds it;
    None: the page has no player. All texts are escaped. Raises ImportError without Jinja2.
    """
    return render_template("timeline.html", timeline_page(timeline, video_url))


def timeline_page(timeline: Timeline, video_url: str | None) -> TimelinePage:
    """The content of the page."""
    common = common_remarks(timeline.moments)
    speakers = speakers_of(timeline)
    entries = tuple(_entry(moment, speakers, common) for moment in timeline.moments)
    drawn = tuple(charts(timeline))
    script = (TEMPLATES / "timeline.js").read_text(encoding="utf-8")
    url, kind, data = video_url or "", "", ""
    if url.startswith(DATA_URL):
        kind, _, data = url.removeprefix(DATA_URL).partition(";base64,")
        url = ""
    return TimelinePage(
        title=as_text(timeline.video.rsplit("/", 1)[-1]),
        subtitle=f"Model {timeline.run}, trained on {timeline.dataset}",
        facts=_facts(timeline, entries),
        remarks=(*timeline.remarks, *common_notes(common, len(entries))),
        charts=drawn,
        legend=_legend(drawn),
        colours=_colours(timeline),
        has_band=any(chart.band for chart in drawn),
        is_dense=is_dense(timeline),
        ticks=tuple(time_ticks(timeline.seconds)),
        entries=entries,
        filters=_filters(entries),
        rule=RULE_CLASSES if timeline.task.classes else RULE_SCORES,
        seconds=timeline.seconds,
        video_url=url,
        video_data=data,
        video_type=kind,
        has_player=video_url is not None,
        script=script,
        policy=page_policy(script),
    )


def page_policy(script: str) -> str:
    """The Content-Security-Policy: this one script, and nothing from a network."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data:; media-src 'self' file: blob:; base-uri 'none'; form-action 'none'"
    )


def _entry(moment: Moment, speakers: Sequence[str], common: Counter[str]) -> Entry:
    prediction = moment.prediction
    remarks = [remark for remark in moment.remarks if remark not in common]
    speaker = moment.speaker or ""
    words = _words(moment)
    no_text = ""
    if not words:
        no_text = "no transcript" if moment.text is None else "no words"
    thumbnail = ""
    if moment.thumbnail is not None:
        thumbnail = "data:image/jpeg;base64," + base64.b64encode(moment.thumbnail).decode("ascii")
    return Entry(
        moment.start_s,
        moment.end_s,
        clock(moment.start_s),
        words,
        no_text,
        speaker,
        colour_class(speakers.index(speaker)) if speaker else "",
        thumbnail,
        "no prediction" if prediction is None else prediction.summary,
        () if prediction is None else _details(prediction),
        _flags(prediction),
        tuple(remarks),
    )


def _words(moment: Moment) -> tuple[Word, ...]:
    """The words with their times, or the text without times where the words do not make it up."""
    text = moment.text or ""
    if moment.words and " ".join(word.text for word in moment.words).split() == text.split():
        return tuple(Word(word.text, f"{word.start_s:.2f}") for word in moment.words)
    return (Word(text, ""),) if text.strip() else ()


def _details(prediction: Prediction) -> Pairs:
    """The intervals, and the prediction of each modality alone."""
    details: list[tuple[str, str]] = []
    dimensions = prediction.task.dimensions
    for index, dimension in enumerate(dimensions):
        bounds = bounds_of(prediction, index)
        if bounds is not None:
            label = "90 % interval" if len(dimensions) == 1 else f"{dimension.name}, 90 % interval"
            details.append((label, interval_text(bounds, dimension)))
    for modality in MODALITIES:
        if modality in prediction.outputs:
            details.append((modality, prediction.describe(modality)))
    return tuple(details)


def _flags(prediction: Prediction | None) -> Pairs:
    if prediction is None:
        return (("failed", "no prediction"),)
    flags: list[tuple[str, str]] = []
    pair = disagreement(prediction)
    if pair is not None:
        flags.append(("disagree", f"{pair[0]} and {pair[1]} disagree"))
    if prediction.unusual:
        flags.append(("unusual", f"unlike training: {' and '.join(prediction.unusual)}"))
    return tuple(flags)


def common_remarks(moments: Sequence[Moment]) -> Counter[str]:
    """The remarks that most utterances share, with how many have them."""
    counts: Counter[str] = Counter()
    for moment in moments:
        counts.update(set(moment.remarks))
    common: Counter[str] = Counter()
    for remark, count in counts.items():
        if count > 1 and count > COMMON_SHARE * len(moments):
            common[remark] = count
    return common


def common_notes(common: Counter[str], total: int) -> list[str]:
    """The shared remarks, each with the number of utterances that have it."""
    notes: list[str] = []
    for remark, count in common.items():
        share = f"all {total}" if count == total else f"{count} of {total}"
        notes.append(f"{remark} ({share} utterances)")
    return notes


def _facts(timeline: Timeline, entries: Sequence[Entry]) -> Pairs:
    facts = [("length", clock(round(timeline.seconds))), ("utterances", str(len(entries)))]
    facts += _averages(timeline)
    speakers = speakers_of(timeline)
    if speakers:
        facts.append(("speakers", str(len(speakers))))
    return tuple(facts)


def _averages(timeline: Timeline) -> list[tuple[str, str]]:
    """The mean of each score, or the class that is most probable on average, over the speech."""
    total_s = 0.0
    sums = [0.0] * max(len(timeline.task.dimensions), len(timeline.task.classes))
    for moment in timeline.moments:
        prediction = moment.prediction
        if prediction is None:
            continue
        outputs = prediction.outputs
        if timeline.task.classes:
            outputs = prediction.probabilities
        values = outputs["multimodal"]
        assert values is not None
        length_s = moment.end_s - moment.start_s
        total_s += length_s
        for index, value in enumerate(values):
            sums[index] += value * length_s
    if not total_s:
        return []
    means = [total / total_s for total in sums]
    if timeline.task.classes:
        top = max(range(len(means)), key=means.__getitem__)
        return [("mean probability", f"{timeline.task.classes[top]} {means[top]:.0%}")]
    facts: list[tuple[str, str]] = []
    for dimension, mean in zip(timeline.task.dimensions, means, strict=True):
        facts.append((f"mean {dimension.name}", score_text(mean, dimension)))
    return facts


def _legend(drawn: Sequence[Chart]) -> Pairs:
    entries: dict[str, str] = {}
    for chart in drawn:
        for curve in chart.curves:
            entries[curve.css_class] = curve.name
    return tuple(entries.items())


def _colours(timeline: Timeline) -> Pairs:
    if timeline.task.kind == "multi-label":
        return ()  # each class has a row of its own, with its name
    colours: list[tuple[str, str]] = []
    for index, name in enumerate(timeline.task.classes):
        colours.append((colour_class(index), name))
    return tuple(colours)


def _filters(entries: Sequence[Entry]) -> tuple[Filter, ...]:
    counts: Counter[str] = Counter()
    for entry in entries:
        counts.update({kind for kind, _ in entry.flags})
    labels = {
        "disagree": "modalities disagree",
        "unusual": "unlike training",
        "failed": "no prediction",
    }
    filters = [Filter("", "all", len(entries))]
    for kind, label in labels.items():
        if counts[kind]:
            filters.append(Filter(kind, label, counts[kind]))
    return tuple(filters)
