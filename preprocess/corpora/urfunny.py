"""UR-FUNNY V2: is the last sentence of a talk's excerpt a punchline? Its label files are pickles of plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from semanticmac.core import Task
from semanticmac.preprocess.clip import Clip, Corpus, CorpusError, inside
from semanticmac.preprocess.corpora.options import Options, some
from semanticmac.preprocess.corpora.pickles import read_plain_pickle
from semanticmac.preprocess.corpora.splits import SPLIT_NAMES

TASK = Task("binary", ("0", "1"))  # 1 = humorous
VIDEOS = "urfunny2_videos"
LANGUAGE, LABELS, FOLDS = "language_sdk.pkl", "humor_label_sdk.pkl", "data_folds.pkl"


def read(root: Path, options: Options) -> Corpus:
    """The labelled excerpts with the text of the punchline; the file holds the excerpt, so it is taken whole."""
    language, labels = _mapping(root, LANGUAGE), _mapping(root, LABELS)
    split_of = _read_folds(root)
    clips = []
    for clip_id, label in labels.items():
        if label not in (0, 1):  # True and 1.0 count as 1
            raise CorpusError(
                f"{_find(root, LABELS)}: the label of {clip_id!r} is {label!r}, expected 0 or 1"
            )
        text = _punchline(language.get(clip_id), clip_id)
        video = inside(root, f"{VIDEOS}/{clip_id}.mp4")
        labels_of_clip = {"multimodal": str(int(bool(label)))}
        clips.append(
            Clip(clip_id, video, text=text, labels=labels_of_clip, split=split_of.get(clip_id))
        )
    notes = _note(
        "labelled excerpts are in no fold and have no split",
        (c.clip_id for c in clips if c.split is None),
    )
    notes += _note(
        "excerpts of the folds have no label and are left out",
        (i for i in split_of if i not in labels),
    )
    notes += _note(
        "labelled excerpts have no text", (clip.clip_id for clip in clips if not clip.text)
    )
    return Corpus("urfunny", TASK, tuple(clips), tuple(notes))


def _note(what: str, ids: Iterable[str]) -> list[str]:
    names = list(ids)
    return [f"{len(names)} {what}: {some(names)}"] if names else []


def _find(root: Path, name: str) -> Path:
    """The file in root, or in a folder directly below it: the features come in a folder of their own."""
    found = [root / name, *sorted(root.glob(f"*/{name}"))]
    for path in found:
        if path.is_file():
            return inside(root, path.relative_to(root).as_posix())
    raise CorpusError(
        f"urfunny: {root} holds no {name}; expected {LANGUAGE}, {LABELS} and {FOLDS} there, beside {VIDEOS}/<id>.mp4"
    )


def _mapping(root: Path, name: str) -> dict[str, object]:
    """A pickled dictionary with its keys as strings: the ids are numbers there and file names here."""
    path = _find(root, name)
    data = read_plain_pickle(path)
    if not isinstance(data, dict):
        raise CorpusError(f"{path} holds a {type(data).__name__}, expected a dictionary by clip id")
    renamed = {str(key): value for key, value in data.items()}
    if len(renamed) != len(data):
        raise CorpusError(f"{path}: a clip id stands there as a number and as a string")
    return renamed


def _punchline(entry: object, clip_id: str) -> str:
    sentence = entry.get("punchline_sentence", "") if isinstance(entry, Mapping) else ""
    if isinstance(sentence, list | tuple):
        sentence = " ".join(str(word) for word in sentence)
    if not isinstance(sentence, str):
        raise CorpusError(
            f"{LANGUAGE}: punchline_sentence of {clip_id!r} is a {type(sentence).__name__}, expected text"
        )
    return " ".join(sentence.split())


def _read_folds(root: Path) -> dict[str, str]:
    split_of: dict[str, str] = {}
    path = _find(root, FOLDS)
    for fold, ids in _mapping(root, FOLDS).items():
        if fold not in SPLIT_NAMES or not isinstance(ids, list | tuple | set | frozenset):
            raise CorpusError(
                f"{path}: expected the keys train, dev and test with a list of ids each, got {fold!r}"
            )
        for clip_id in map(str, ids):
            if split_of.setdefault(clip_id, SPLIT_NAMES[fold]) != SPLIT_NAMES[fold]:
                raise CorpusError(f"{path}: {clip_id!r} is in {split_of[clip_id]} and in {fold}")
    return split_of
