"""Models of dialogues in the training loop: what they learn, what is scored, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from support.dialogues import TASK, planted_dialogues
from support.planted import write_corpus

from semanticmac.cache.layout import CacheLayout
from semanticmac.core import Task
from semanticmac.eval.eval_data import EvalData
from semanticmac.eval.evaluate import evaluate
from semanticmac.inference import ALONE, Prediction, Predictor
from semanticmac.model.registry import DIALOGUE_MODELS
from semanticmac.preprocess.clip import Clip
from semanticmac.preprocess.embed import EmbeddedClip
from semanticmac.run.weights import load_run
from semanticmac.train.callbacks import Callbacks
from semanticmac.train.config import TrainConfig, with_name
from semanticmac.train.data import TrainError, open_data, with_dialogue
from semanticmac.train.loop import train
from semanticmac.train.overrides import override

CPU = torch.device("cpu")
SIZES: dict[str, dict[str, Any]] = {
    "bc-lstm": {"hidden": 16, "dense": 8},
    "dialogue-rnn": {
        "input_width": 16,
        "global_hidden": 32,
        "party_hidden": 32,
        "emotion_hidden": 32,
        "out_hidden": 32,
    },
    "dialogue-gcn": {"input_width": 16, "context_hidden": 32, "graph_hidden": 32},
    "cogmen": {
        "input_width": 16,
        "layers": 1,
        "heads": 4,
        "feed_forward": 64,
        "graph_hidden": 16,
        "graph_heads": 2,
    },
    "sdt": {"hidden": 32, "heads": 4},
}


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> CacheLayout:
    return write_corpus(tmp_path_factory.mktemp("cache"), TASK, planted_dialogues((100, 20, 30)))


def make_config(name: str, **changes: Any) -> TrainConfig:
    settings = {"modalities": "audio", "batch_size": 8, "lr_rest": 0.005, "dropout": 0.0}
    return override(with_name("planted", name), settings | SIZES.get(name, {}) | changes)


def accuracy(layout: CacheLayout, config: TrainConfig, run: Path) -> float:
    train(config, open_data(layout, "planted"), run, CPU)
    value = evaluate(load_run(run, CPU), layout, "test", CPU).scores["Accuracy"].value
    assert value is not None
    return value


@pytest.mark.parametrize("name", ["dialogue-rnn", "dialogue-gcn", "cogmen", "sdt"])
def test_learns_what_the_other_speaker_said_last(
    name: str, layout: CacheLayout, tmp_path: Path
) -> None:
    """The target alone shows nothing of its label, and the utterance before is often one's own."""
    assert accuracy(layout, make_config(name, epochs=15), tmp_path / name) > 0.8


def test_a_model_that_reads_clips_learns_nothing_of_it(layout: CacheLayout, tmp_path: Path) -> None:
    assert accuracy(layout, make_config("audio", epochs=15), tmp_path / "audio") < 0.65


@pytest.mark.parametrize("name", sorted(DIALOGUE_MODELS))
def test_every_kind_of_task_is_trained_and_scored_in_the_order_of_the_manifest(
    name: str, tmp_path: Path
) -> None:
    tasks = {
        "regression": (Task("regression"), lambda i: [float(i % 5 - 2)]),
        "binary": (Task("binary", ("no", "yes")), lambda i: [float(i % 2)]),
        "multi-label": (Task("multi-label", ("a", "b")), lambda i: [float(i % 2), 1.0]),
    }
    kind, (task, label) = list(tasks.items())[sorted(DIALOGUE_MODELS).index(name) % 3]
    clips = []
    for number, clip in enumerate(planted_dialogues((6, 3, 3))):
        has_audio = number % 4 != 1
        frames = clip.audio if has_audio else None
        clips.append(replace(clip, label=label(number), audio=frames))
    # The manifest lists the utterances of all dialogues in turn.
    order = np.random.default_rng(0).permutation(len(clips))
    layout = write_corpus(tmp_path / "cache", task, [clips[i] for i in order])
    changes = {"modalities": "audio,vision", "epochs": 1, "dialogue_window": 4}
    config = make_config(name, dialogue_overlap=1, future=1, modality_dropout=0.3, **changes)
    notes: list[str] = []
    data = open_data(layout, "planted")
    train(config, data, tmp_path / "run", CPU, Callbacks(on_note=notes.append))
    assert any("9 dialogues are read in windows that share 1" in note for note in notes), notes
    trained = load_run(tmp_path / "run", CPU)
    result = evaluate(trained, layout, "test", CPU)
    rows = data.manifest.split("test")
    assert result.predictions.clip_ids == tuple(row.clip_id for row in rows)
    expected = [row.label for row in rows]
    np.testing.assert_array_equal(result.predictions.truth, np.array(expected))
    assert np.isfinite(result.predictions.multimodal).all()
    assert any("(future=1)" in note for note in result.notes), kind


