"""The conversation setting reads earlier clips; it never reads later clips or labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from semanticmac.cache.batch import Batch, Sample, collate, no_text
from semanticmac.cache.dataset import ClipDataset, make_dataloader
from semanticmac.cache.dialogue import ContextClip
from semanticmac.cache.layout import CacheLayout
from semanticmac.cache.opening import open_cached
from semanticmac.cache.records import Embeddings, FrameWidths
from semanticmac.eval.evaluate import evaluate, predict_clip
from semanticmac.eval.predict import predict
from semanticmac.model.config import ModelConfig
from semanticmac.model.language.language_model import LanguageModel
from semanticmac.model.language.tokenizer import Tokenizer
from semanticmac.model.network import Output, SemanticMAC
from semanticmac.run.weights import load_run
from semanticmac.train.callbacks import Callbacks
from semanticmac.train.config import TrainConfig
from semanticmac.train.data import TrainError, open_data
from semanticmac.train.loop import train
from semanticmac.train.overrides import override

CPU = torch.device("cpu")
WIDTHS = FrameWidths(8, 8)
FAMILIES = ("bert", "roberta", "xlnet")
SIZE: dict[str, Any] = {
    "d_model": 8,
    "heads": 2,
    "vision_width": 8,
    "audio_width": 8,
    "perceiver_tokens": 2,
    "bridge_tokens": 2,
}


def clips_of(layout: CacheLayout, split: str, context_clips: int) -> ClipDataset:
    opened = open_cached(layout, "planted")
    manifest = opened.manifest
    return ClipDataset(manifest, opened.reader, manifest.split(split), context_clips)


def assert_same_batch(actual: Batch, expected: Batch) -> None:
    for field in fields(Batch):
        mine, other = getattr(actual, field.name), getattr(expected, field.name)
        same = torch.equal(mine, other) if isinstance(mine, torch.Tensor) else mine == other
        assert same or (field.name == "labels"), field.name


# --- which clips come before ---


def test_a_dialogue_like_meld_gives_each_clip_those_before_it(
    planted: Callable[..., CacheLayout],
) -> None:
    clips = clips_of(planted(), "valid", 2)
    said = [[before.text for before in clips[i].context or ()] for i in range(4)]
    texts = [clips[i].text for i in range(4)]
    assert said == [[], texts[:1], texts[:2], texts[1:3]]
    assert clips[4].context == ()  # another dialogue begins


def test_a_scene_like_mustard_s_is_context_without_label_and_split(
    planted: Callable[..., CacheLayout], planted_clip: Any
) -> None:
    frames = np.ones((2, 8))
    layout = planted(
        "binary",
        [
            planted_clip("1_c", "the film", None, frames, dialogue="1", position=0),
            planted_clip(
                "1", "i love the film", 3 * frames[:1], 2 * frames[:1], [1.0], "test", "1", 1
            ),
            planted_clip(
                "2", "we hate", frames, frames, [0.0], "test", "2", 1
            ),  # its scene was not downloaded
        ],
    )
    clips = clips_of(layout, "test", 3)
    assert [row.clip_id for row in clips.rows] == ["1", "2"]
    assert [before.text for before in clips[0].context or ()] == ["the film"] and clips[
        1
    ].context == ()
    batch = collate([clips[0], clips[1]], no_text, 1, WIDTHS)
    assert batch.frame_context is not None
    assert batch.frame_context.tolist() == [[True, True, False], [False, False, False]]
    assert batch.vision_mask.tolist() == [[True, True, True], [True, True, False]]
    assert batch.audio_mask.tolist() == [
        [False, False, True],
        [True, True, False],
    ]  # aligned with the pictures
    assert batch.vision[0, :, 0].tolist() == [1, 1, 2] and batch.audio[0, :, 0].tolist() == [
        0,
        0,
        3,
    ]
    names = {field.name for field in fields(ContextClip)}
    assert names == {"text", "vision", "audio", "vision_kept", "audio_kept"}


def test_neither_the_future_nor_any_label_reaches_the_inputs(
    planted: Callable[..., CacheLayout], planted_clip: Any, families: dict[str, str]
) -> None:
    """Other labels, other splits and later clips do not change one bit of the inputs."""
    random = np.random.default_rng(0)

    def corpus(changed: bool) -> list[Any]:
        clips = []
        for i in range(5):
            draw = np.random.default_rng(i + 100 * (changed and i > 2))
            sides, text = (
                draw.normal(size=(2, 3, 8)),
                f"i {'hate' if changed and i > 2 else 'love'} {'abcde'[i]}",
            )
            other = changed and i != 2
            label, split = (
                [float(random.normal()) if other else 0.0],
                "train" if other and i > 0 else "test",
            )
            clips.append(planted_clip(str(i), text, *sides, label, split, "d", i))
        return clips

    tokenize = Tokenizer.load(families["bert"], 32)
    batches = []
    for changed in (False, True):
        clips = clips_of(planted("regression", corpus(changed)), "test", 3)
        index = [row.clip_id for row in clips.rows].index("2")
        batches.append(collate([clips[index]], tokenize, 1, WIDTHS))
    assert batches[0].frame_context is not None and int(batches[0].frame_context.sum()) == 6
    assert_same_batch(replace(batches[1], rows=batches[0].rows), batches[0])


# --- text ---


# --- the utterance setting is as it was ---


def test_the_utterance_setting_is_unchanged_to_the_bit(
    planted: Callable[..., CacheLayout], families: dict[str, str]
) -> None:
    """Batches have no dialogue; weights of one seed and outputs are the same without it."""
    clips = clips_of(planted(), "train", 0)
    tokenize = Tokenizer.load(families["bert"], 32)
    batch = collate([clips[i] for i in range(6)], tokenize, 1, WIDTHS)
    assert clips[3].context is None and batch.token_types is None and batch.frame_context is None
    for i in range(6):
        frames = clips[i].vision
        assert frames is not None and torch.equal(
            batch.vision[i, : len(frames)], torch.tensor(frames).float()
        )
        assert batch.vision_mask[i].tolist() == [
            place < len(frames) for place in range(batch.vision.shape[1])
        ]
    outputs, states = [], []
    for extra in ({}, {"context_clips": 7, "context_embedding": False}):
        torch.manual_seed(3)
        model = SemanticMAC(
            ModelConfig(**SIZE, **extra), LanguageModel.pretrained(families["bert"])
        ).eval()
        outputs.append(model(batch))
        states.append(model.state_dict())
    assert states[0].keys() == states[1].keys() and not any("context" in name for name in states[0])
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert all(torch.equal(mine, vars(outputs[1])[name]) for name, mine in vars(outputs[0]).items())


# --- the model ---


def conversation_model(
    families: dict[str, str], family: str = "bert", **settings_: Any
) -> SemanticMAC:
    torch.manual_seed(0)
    config = ModelConfig(**(SIZE | {"setting": "conversation", "max_frames": 6} | settings_))
    model = SemanticMAC(config, LanguageModel.pretrained(families[family]))
    for weight in model.parameters():
        weight.data.add_(torch.randn_like(weight) * 0.1)
    return model.double().eval()


def sample(index: int, lengths: Sequence[tuple[int, int, int]]) -> Sample:
    """A clip from the numbers of words and frames of its dialogue, target last; 0 = absent."""
    random = np.random.default_rng(index)
    parts = []
    for words, sounds, pictures in lengths:
        text = " ".join(random.choice(list("abcdefg"), words))
        sides = [
            random.normal(size=(n, 8)).astype(np.float16) if n else None for n in (pictures, sounds)
        ]
        parts.append((text, *sides))
    *before, target = parts
    return Sample(str(index), index, *target, None, tuple(ContextClip(*part) for part in before))


def as_double(batch: Batch) -> Batch:
    return replace(batch, audio=batch.audio.double(), vision=batch.vision.double())


def assert_same(actual: Output, expected: Output, row: int) -> None:
    for name, value in vars(expected).items():
        torch.testing.assert_close(
            vars(actual)[name][0],
            value[row],
            rtol=1e-7,
            atol=1e-7,
            msg=lambda m, n=name: f"{n}: {m}",
        )


clip = st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4))


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_order_and_batch_mates_change_nothing(
    family: str, families: dict[str, str]
) -> None:
    model = conversation_model(families, family)
    tokenize = Tokenizer.load(families[family], 12)

    @settings(max_examples=5, deadline=None)
    @given(st.lists(st.lists(clip, min_size=1, max_size=4), min_size=1, max_size=3), st.randoms())
    def check(dialogues: list[list[tuple[int, int, int]]], random: Any) -> None:
        samples = [sample(i, lengths) for i, lengths in enumerate(dialogues)]
        mate = sample(99, [(4, 4, 4)] * 4)
        order = random.sample(range(len(samples)), len(samples))
        together = model(
            as_double(collate([*(samples[i] for i in order), mate], tokenize, 1, WIDTHS))
        )
        for place, i in enumerate(order):
            assert_same(
                model(as_double(collate([samples[i]], tokenize, 1, WIDTHS))), together, place
            )

    check()


def test_content_of_an_absent_modality_reaches_nothing(families: dict[str, str]) -> None:
    model = conversation_model(families)
    tokenize = Tokenizer.load(families["bert"], 12)
    batch = as_double(
        collate([sample(0, [(3, 4, 2), (2, 3, 3)]), sample(1, [(3, 2, 2)])], tokenize, 1, WIDTHS)
    )
    expected = model(batch.keep(torch.tensor([[True, False, True]])))
    assert expected.present.tolist() == [[True, False, True]] * 2
    garbage = replace(batch, audio=torch.full_like(batch.audio, 1e200))
    actual = model(garbage.keep(torch.tensor([[True, False, True]])))
    for row_ in range(2):
        assert_same(Output(*(value[[row_]] for value in vars(actual).values())), expected, row_)


def test_context_frames_are_told_from_the_target_s(families: dict[str, str]) -> None:
    """Only the embedding depends on the flag, and each frame keeps its flag in subsampling."""
    tokenize = Tokenizer.load(families["bert"], 12)
    batch = as_double(
        collate([sample(0, [(1, 8, 8), (1, 4, 4)])], tokenize, 1, WIDTHS)
    )  # 12 frames, max_frames 6
    assert batch.frame_context is not None
    moved = replace(batch, frame_context=~batch.frame_context)
    model = conversation_model(families)
    assert not torch.equal(model(batch).specific[:, 2], model(moved).specific[:, 2])
    encoder: Any = model.frame_encoders["vision"]
    broadcast = batch.vision + encoder.context[batch.frame_context.long()]
    encoder.context.data.zero_()
    torch.testing.assert_close(
        encoder(broadcast, batch.vision_mask, batch.frame_context)[0],
        encoder(broadcast, batch.vision_mask, None)[0],
    )
    without = conversation_model(families, context_embedding=False)
    assert torch.equal(without(batch).fused, without(moved).fused)
    assert not any("frame_encoders.vision.context" in name for name in without.state_dict())


# --- the whole walk ---


def test_a_conversation_model_is_trained_saved_and_scored(
    planted: Callable[..., CacheLayout],
    families: dict[str, str],
    small: dict[str, Any],
    tmp_path: Path,
) -> None:
    layout = planted()
    config = override(
        TrainConfig("planted"),
        small
        | {
            "language": families["bert"],
            "setting": "conversation",
            "context_clips": 2,
            "max_tokens": 12,
        },
    )
    notes: list[str] = []
    info = train(
        config, open_data(layout, "planted"), tmp_path, CPU, Callbacks(on_note=notes.append)
    )
    assert (
        info.texts_cut["clips"] == 32
        and info.texts_cut["texts"] == 0
        and info.texts_cut["contexts"] > 0
    )
    assert notes[0].startswith("language model bert: encoder; ")
    assert notes[-1].startswith("one step of ")
    assert notes[1:-1] == [
        f"longer than max_tokens=12: {info.texts_cut['contexts']} of 32 contexts lost their oldest "
        "words"
    ]
    trained = load_run(tmp_path, CPU)
    assert trained.info == info
    result = evaluate(trained, layout, "test", CPU)
    alone = predict(
        trained.model, make_dataloader(clips_of(layout, "test", 0), 4, trained.tokenize, 1), CPU
    )
    first = [i for i, row_ in enumerate(clips_of(layout, "test", 0).rows) if row_.position == 0]
    differs = np.abs(result.predictions.outputs - alone.outputs).max(axis=(1, 2)) > 1e-6
    assert not differs[first].any() and differs.sum() == len(differs) - len(first)
    clip_ = clips_of(layout, "test", 0)[0]
    by_itself = predict_clip(trained, clip_.text, Embeddings(clip_.vision, clip_.audio), CPU)
    np.testing.assert_allclose(by_itself.outputs[0], result.predictions.outputs[0], atol=1e-5)


def test_what_only_the_clip_before_shows_is_learned_in_the_conversation_setting_alone(
    planted: Callable[..., CacheLayout], planted_clip: Any, small: dict[str, Any], tmp_path: Path
) -> None:
    """Planted: a clip's label is what was heard in the clip before it."""
    random = np.random.default_rng(0)
    direction, clips = random.normal(size=8), []
    for split, dialogues in (("train", 30), ("valid", 6), ("test", 10)):
        for d in range(dialogues):
            heard = random.uniform(-1, 1, 4)
            for i in range(4):
                sound = heard[i] * direction + 0.05 * random.normal(size=(2, 8))
                label = [3 * heard[i - 1]] if i else None
                clips.append(
                    planted_clip(f"{split}{d}-{i}", "", sound, None, label, split, f"{split}{d}", i)
                )
    layout, errors = planted("regression", clips), {}
    for setting in ("utterance", "conversation"):
        changes = small | {
            "modalities": "audio",
            "setting": setting,
            "context_clips": 1,
            "epochs": 10,
        }
        changes |= {
            "dropout": 0.0,
            "batch_size": 16,
            "sgfi": False,
            "contrastive": False,
            "multi_task": False,
        }
        config = override(TrainConfig("planted"), changes)
        train(config, open_data(layout, "planted"), tmp_path / setting, CPU)
        result = evaluate(load_run(tmp_path / setting, CPU), layout, "test", CPU)
        errors[setting] = result.scores["MAE"].value
    assert errors["conversation"] < 0.5 * errors["utterance"], errors


def test_a_dataset_without_dialogues_is_refused(
    planted: Callable[..., CacheLayout], planted_clip: Any, small: dict[str, Any], tmp_path: Path
) -> None:
    frames = np.ones((1, 8))
    layout = planted(
        "regression", [planted_clip(s, "", frames, frames, [0.0], s) for s in ("train", "valid")]
    )
    config = override(
        TrainConfig("planted"), small | {"setting": "conversation", "modalities": "audio"}
    )
    with pytest.raises(
        TrainError, match=r"no train clip of planted has a clip before it.*use setting=utterance"
    ):
        train(config, open_data(layout, "planted"), tmp_path, CPU)
