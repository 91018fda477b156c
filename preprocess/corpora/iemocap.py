"""IEMOCAP: five sessions of two actors in one frame; emotions or affect scores by utterance."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from semanticmac.core import Dimension, Label, Task
from semanticmac.preprocess.clip import Clip, Corpus, CorpusError, inside
from semanticmac.preprocess.corpora.notes import count_note
from semanticmac.preprocess.corpora.options import Options
from semanticmac.preprocess.corpora.splits import tenth_for_valid
from semanticmac.preprocess.corpora.tables import Row, read_text

TASK = Task("single-label", ("hap", "sad", "neu", "ang", "exc", "fru"))
# The scales of the annotators' manikins.
DIMENSIONS = Task(
    "regression",
    dimensions=(
        Dimension("valence", 1.0, 5.0),
        Dimension("arousal", 1.0, 5.0),
        Dimension("dominance", 1.0, 5.0),
    ),
)
SESSIONS = ("Session1", "Session2", "Session3", "Session4", "Session5")
TEST_SESSION = "Session5"

# Ses01F_impro01_M003: session, actor in the left half (F), dialogue, speaker (M), number.
UTTERANCE = re.compile(r"(?P<dialogue>Ses\d\d(?P<left>[FM])_\w+)_(?P<speaker>[FM])\w+")
LABEL_LINE = re.compile(
    r"\[(?P<start>[^\]-]+)-(?P<end>[^\]-]+)\]\t(?P<id>\S+)\t(?P<label>\S+)\t\[(?P<scores>[^\]]*)"
)
TEXT_LINE = re.compile(r"(?P<id>Ses\w+) \[[^\]]*\]:(?P<text>.*)")


@dataclass(frozen=True)
class _Utterance:
    """One line of dialog/EmoEvaluation with its transcript."""

    clip_id: str
    dialogue: str
    start_s: float
    end_s: float
    label: str
    scores: str  # valence, arousal and dominance, as they are written
    row: Row  # its line, for error messages
    text: str | None  # None: it is not in the transcript
    speaker: str  # F or M
    left: str  # F or M: the actor in the left half of the frame


def read(root: Path, options: Options) -> Corpus:
    """The utterances of six emotions."""
    dropped: Counter[str] = Counter()

    def label_of(utterance: _Utterance) -> Label | None:
        if utterance.label in TASK.classes:
            return utterance.label
        dropped[utterance.label] += 1
        return None

    corpus = _read("iemocap", TASK, root, label_of)
    if not dropped:
        return corpus
    counts = ", ".join(f"{count} {label}" for label, count in sorted(dropped.items()))
    note = f"{dropped.total()} utterances of other classes are left out: {counts}"
    return replace(corpus, notes=(*corpus.notes, note))


def read_dimensions(root: Path, options: Options) -> Corpus:
    """Every utterance with its valence, arousal and dominance, in the splits of `read`.

    A score outside its scale counts as not annotated, and a note names the utterance.
    """
    outside: list[str] = []

    def label_of(utterance: _Utterance) -> Label | None:
        scores = _parse_scores(utterance)
        if None in scores:
            outside.append(utterance.clip_id)
        return scores if any(score is not None for score in scores) else None

    corpus = _read("iemocap-dimensions", DIMENSIONS, root, label_of)
    problem = "a score outside 1 … 5, which counts as not annotated"
    notes = count_note("utterance", "have", problem, outside)
    return replace(corpus, notes=(*corpus.notes, *notes))


def _parse_scores(utterance: _Utterance) -> tuple[float | None, ...]:
    """The scores in the order of DIMENSIONS, None for one outside its scale.

    Raises CorpusError with file and line where there are not three numbers.
    """
    cells = utterance.scores.split(",")
    if len(cells) != DIMENSIONS.width:
        raise utterance.row.error(
            f"the scores of {utterance.clip_id} are [{utterance.scores}]; expected three numbers, "
            "[valence, arousal, dominance]"
        )
    scores: list[float | None] = []
    for cell, dimension in zip(cells, DIMENSIONS.dimensions, strict=True):
        score = utterance.row.parse_number(cell, f"the {dimension.name}")
        inside = dimension.low <= score <= dimension.high
        scores.append(score if inside else None)
    return tuple(scores)


def _read(
    name: str, task: Task, root: Path, label_of: Callable[[_Utterance], Label | None]
) -> Corpus:
    """The utterances that get a label. Test is session 5, valid a tenth of the other dialogues."""
    base = _find_base(root)
    utterances: dict[str, list[_Utterance]] = {}
    dialogues: list[str] = []
    for session in SESSIONS:
        utterances[session] = _read_session(base / session)
        for utterance in utterances[session]:
            if session != TEST_SESSION:
                dialogues.append(utterance.dialogue)
    valid = tenth_for_valid(dialogues)

    clips: list[Clip] = []
    no_text: list[str] = []
    for session in SESSIONS:
        labelled: list[tuple[_Utterance, Label]] = []
        for utterance in utterances[session]:
            label = label_of(utterance)
            if label is None:
                continue
            labelled.append((utterance, label))
            if utterance.text is None:
                no_text.append(utterance.clip_id)
        clips += _clips(root, base / session, labelled, valid)

    notes = [
        "valid is a seeded tenth of the dialogues of sessions 1–4, because the corpus names none"
    ]
    notes += count_note("utterance", "have", "no line in dialog/transcriptions", no_text)
    return Corpus(name, task, tuple(clips), tuple(notes))


def _find_base(root: Path) -> Path:
    """The folder of the five sessions. Raises CorpusError if any of them is missing."""
    for base in (root, root / "IEMOCAP_full_release"):
        if (base / SESSIONS[0]).is_dir():
            break
    else:
        raise CorpusError(
            f"iemocap: no {SESSIONS[0]} in {root}; "
            f"expected {SESSIONS[0]} … {SESSIONS[-1]}, as downloaded"
        )
    missing: list[str] = []
    for session in SESSIONS:
        if not (base / session / "dialog").is_dir():
            missing.append(f"{session}/dialog")
    if missing:
        raise CorpusError(f"iemocap: {base} lacks {', '.join(missing)}")
    return base


def _read_session(session: Path) -> list[_Utterance]:
    """The labelled utterances of one session, dialogue by dialogue, in order of time."""
    folder = session / "dialog" / "EmoEvaluation"
    # The download has macOS companions (`._Ses01F_impro01.txt`), which are not text files.
    paths = sorted(folder.glob("[!.]*.txt"))
    if not paths:
        raise CorpusError(f"iemocap: no <dialogue>.txt in {folder}")
    utterances: list[_Utterance] = []
    clip_ids: set[str] = set()
    for path in paths:
        texts = _read_transcript(session / "dialog" / "transcriptions" / path.name)
        dialogue: list[_Utterance] = []
        for number, line in enumerate(read_text(path).splitlines(), start=1):
            match = LABEL_LINE.match(line)
            if match is None:
                continue  # the header, a blank line, or the vote of one annotator
            row = Row(path, number, {})
            utterance = _parse_utterance(row, match, texts)
            if utterance.clip_id in clip_ids:
                raise row.error(f"the utterance {utterance.clip_id} appears twice")
            clip_ids.add(utterance.clip_id)
            dialogue.append(utterance)
        if not dialogue:
            raise CorpusError(
                f"{path}: no line `[start - end]<tab>utterance<tab>label<tab>[V, A, D]`"
            )
        dialogue.sort(key=lambda utterance: (utterance.start_s, utterance.end_s, utterance.clip_id))
        utterances += dialogue
    return utterances


def _parse_utterance(row: Row, line: re.Match[str], texts: dict[str, str]) -> _Utterance:
    clip_id = line["id"]
    match = UTTERANCE.fullmatch(clip_id)
    if match is None or match["dialogue"] != row.path.stem:
        raise row.error(f"the utterance {clip_id!r} is not one of the dialogue {row.path.stem}")
    start_s = row.parse_number(line["start"], "the start")
    end_s = row.parse_number(line["end"], "the end")
    if start_s < 0 or end_s <= start_s:
        raise row.error(f"the utterance runs from {start_s} s to {end_s} s")
    return _Utterance(
        clip_id,
        match["dialogue"],
        start_s,
        end_s,
        line["label"],
        line["scores"],
        row,
        texts.get(clip_id),
        match["speaker"],
        match["left"],
    )


def _read_transcript(path: Path) -> dict[str, str]:
    """The texts of one dialogue by utterance; none without a file."""
    texts: dict[str, str] = {}
    if path.is_file():
        for line in read_text(path).splitlines():
            if match := TEXT_LINE.match(line):
                texts[match["id"]] = match["text"].strip()
    return texts


def _clips(
    root: Path, session: Path, utterances: Sequence[tuple[_Utterance, Label]], valid: set[str]
) -> list[Clip]:
    positions: Counter[str] = Counter()
    clips: list[Clip] = []
    for utterance, label in utterances:
        dialogue = utterance.dialogue
        video = (session / "dialog" / "avi" / "DivX" / f"{dialogue}.avi").relative_to(root)
        split = "valid" if dialogue in valid else "train"
        clips.append(
            Clip(
                utterance.clip_id,
                inside(root, video.as_posix()),
                utterance.start_s,
                utterance.end_s,
                text=utterance.text or "",
                labels={"multimodal": label},
                split="test" if session.name == TEST_SESSION else split,
                dialogue=dialogue,
                position=positions[dialogue],
                # A session has one actor of each sex.
                speaker=f"{dialogue[:5]}{utterance.speaker}",
                crop="left" if utterance.speaker == utterance.left else "right",
            )
        )
        positions[dialogue] += 1
    return clips
