"""IEMOCAP: five sessions of two actors in one picture; six emotions, utterance by utterance, in dialogue order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from semanticmac.core import Task
from semanticmac.preprocess.clip import Clip, Corpus, CorpusError, inside
from semanticmac.preprocess.corpora.options import Options, some
from semanticmac.preprocess.corpora.splits import tenth_for_valid
from semanticmac.preprocess.corpora.tables import Row, read_text

TASK = Task("single-label", ("hap", "sad", "neu", "ang", "exc", "fru"))
SESSIONS = ("Session1", "Session2", "Session3", "Session4", "Session5")
TEST_SESSION = "Session5"

# Ses01F_impro01_M003: session, who stands in the left half (F), dialogue, who speaks (M), number.
UTTERANCE = re.compile(r"(?P<dialogue>Ses\d\d(?P<left>[FM])_\w+)_(?P<speaker>[FM])\w+")
LABEL_LINE = re.compile(r"\[(?P<start>[^\]-]+)-(?P<end>[^\]-]+)\]\t(?P<id>\S+)\t(?P<label>\S+)\t\[")
TEXT_LINE = re.compile(r"(?P<id>Ses\w+) \[[^\]]*\]:(?P<text>.*)")


def read(root: Path, options: Options) -> Corpus:
    """The utterances of six emotions; test is session 5, valid a seeded tenth of the other dialogues."""
    base = next(
        (base for base in (root, root / "IEMOCAP_full_release") if (base / SESSIONS[0]).is_dir()),
        None,
    )
    if base is None:
        raise CorpusError(
            f"iemocap: no {SESSIONS[0]} in {root}; expected {SESSIONS[0]} … {SESSIONS[-1]}, as downloaded"
        )
    absent = [session for session in SESSIONS if not (base / session / "dialog").is_dir()]
    if absent:
        raise CorpusError(
            f"iemocap: {base} lacks {', '.join(f'{session}/dialog' for session in absent)}"
        )
    utterances = {session: _read_session(base / session) for session in SESSIONS}
    valid = tenth_for_valid(
        u.dialogue for s in SESSIONS if s != TEST_SESSION for u in utterances[s]
    )
    clips: list[Clip] = []
    dropped: Counter[str] = Counter()
    no_text: list[str] = []
    for session in SESSIONS:
        split_of = {
            u.dialogue: "valid" if u.dialogue in valid else "train" for u in utterances[session]
        }
        kept = [u for u in utterances[session] if u.label in TASK.classes]
        dropped.update(u.label for u in utterances[session] if u.label not in TASK.classes)
        no_text += [u.clip_id for u in kept if u.text is None]
        clips += _clips(root, base / session, kept, {} if session == TEST_SESSION else split_of)
    notes = [
        "valid is a seeded tenth of the dialogues of sessions 1–4, because the corpus names none"
    ]
    if dropped:
        counts = ", ".join(f"{count} {label}" for label, count in sorted(dropped.items()))
        notes.append(f"{dropped.total()} utterances of other classes are left out: {counts}")
    if no_text:
        notes.append(
            f"{len(no_text)} utterances have no line in dialog/transcriptions: {some(no_text)}"
        )
    return Corpus("iemocap", TASK, tuple(clips), tuple(notes))


@dataclass(frozen=True)
class _Utterance:
    """One line of dialog/EmoEvaluation with its transcript."""

    clip_id: str
    dialogue: str
    start_s: float
    end_s: float
    label: str
    text: str | None  # None: the transcript does not have it
    speaker: str  # F or M
    left: str  # F or M: who stands in the left half of the picture


def _read_session(session: Path) -> list[_Utterance]:
    """The labelled utterances of one session, dialogue after dialogue, in order of time."""
    # The download holds macOS companions (`._Ses01F_impro01.txt`), which are no text files.
    paths = sorted((session / "dialog" / "EmoEvaluation").glob("[!.]*.txt"))
    if not paths:
        raise CorpusError(f"iemocap: no <dialogue>.txt in {session / 'dialog' / 'EmoEvaluation'}")
    utterances: list[_Utterance] = []
    seen: set[str] = set()
    for path in paths:
        texts = _read_transcript(session / "dialog" / "transcriptions" / path.name)
        of_dialogue = []
        for number, line in enumerate(read_text(path).splitlines(), start=1):
            found = LABEL_LINE.match(line)
            if found is None:
                continue  # the head, blank lines, and each annotator's own vote
            utterance = _utterance(Row(path, number, {}), found, texts)
            if utterance.clip_id in seen:
                raise CorpusError(
                    f"{path}, line {number}: the utterance {utterance.clip_id} stands twice"
                )
            seen.add(utterance.clip_id)
            of_dialogue.append(utterance)
        if not of_dialogue:
            raise CorpusError(
                f"{path}: no line `[start - end]<tab>utterance<tab>label<tab>[V, A, D]`"
            )
        utterances += sorted(of_dialogue, key=lambda u: (u.start_s, u.end_s, u.clip_id))
    return utterances


def _utterance(row: Row, found: re.Match[str], texts: dict[str, str]) -> _Utterance:
    name = UTTERANCE.fullmatch(found["id"])
    if name is None or name["dialogue"] != row.path.stem:
        raise row.error(f"the utterance {found['id']!r} is not one of the dialogue {row.path.stem}")
    start_s, end_s = (
        row.parse_number(found["start"], "the start"),
        row.parse_number(found["end"], "the end"),
    )
    if start_s < 0 or end_s <= start_s:
        raise row.error(f"the utterance runs from {start_s} s to {end_s} s")
    text = texts.get(found["id"])
    return _Utterance(
        found["id"],
        name["dialogue"],
        start_s,
        end_s,
        found["label"],
        text,
        name["speaker"],
        name["left"],
    )


def _read_transcript(path: Path) -> dict[str, str]:
    lines = read_text(path).splitlines() if path.is_file() else []
    found = [match for match in map(TEXT_LINE.match, lines) if match is not None]
    return {match["id"]: match["text"].strip() for match in found}


def _clips(
    root: Path, session: Path, utterances: Sequence[_Utterance], split_of: dict[str, str]
) -> list[Clip]:
    place: Counter[str] = Counter()
    clips = []
    for u in utterances:
        video = (session / "dialog" / "avi" / "DivX" / f"{u.dialogue}.avi").relative_to(root)
        clips.append(
            Clip(
                u.clip_id,
                inside(root, video.as_posix()),
                u.start_s,
                u.end_s,
                text=u.text or "",
                labels={"multimodal": u.label},
                split=split_of.get(u.dialogue, "test"),
                dialogue=u.dialogue,
                position=place[u.dialogue],
                speaker=f"{u.dialogue[:5]}{u.speaker}",  # one actor of each sex a session
                crop="left" if u.speaker == u.left else "right",
            )
        )
        place[u.dialogue] += 1
    return clips
