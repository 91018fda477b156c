"""UR-FUNNY V2: is the last sentence of a talk's excerpt a punchline? Label files are pickles."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from semanticmac.core import Task
from semanticmac.preprocess.clip import Clip, Corpus, CorpusError, inside, leads_out
from semanticmac.preprocess.corpora.notes import count_note
from semanticmac.preprocess.corpora.options import Options
from semanticmac.preprocess.corpora.pickles import read_plain_pickle
from semanticmac.preprocess.corpora.splits import SPLIT_NAMES

TASK = Task("binary", ("0", "1"))  # 1 = humorous
VIDEOS = "urfunny2_videos"
LANGUAGE, LABELS, FOLDS = "language_sdk.pkl", "humor_label_sdk.pkl", "data_folds.pkl"


def read(root: Path, options: Options) -> Corpus:
    """The labelled excerpts, each a whole file; the text is that of the punchline."""
    language, labels = _read_by_id(root, LANGUAGE), _read_by_id(root, LABELS)
    split_of = _read_folds(root)
    clips: list[Clip] = []
    for clip_id, label in labels.items():
        if label not in (0, 1):  # True and 1.0 are equal to 1.
            raise CorpusError(
                f"{_find(root, LABELS)}: the label of {clip_id!r} is {label!r}, expected 0 or 1"
            )
        clips.append(
            Clip(
                clip_id,
                inside(root, f"{VIDEOS}/{clip_id}.mp4"),
                text=_punchline(language.get(clip_id), clip_id),
                labels={"multimodal": str(int(bool(label)))},
                split=split_of.get(clip_id),
            )
        )

    no_split: list[str] = []
    no_text: list[str] = []
    for clip in clips:
        if clip.split is None:
            no_split.append(clip.clip_id)
        if not clip.text:
            no_text.append(clip.clip_id)
    no_label = [clip_id for clip_id in split_of if clip_id not in labels]
    notes = [
        *count_note("labelled excerpt", "are", "in no fold, so without a split", no_split),
        *count_note("excerpt", "have", "a fold but no label; left out", no_label),
        *count_note("labelled excerpt", "have", "no text", no_text),
    ]
    return Corpus("urfunny", TASK, tuple(clips), tuple(notes))


def _find(root: Path, name: str) -> Path:
    """The file in root or in a folder directly below it, such as that of the feature archive."""
    for path in (root / name, *sorted(root.glob(f"*/{name}"))):
        if path.is_file():
            if leads_out(root, path):
                raise CorpusError(f"urfunny: {path} is a link that leads out of {root}")
            return path
    raise CorpusError(
        f"urfunny: {root} holds no {name}; expected {LANGUAGE}, {LABELS} and {FOLDS} there, "
        f"beside {VIDEOS}/<id>.mp4"
    )


def _read_by_id(root: Path, name: str) -> dict[str, object]:
    """A pickled dictionary with its keys as strings: ids are numbers there and file names here."""
    path = _find(root, name)
    data = read_plain_pickle(path)
    if not isinstance(data, dict):
        raise CorpusError(f"{path} holds a {type(data).__name__}, expected a dictionary by clip id")
    by_id = {str(key): value for key, value in data.items()}
    if len(by_id) != len(data):
        raise CorpusError(f"{path}: a clip id appears both as a number and as a string")
    return by_id


def _punchline(entry: object, clip_id: str) -> str:
    sentence = entry.get("punchline_sentence", "") if isinstance(entry, Mapping) else ""
    if isinstance(sentence, list | tuple):
        sentence = " ".join(str(word) for word in sentence)
    if not isinstance(sentence, str):
        raise CorpusError(
            f"{LANGUAGE}: punchline_sentence of {clip_id!r} is a {type(sentence).__name__}, "
            "expected text"
        )
    return " ".join(sentence.split())


def _read_folds(root: Path) -> dict[str, str]:
    """The split of each clip. Raises CorpusError for a clip in two folds."""
    path = _find(root, FOLDS)
    split_of: dict[str, str] = {}
    for fold, ids in _read_by_id(root, FOLDS).items():
        if fold not in SPLIT_NAMES or not isinstance(ids, list | tuple | set | frozenset):
            raise CorpusError(
                f"{path}: expected the keys train, dev and test with a list of ids each, "
                f"got {fold!r}"
            )
        for clip_id in map(str, ids):
            if split_of.setdefault(clip_id, SPLIT_NAMES[fold]) != SPLIT_NAMES[fold]:
                raise CorpusError(f"{path}: {clip_id!r} is in {split_of[clip_id]} and in {fold}")
    return split_of
