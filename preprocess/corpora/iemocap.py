"""IEMOCAP: five sessions of two actors in one frame; six emotions by utterance, in dialogues."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from semanticmac.core import Task
from semanticmac.preprocess.clip import Clip, Corpus, CorpusError, inside
from semanticmac.preprocess.corpora.notes import count_note
from semanticmac.preprocess.corpora.options import Options
from semanticmac.preprocess.corpora.splits import tenth_for_valid
from semanticmac.preprocess.corpora.tables import Row, read_text

TASK = Task("single-label", ("hap", "sad", "neu", "ang", "exc", "fru"))
SESSIONS = ("Session1", "Session2", "Session3", "Session4", "Session5")
TEST_SESSION = "Session5"

# Ses01F_impro01_M003: session, actor in the left half (F), dialogue, speaker (M), number.
UTTERANCE = re.compile(r"(?P<dialogue>Ses\d\d(?P<left>[FM])_\w+)_(?P<speaker>[FM])\w+")
LABEL_LINE = re.compile(r"\[(?P<start>[^\]-]+)-(?P<end>[^\]-]+)\]\t(?P<id>\S+)\t(?P<label>\S+)\t\[")
TEXT_LINE = re.compile(r"(?P<id>Ses\w+) \[[^\]]*\]:(?P<text>.*)")


@dataclass(frozen=True)
class _Utterance:
    """One line of dialog/EmoEvaluation with its transcript."""

    clip_id: str
    dialogue: str
    start_s: float
    end_s: float
    label: str
    text: str | None  # None: it is not in the transcript
    speaker: str  # F or M
    left: str  # F or M: the actor in the left half of the frame


def read(root: Path, options: Options) -> Corpus:
    """The utterances of six emotions.

    Test is session 5; valid is a seeded tenth of the other dialogues.
    """
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
    dropped: Counter[str] = Counter()
    no_text: list[str] = []
    for session in SESSIONS:
        labelled: list[_Utterance] = []
        for utterance in utterances[session]:
            if utterance.label not in TASK.classes:
                dropped[utterance.label] += 1
                continue
            labelled.append(utterance)
            if utterance.text is None:
                no_text.append(utterance.clip_id)
        clips += _clips(root, base / session, labelled, valid)

    notes = [
        "valid is a seeded tenth of the dialogues of sessions 1–4, because the corpus names none"
    ]
    if dropped:
        counts = ", ".join(f"{count} {label}" for label, count in sorted(dropped.items()))
        notes.append(f"{dropped.total()} utterances of other classes are left out: {counts}")
    notes += count_note("utterance", "have", "no line in dialog/transcriptions", no_text)
    return Corpus("iemocap", TASK, tuple(clips), tuple(notes))


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
    root: Path, session: Path, utterances: Sequence[_Utterance], valid: set[str]
) -> list[Clip]:
    positions: Counter[str] = Counter()
    clips: list[Clip] = []
    for utterance in utterances:
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
                labels={"multimodal": utterance.label},
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
