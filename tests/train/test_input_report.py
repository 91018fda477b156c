"""Cut texts, unknown tokens and subsampled frames are counted, reported before training, stored."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import GPT2TokenizerFast

from semanticmac.cache.layout import CacheLayout
from semanticmac.model.language.tokenizer import Tokenizer
from semanticmac.model.language.unknown import count_unknown
from semanticmac.run.folder import RunInfo
from semanticmac.train.callbacks import Callbacks
from semanticmac.train.config import TrainConfig
from semanticmac.train.data import open_data, with_dialogue
from semanticmac.train.input_report import InputReport, report_inputs
from semanticmac.train.loop import train
from semanticmac.train.overrides import override

CPU = torch.device("cpu")
CHINESE = "这部电影非常好看"


def test_unknown_tokens_are_counted_without_the_marks_of_a_text(families: dict[str, str]) -> None:
    for family in ("bert", "roberta", "xlnet"):
        tokenize = Tokenizer.load(families[family], 32)
        assert count_unknown(tokenize, tokenize(["i love the film", ""])) == (0, 4)
        assert count_unknown(tokenize, tokenize(["i love", f"the {CHINESE}"])) == (1, 4)


def test_a_tokenizer_of_bytes_knows_every_token(tmp_path: Path) -> None:
    letters = {"<|endoftext|>": 0} | {chr(code): code for code in range(33, 127)}
    (tmp_path / "vocab.json").write_text(json.dumps(letters))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = GPT2TokenizerFast(str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt"))
    tokenize = Tokenizer(tokenizer, 32)
    assert tokenizer.unk_token_id == tokenizer.eos_token_id
    unknown, _ = count_unknown(tokenize, tokenize(["abc"]))
    assert unknown == 0


def test_notes_name_what_the_model_does_not_read() -> None:
    config = override(TrainConfig("planted"), {"max_tokens": 9, "max_frames": 7}).model
    counts = {"clips": 40, "texts": 3, "contexts": 0}
    report = InputReport(counts, {"train": 0.0501, "valid": 0.05}, {"clips": 40, "subsampled": 2})
    assert report.notes(config) == [
        "longer than max_tokens=9: 3 of 40 texts lost their end",
        "train: 5.0% of the text tokens are unknown to language=all-minilm-l6-v2. Use a language "
        "model for the language of these texts.",
        "longer than max_frames=7: 2 of 40 clips are uniformly subsampled",
    ]
    nothing = {"clips": 40, "texts": 0, "contexts": 0}
    full = InputReport(nothing, {"train": 0.0}, {"clips": 40, "subsampled": 0})
    assert full.notes(config) == InputReport().notes(config) == []


@pytest.mark.parametrize("modalities", ["text,audio,vision", "audio", "vision", "text"])
@pytest.mark.parametrize("context_clips", [0, 2])
def test_subsampled_clips_equal_a_count_by_hand(
    planted: Callable[..., CacheLayout],
    families: dict[str, str],
    modalities: str,
    context_clips: int,
) -> None:
    settings: dict[str, Any] = {
        "modalities": modalities,
        "language": families["bert"],
        "max_frames": 6,
    }
    if context_clips:
        settings |= {"setting": "conversation", "context_clips": context_clips}
    config = override(TrainConfig("planted"), settings).model
    data = with_dialogue(open_data(planted(), "planted"), config)
    splits = {"train": data.train, "valid": data.valid}
    expected = 0
    for split in splits.values():
        for sample in split:  # type: ignore[attr-defined]
            lengths = []
            for name in ("audio", "vision"):
                if name in modalities:
                    clips = [*(sample.context or ()), sample]
                    arrays = [getattr(clip, name) for clip in clips]
                    lengths.append(sum(len(array) for array in arrays if array is not None))
            expected += max(lengths, default=0) > 6
    tokenize = Tokenizer.load(families["bert"], 32)
    report = report_inputs(config, tokenize, splits)
    assert report.frames_subsampled == {"clips": 32, "subsampled": expected}
    if context_clips and modalities != "text":
        assert expected
    if "text" not in modalities:
        assert report.texts_cut == {} and report.unknown_tokens == {}


def test_training_reports_each_once_and_stores_them(
    planted: Callable[..., CacheLayout],
    planted_clip: type[Any],
    small: dict[str, Any],
    families: dict[str, str],
    tmp_path: Path,
) -> None:
    random = np.random.default_rng(0)
    clips = []
    for i in range(12):
        split = "train" if i < 8 else "valid"
        text = CHINESE if i < 4 else "i love the film"
        frames = 9 if i == 0 else 2
        audio, vision = random.normal(size=(2, frames, 8)).astype(np.float16)
        clips.append(planted_clip(f"clip{i}", text, audio, vision, [i / 6 - 1], split))
    layout = planted("regression", clips)
    settings = {"language": families["bert"], "epochs": 1, "max_frames": 8, "max_tokens": 32}
    config = override(TrainConfig("planted"), small | settings)
    notes: list[str] = []
    data = open_data(layout, "planted")
    train(config, data, tmp_path, CPU, Callbacks(on_note=notes.append))
    assert notes[0].startswith("language model bert: encoder; ")
    assert notes[-1].startswith("one step of ")
    assert notes[1:-1] == [
        # Four texts are one unknown word each; four have four known words.
        f"train: 20.0% of the text tokens are unknown to language={families['bert']}. Use a "
        "language model for the language of these texts.",
        "longer than max_frames=8: 1 of 12 clips are uniformly subsampled",
    ]
    info = RunInfo.read(tmp_path)
    assert info.unknown_tokens == {"train": 0.2, "valid": 0.0}
    assert info.frames_subsampled == {"clips": 12, "subsampled": 1}

    path = tmp_path / "run.json"
    content = json.loads(path.read_text())
    for key in ("unknown_tokens", "frames_subsampled", "checksum"):
        del content[key]
    path.write_text(json.dumps(content))
    old = RunInfo.read(tmp_path)
    assert old == replace(info, unknown_tokens={}, frames_subsampled={})
