"""Names of emotions in label files, and helpers of corpora whose labels are such names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from semanticmac.core import Label, Task
from semanticmac.preprocess.clip import CorpusError, inside, is_there
from semanticmac.preprocess.corpora.tables import read_text

# Spellings of one emotion in English, Chinese and the codes of file names.
SPELLINGS: tuple[tuple[str, ...], ...] = (
    ("neutral", "neu", "平静", "中性"),
    ("happy", "happiness", "joy", "hap", "高兴", "开心"),
    ("sad", "sadness", "悲伤", "伤心"),
    ("angry", "anger", "ang", "愤怒", "生气"),
    ("fear", "fearful", "fea", "恐惧", "害怕"),
    ("disgust", "disgusted", "dis", "厌恶"),
    ("surprise", "surprised", "sur", "suprise", "惊奇", "惊讶"),
    ("worried", "worry", "担心"),
    ("calm",),
)
SEVEN = Task("single-label", ("neutral", "happy", "sad", "angry", "fear", "disgust", "surprise"))


def class_of(task: Task, name: object, where: str) -> str:
    """The class that a label file means by a name. Raises CorpusError for an unknown one."""
    if isinstance(name, str):
        for spellings in SPELLINGS:
            if name.strip().casefold() in spellings and spellings[0] in task.classes:
                return spellings[0]
    raise CorpusError(f"{where}: the label is {name!r}, expected {', '.join(task.classes)}")


def labels_of(task: Task, names: Mapping[str, object], where: str) -> dict[str, Label]:
    """Modality → class; an absent or empty name is no label."""
    labels: dict[str, Label] = {}
    for modality, name in names.items():
        if name not in (None, ""):
            labels[modality] = class_of(task, name, f"{where}, {modality}")
    return labels


def read_json(path: Path, kind: type) -> Any:
    """The content of a JSON file. Raises CorpusError unless it is of this kind, and not empty."""
    try:
        content = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise CorpusError(f"{path}, line {error.lineno}: not JSON ({error.msg})") from error
    if not isinstance(content, kind) or not content:
        raise CorpusError(
            f"{path} holds {type(content).__name__}, expected a {kind.__name__} with clips"
        )
    return content


def entry_text(entry: Mapping[str, Any], key: str, where: str) -> str:
    """A text that an entry must have. Raises CorpusError where it is absent or empty."""
    value = entry.get(key) if isinstance(entry, Mapping) else None
    if not isinstance(value, str) or not value.strip():
        raise CorpusError(f"{where}: {key!r} is {value!r}, expected a text")
    return value.strip()


def entry_object(entry: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    """An object that an entry may have; empty where it is absent or null.

    Raises CorpusError where it is anything else.
    """
    value = entry.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise CorpusError(f"{where}: {key!r} is {value!r:.60}, expected an object with keys")
    return value


def first_file(root: Path, *names: str) -> Path:
    """The first of these files that exists, else the path of the first: it is then missing."""
    paths = [inside(root, name) for name in names]
    for path in paths:
        if is_there(path):
            return path
    return paths[0]
