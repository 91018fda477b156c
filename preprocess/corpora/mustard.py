"""MUStARD: sarcasm in 690 utterances of television series, with the scene before each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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
# [[train positions, test positions], …]: positions of clips in DATA.
FOLDS = ("split_indices.json", "split_indices.p")
DEFAULT_FOLD = 0
FIELDS = {
    "utterance": str,
    "speaker": str,
    "context": list,
    "context_speakers": list,
    "sarcasm": bool,
}


def read(root: Path, options: Options) -> Corpus:
    """The utterances with the split of one fold, and the context clips that were downloaded."""
    path = _find(root, DATA)
    if path is None:
        raise CorpusError(
            f"mustard: no {DATA} in {root} or {root / 'data'}; "
            "expected it beside utterances_final/<id>.mp4"
        )
    entries = _read_entries(path)
    fold = DEFAULT_FOLD if options.fold is None else options.fold
    split_of, note = _read_fold(root, list(entries), fold)

    clips: list[Clip] = []
    contexts = 0
    for clip_id, entry in entries.items():
        context = inside(root, f"context_final/{clip_id}_c.mp4")
        if context.is_file():
            clips.append(_context_clip(clip_id, context, entry))
            contexts += 1
        clips.append(_clip(root, clip_id, entry, split_of.get(clip_id)))

    notes = [note]
    if contexts:
        notes.append(
            f"{contexts} context clips precede their utterances; they have no label and no split"
        )
    return Corpus("mustard", TASK, tuple(clips), tuple(notes))


def _find(root: Path, name: str) -> Path | None:
    for path in (root / name, root / "data" / name):
        if path.is_file():
            return path
    return None


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
    """The content of a JSON file. Raises CorpusError for a key that appears twice."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key, value in pairs:
            if key in data:
                raise CorpusError(f"{path}: {key!r} appears twice")
            data[key] = value
        return data

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
    # The file does not say who speaks when, so the speaker is known only where it is one person.
    speakers = {str(speaker) for speaker in entry["context_speakers"]}
    speaker = speakers.pop() if len(speakers) == 1 else None
    return Clip(f"{clip_id}_c", video, text=text, dialogue=clip_id, position=0, speaker=speaker)


def _read_fold(root: Path, ids: list[str], fold: int) -> tuple[dict[str, str], str]:
    """The split of each clip in one fold, and a note.

    The folds have no valid part; it is a seeded tenth of the train part.
    """
    path = _find(root, FOLDS[0]) or _find(root, FOLDS[1])
    if path is None:
        files = " or ".join(FOLDS)
        return {}, f"no {files} in {root}: no clip has a split; give a list with --splits"
    folds = _read_json(path) if path.suffix == ".json" else read_plain_pickle(path, arrays=True)
    if not isinstance(folds, list) or not all(_is_pair(parts) for parts in folds):
        raise CorpusError(
            f"{path}: expected a list of [train positions, test positions], one for each fold"
        )
    if not 0 <= fold < len(folds):
        raise CorpusError(f"{path} has the folds 0 … {len(folds) - 1}, not {fold}")
    train, test = folds[fold]
    _check_positions(path, fold, [*train, *test], len(ids))

    train_ids = [ids[position] for position in train]
    split_of = dict.fromkeys(train_ids, "train")
    split_of |= dict.fromkeys(tenth_for_valid(train_ids), "valid")
    for position in test:
        split_of[ids[position]] = "test"
    note = f"fold {fold} of 0 … {len(folds) - 1}; valid is a seeded tenth of its train part"
    return split_of, note


def _is_pair(parts: object) -> bool:
    return isinstance(parts, list | tuple) and len(parts) == 2


def _check_positions(path: Path, fold: int, positions: Sequence[object], count: int) -> None:
    for position in positions:
        if type(position) is not int or not 0 <= position < count:
            raise CorpusError(
                f"{path}: fold {fold} has the position {position!r}, "
                f"expected 0 … {count - 1}, as in {DATA}"
            )
    if len(set(positions)) != len(positions):
        raise CorpusError(f"{path}: a clip appears twice in fold {fold}")