def test_the_future_stands_beside_the_scores(layout: CacheLayout, tmp_path: Path) -> None:
    notes: list[str] = []
    config = make_config("bc-lstm", epochs=1)
    data = open_data(layout, "planted")
    train(config, data, tmp_path / "run", CPU, Callbacks(on_note=notes.append))
    sentence = "reads the dialogue before each target, and nothing after it (future=0)"
    # In one dialogue a single speaker speaks, so that no utterance of it has a label.
    assert f"119 dialogues of 595 utterances; the model {sentence}" in notes
    result = evaluate(load_run(tmp_path / "run", CPU), layout, "test", CPU)
    assert sentence in result.notes


def test_other_speakers_are_other_data(tmp_path: Path) -> None:
    clips = planted_dialogues((4, 2, 2))
    digests = set()
    for number, speaker in enumerate(("A", "B")):
        changed = [replace(clip, speaker=speaker) if clip.position == 1 else clip for clip in clips]
        layout = write_corpus(tmp_path / str(number), TASK, changed)
        data = with_dialogue(open_data(layout, "planted"), make_config("sdt").model)
        digests.add(data.digest)
    assert len(digests) == 2


def test_a_dataset_without_dialogues_is_refused(tmp_path: Path) -> None:
    clips = [replace(clip, dialogue=None) for clip in planted_dialogues((4, 2, 2))]
    layout = write_corpus(tmp_path / "cache", TASK, clips)
    message = "the model sdt reads dialogues, but no train clip of planted has another clip"
    with pytest.raises(TrainError, match=message):
        train(make_config("sdt"), open_data(layout, "planted"), tmp_path / "run", CPU)


def test_compile_is_refused(layout: CacheLayout, tmp_path: Path) -> None:
    config = make_config("sdt", compile=True)
    with pytest.raises(TrainError, match="compile=true: the model sdt reads dialogues"):
        train(config, open_data(layout, "planted"), tmp_path / "run", CPU)


def test_clips_without_dialogue_or_speaker_are_said(tmp_path: Path) -> None:
    clips = planted_dialogues((4, 2, 2))
    clips[5] = replace(clips[5], dialogue=None)
    clips[6] = replace(clips[6], speaker=None)
    clips = [replace(clip, label=clip.label or [1.0, 0.0]) for clip in clips]
    layout = write_corpus(tmp_path / "cache", TASK, clips)
    notes: list[str] = []
    config = make_config("bc-lstm", epochs=1)
    data = open_data(layout, "planted")
    train(config, data, tmp_path / "run", CPU, Callbacks(on_note=notes.append))
    assert "1 clip has no dialogue or no position: each is read alone" in notes
    assert any(note.startswith("1 utterance has no speaker") for note in notes)


def test_a_clip_alone_is_predicted_as_a_dialogue_of_one(
    layout: CacheLayout, tmp_path: Path
) -> None:
    """As the first utterance of a cached dialogue, and the remark says so."""
    config = make_config("sdt", epochs=1)
    train(config, open_data(layout, "planted"), tmp_path / "run", CPU)
    trained = load_run(tmp_path / "run", CPU)
    data = EvalData.open(trained, layout, CPU)
    rows = data.manifest.split("test")
    first = rows[0]
    assert first.position == 0
    clip = Clip(first.clip_id, Path("clip.mp4"), text=first.text)
    embedded = EmbeddedClip(clip, data.reader.get(first.key))
    prediction = Predictor(trained, [], CPU).predict_embedded(embedded)
    assert isinstance(prediction, Prediction)
    assert ALONE in prediction.notes
    of_cache = data.predict(rows).multimodal[0]
    np.testing.assert_allclose(prediction.score, of_cache, atol=1e-5)


def test_modalities_can_be_left_out_at_evaluation(layout: CacheLayout, tmp_path: Path) -> None:
    config = make_config("cogmen", modalities="audio,vision", epochs=1)
    train(config, open_data(layout, "planted"), tmp_path / "run", CPU)
    trained = load_run(tmp_path / "run", CPU)
    whole, without = (evaluate(trained, layout, "test", CPU, drop) for drop in ((), ("audio",)))
    assert not np.allclose(whole.predictions.multimodal, without.predictions.multimodal)
    assert not without.predictions.present[:, 1].any()


@pytest.mark.parametrize("changes", [{}, {"freeze_language": True}, {"lora_rank": 2}], ids=str)
def test_texts_in_chunks_train_the_same_model(
    changes: dict[str, Any], families: dict[str, str], tmp_path: Path
) -> None:
    """The language model is trained as a whole, frozen, or by LoRA."""
    layout = write_corpus(tmp_path / "cache", TASK, planted_dialogues((6, 2, 2)))
    data = open_data(layout, "planted")
    fixed = {"modalities": "text", "language": families["still"], "max_tokens": 16, "epochs": 2}
    weights = []
    for size in (0, 3):
        config = make_config("bc-lstm", **fixed, language_batch=size, **changes)
        train(config, data, tmp_path / str(size), CPU)
        weights.append(load_file(tmp_path / str(size) / "model.safetensors"))
    assert weights[0].keys() == weights[1].keys()
    assert any(name.startswith("language.") for name in weights[0])
    for name, values in weights[0].items():
        torch.testing.assert_close(weights[1][name], values, rtol=1e-3, atol=1e-4)
