"""Batches whose rows are dialogues hold every utterance as the cache has it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from support.batches import lengths

from semanticmac.cache.dataset import ClipDataset, make_dataloader
from semanticmac.cache.dialogue_dataset import DialogueDataset
from semanticmac.cache.windows import WindowSize

SPEAKERS = "abacb"


@pytest.fixture
def dialogues(dataset: ClipDataset) -> DialogueDataset:
    """Two dialogues of five, then a clip alone; the clips 3 and 4 are of another split."""
    rows = []
    for i, row in enumerate(dataset.rows):
        place = {"dialogue": "xy"[i // 5], "position": i % 5} if i < 10 else {}
        rows.append(replace(row, speaker=SPEAKERS[i % 5], **place))
    manifest = replace(dataset.manifest, rows=tuple(rows))
    split = ClipDataset(manifest, dataset._reader, [*rows[:3], *rows[5:]])
    return DialogueDataset(split, WindowSize(8, 2, future=1))


def test_a_batch_of_dialogues_holds_all_their_utterances(dialogues: DialogueDataset):
    assert len(dialogues) == 3
    assert [dialogues.scored_rows(i) for i in range(3)] == [[0, 1, 2], [3, 4, 5, 6, 7], [8]]
    [batch] = make_dataloader(dialogues, 3, lengths, 1)
    # Clip 4 is two utterances after the last target of the first dialogue: nothing reads it.
    expected = [f"clip {i}" for i in (0, 1, 2, 3, 5, 6, 7, 8, 9, 10)]
    assert list(batch.clip_ids) == expected
    assert batch.rows.tolist() == [0, 1, 2, -1, 3, 4, 5, 6, 7, 8]
    layout = batch.dialogues
    assert layout is not None
    assert (layout.dialogues, layout.longest) == (3, 5)
    assert layout.dialogue.tolist() == [0] * 4 + [1] * 5 + [2]
    assert layout.position.tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 4, 0]
    assert layout.speaker.tolist() == [0, 1, 0, 2, 0, 1, 0, 2, 1, 0]
    assert batch.scored_clips() == [0, 1, 2, 4, 5, 6, 7, 8, 9]
    for number, clip_id in enumerate(expected):
        assert int(batch.token_ids[number, 0]) == int(clip_id.split()[1])


def test_every_clip_is_scored_once_in_an_epoch(dialogues: DialogueDataset):
    order = torch.Generator().manual_seed(0)
    scored = []
    for batch in make_dataloader(dialogues, 2, lengths, 1, order):
        scored += batch.rows[batch.scored_clips()].tolist()
    assert sorted(scored) == list(range(len(dialogues.clips)))


def test_a_layout_moves_with_its_batch(dialogues: DialogueDataset):
    [batch, *_] = make_dataloader(dialogues, 2, lengths, 1)
    moved = batch.to(torch.device("meta"))
    assert moved.dialogues is not None and moved.dialogues.scored.device.type == "meta"
