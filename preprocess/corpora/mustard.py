"""MUStARD: sarcasm in television series; 690 utterances, each with the scene before it, and five official folds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from semanticmac.core import Task
from semanticmac.preprocess.clip import Clip, Corpus, CorpusError, inside
from semanticmac.preprocess.corpora.options import Options
from semanticmac.preprocess.corpora.pickles import read_plain_pickle
from semanticmac.preprocess.corpora.splits import tenth_for_valid
from semanticmac.preprocess.corpora.tables import read_text

TASK = Task("binary", ("false", "true"))  # true = sarcastic
DATA = "sarcasm_data.json"
FOLDS = (
    "split_indices.json",
    "split_indices.p",
)  # [[train positions, test positions], …] into the order of DATA
DEFAULT_FOLD = 0
FIELDS = {
    "utterance": str,
    "speaker": str,
    "context": list,
    "context_speakers": list,
    "sarcasm": bool,
}


def read(root: Path, options: Options) -> Corpus:
    """The utterances with the split of one fold, and their context clips where those were downloaded."""
    path = _find(root, (DATA,))
    if path is None:
        raise CorpusError(
            f"mustard: no {DATA} in {root} or {root / 'data'}; expected it beside utterances_final/<id>.mp4"
        )
    entries = _read_entries(path)
    fold = DEFAULT_FOLD if options.fold is None else options.fold
    split_of, notes = _read_fold(root, list(entries), fold)
    clips: list[Clip] = []
    for clip_id, entry in entries.items():
        context = inside(root, f"context_final/{clip_id}_c.mp4")
        if context.is_file():
            clips.append(_context_clip(clip_id, context, entry))
        clips.append(_clip(root, clip_id, entry, split_of.get(clip_id)))
    contexts = sum(clip.position == 0 for clip in clips)
    if contexts:
        notes.append(
            f"{contexts} context clips stand before their utterance; they have neither label nor split"
        )
    return Corpus("mustard", TASK, tuple(clips), tuple(notes))


def _find(root: Path, names: tuple[str, ...]) -> Path | None:
    return next(
        (
            base / name
            for name in names
            for base in (root, root / "data")
            if (base / name).is_file()
        ),
        None,
    )


def _read_entries(path: Path) -> dict[str, Mapping[str, Any]]:
    data = _read_json(path)
    if not isinstance(data, dict) or not data:
        raise CorpusError(f"{path} holds a {type(data).__name__}, expected a dictionary by clip id")
    for clip_id, entry in data.items():
        for key, kind in FIELDS.items():
            if not isinstance(entry, dict) or not isinstance(entry.get(key), kind):
                raise CorpusError(f"{path}: {key!r} of {clip_id!r} is not a {kind.__name__}")
    return data


def _read_json(path: Path) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keys = [key for key, _ in pairs]
        if len(set(keys)) != len(keys):
            raise CorpusError(
                f"{path}: {next(key for key in keys if keys.count(key) > 1)!r} stands twice"
            )
        return dict(pairs)

    try:
        return json.loads(read_text(path), object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise CorpusError(f"{path}, line {error.lineno}: not JSON ({error.msg})") from error


def _clip(root: Path, clip_id: str, entry: Mapping[str, Any], split: str | None) -> Clip:
    return Clip(
        clip_id,
        inside(root, f"utterances_final/{clip_id}.mp4"),
        text=entry["utterance"].strip(),
        labels={"multimodal": "true" if entry["sarcasm"] else "false"},
        split=split,
        dialogue=clip_id,
        position=1,
        speaker=entry["speaker"],
    )


def _context_clip(clip_id: str, video: Path, entry: Mapping[str, Any]) -> Clip:
    text = " ".join(str(sentence).strip() for sentence in entry["context"])
    return Clip(f"{clip_id}_c", video, text=text, dialogue=clip_id, position=0)


def _read_fold(root: Path, ids: list[str], fold: int) -> tuple[dict[str, str], list[str]]:
    """The split of each clip in one fold; a seeded tenth of its train part is valid, because the folds name none."""
    path = _find(root, FOLDS)
    if path is None:
        return {}, [
            f"no {' or '.join(FOLDS)} in {root}: no clip has a split; name a list with --splits"
        ]
    folds = _read_json(path) if path.suffix == ".json" else read_plain_pickle(path, arrays=True)
    if not isinstance(folds, list) or not all(
        isinstance(parts, list | tuple) and len(parts) == 2 for parts in folds
    ):
        raise CorpusError(
            f"{path}: expected a list of [train positions, test positions], one a fold"
        )
    if not 0 <= fold < len(folds):
        raise CorpusError(f"{path} has the folds 0 … {len(folds) - 1}, asked for was {fold}")
    train, test = folds[fold]
    positions = [*train, *test]
    if not all(type(position) is int and 0 <= position < len(ids) for position in positions):
        raise CorpusError(
            f"{path}: fold {fold} holds something other than positions 0 … {len(ids) - 1} in {DATA}"
        )
    if len(set(positions)) != len(positions):
        raise CorpusError(f"{path}: a clip stands twice in fold {fold}")
    valid = tenth_for_valid(ids[position] for position in train)
    split_of = {ids[position]: "valid" if ids[position] in valid else "train" for position in train}
    note = f"fold {fold} of 0 … {len(folds) - 1}; valid is a seeded tenth of its train part"
    return split_of | {ids[position]: "test" for position in test}, [note]
