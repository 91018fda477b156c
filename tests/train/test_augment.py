"""What is dropped depends on clip and epoch alone; prediction leaves modalities out by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from semanticmac.cache.batch import Batch
from semanticmac.cache.layout import CacheLayout
from semanticmac.core import MODALITIES
from semanticmac.eval.evaluate import evaluate
from semanticmac.model.config import ModelConfig
from semanticmac.model.language.tokenizer import Tokenizer
from semanticmac.run.folder import RunError
from semanticmac.run.weights import load_run
from semanticmac.train.augment import ModalityDropout, dropout_draw
from semanticmac.train.batches import BatchReader
from semanticmac.train.config import ConfigError, ConflictError, TrainConfig
from semanticmac.train.data import open_data
from semanticmac.train.distributed import SINGLE_PROCESS
from semanticmac.train.loop import train
from semanticmac.train.overrides import override
from semanticmac.train.pseudo_labels import PseudoLabels

CPU = torch.device("cpu")
SUBSETS = [names for n in (1, 2, 3) for names in combinations(MODALITIES, n)]


def batch_of(present: torch.Tensor, rows: torch.Tensor) -> Batch:
    """present (B, 3): two real tokens or frames, or none."""
    masks = present[:, :, None].expand(-1, -1, 2)
    frames = torch.zeros(len(present), 2, 8)
    ids, labels = torch.zeros(len(present), 2, dtype=torch.int64), torch.zeros(len(present), 1)
    names = tuple(map(str, rows.tolist()))
    return Batch(names, rows, ids, masks[:, 0], frames, masks[:, 2], frames, masks[:, 1], labels)


def dropped(batch: Batch, rate: float, draw: torch.Tensor, used: tuple[str, ...]) -> Batch:
    is_read = torch.tensor([name in used for name in MODALITIES])
    return ModalityDropout(rate, draw, is_read)(batch)


def present_in(batch: Batch) -> torch.Tensor:
    return torch.stack(
        [mask.any(1) for mask in (batch.token_mask, batch.audio_mask, batch.vision_mask)], dim=1
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=12),
    st.floats(0, 0.99),
    st.sampled_from(SUBSETS),
    st.integers(0, 99),
)
def test_dropout_only_takes_away_and_never_everything(
    present: list[tuple[bool, bool, bool]], rate: float, used: tuple[str, ...], seed: int
) -> None:
    had, rows = torch.tensor(present), torch.randperm(len(present))
    draw = dropout_draw(len(present), seed, epoch=1)
    has = present_in(dropped(batch_of(had, rows), rate, draw, used))
    looked_at = had & torch.tensor([name in used for name in MODALITIES])
    assert not (has & ~had).any()
    assert torch.equal(has.logical_and(looked_at).any(1), looked_at.any(1))
    for i in range(len(present)):  # the rule of a clip does not know of its batch
        alone = present_in(dropped(batch_of(had[[i]], rows[[i]]), rate, draw, used))
        assert torch.equal(alone[0] & looked_at[i], has[i] & looked_at[i])
    if rate == 0:
        assert torch.equal(has & looked_at, looked_at)


def test_the_rate_is_kept_and_every_epoch_draws_anew() -> None:
    clips, rate = 20_000, 0.3
    batch = batch_of(torch.ones(clips, 3, dtype=torch.bool), torch.arange(clips))
    has = present_in(dropped(batch, rate, dropout_draw(clips, 1, 1), MODALITIES))
    # where all three would go, each of them is the one that stays as often
    expected = rate - rate**3 / 3
    np.testing.assert_allclose(1 - has.float().mean(0).numpy(), expected, atol=0.015)
    again = present_in(dropped(batch, rate, dropout_draw(clips, 1, 1), MODALITIES))
    other = present_in(dropped(batch, rate, dropout_draw(clips, 1, 2), MODALITIES))
    assert torch.equal(has, again) and not torch.equal(has, other)
    assert not torch.equal(dropout_draw(9, 1, 1), dropout_draw(9, 2, 1))


def test_a_bank_keeps_what_a_clip_said_before_a_modality_was_dropped() -> None:
    labels = PseudoLabels(torch.randn(4, 1), 3)
    first, second = torch.randn(1, 4, 3), torch.randn(1, 4, 3)
    labels.record(torch.tensor([2]), first, torch.tensor([[True, True, False]]))
    labels.record(torch.tensor([2]), second, torch.tensor([[True, False, False]]))
    assert torch.equal(
        labels.banks[:, 2], torch.stack([second[0, 0], second[0, 1], first[0, 2], torch.zeros(3)])
    )
    assert (
        labels.present[:, 2].tolist() == [True, True, True, False]
        and not labels.present[:, [0, 1, 3]].any()
    )


def run(layout: CacheLayout, folder: Path, settings_: dict[str, Any]) -> dict[str, torch.Tensor]:
    config = override(TrainConfig("planted"), settings_)
    train(config, open_data(layout, "planted"), folder, CPU)
    return load_file(folder / "model.safetensors")


def test_training_with_dropout_is_deterministic(
    planted: Callable[..., CacheLayout], small: dict[str, Any], tmp_path: Path
) -> None:
    layout, settings_ = planted(), small | {"modalities": "audio,vision", "modality_dropout": 0.5}
    first, second = run(layout, tmp_path / "1", settings_), run(layout, tmp_path / "2", settings_)
    assert all(torch.equal(first[name], second[name]) for name in first)
    without = run(layout, tmp_path / "3", settings_ | {"modality_dropout": 0.0})
    assert any(not torch.equal(first[name], without[name]) for name in first)
    with pytest.raises(ConfigError, match=r"modality_dropout=1.0 must be at least 0 and below 1"):
        override(TrainConfig("planted"), {"modality_dropout": 1.0})


@pytest.mark.parametrize("used", SUBSETS, ids="+".join)
def test_any_subset_is_trained_and_any_subset_of_it_predicted(
    used: tuple[str, ...],
    planted: Callable[..., CacheLayout],
    families: dict[str, str],
    small: dict[str, Any],
    tmp_path: Path,
) -> None:
    layout = planted()
    run(
        layout,
        tmp_path,
        small | {"modalities": ",".join(used), "language": families["bert"], "epochs": 1},
    )
    trained = load_run(tmp_path, CPU)
    whole = evaluate(trained, layout, "test", CPU)
    assert trained.info.model.modalities == used and whole.without == ()
    for name in used:
        if len(used) == 1:
            with pytest.raises(
                RunError, match="nothing is left of what this model was trained with"
            ):
                evaluate(trained, layout, "test", CPU, used)
            continue
        result = evaluate(trained, layout, "test", CPU, [name])
        column = MODALITIES.index(name)
        assert result.without == (name,) and not result.predictions.present[:, column].any()
        assert not np.array_equal(result.predictions.multimodal, whole.predictions.multimodal)
        assert result.write(tmp_path).name == f"eval-test-without-{name}.json"
        assert f"{name} was made absent in every clip" in result.notes
    with pytest.raises(RunError, match="there is no modality 'smell'"):
        evaluate(trained, layout, "test", CPU, ["smell"])


def batches_of(
    config: TrainConfig, layout: CacheLayout, epoch: int, finished_steps: int = 0
) -> list[Batch]:
    data = open_data(layout, "planted")
    tokenize = Tokenizer.load(config.model.language, 16)
    reader = BatchReader(config, data, tokenize, SINGLE_PROCESS, CPU)
    local = []
    for step in reader.train_steps(epoch, finished_steps):
        local += [batch.local for batch in step]
    return local


def test_corruption_belongs_to_clip_and_epoch(
    planted: Callable[..., CacheLayout], families: dict[str, str], small: dict[str, Any]
) -> None:
    layout = planted()
    settings_ = small | {"language": families["bert"], "corrupt": "same", "batch_size": 4}
    config = override(TrainConfig("planted"), settings_)

    def by_clip(batches: list[Batch]) -> dict[str, tuple[int, int, int]]:
        kept = {}
        for batch in batches:
            for number, clip_id in enumerate(batch.clip_ids):
                masks = (batch.token_mask, batch.audio_mask, batch.vision_mask)
                kept[clip_id] = tuple(int(mask[number].sum()) for mask in masks)
        return kept

    first = by_clip(batches_of(config, layout, 1))
    assert first == by_clip(batches_of(replace(config, batch_size=8), layout, 1))
    assert first != by_clip(batches_of(config, layout, 2))
    assert first != by_clip(batches_of(replace(config, seed=2), layout, 1))
    complete = by_clip(batches_of(replace(config, corrupt="none"), layout, 1))
    for name, counts in first.items():
        assert all(kept <= whole for kept, whole in zip(counts, complete[name], strict=True))
    # A resumed epoch reads the same batches.
    whole, rest = batches_of(config, layout, 1), batches_of(config, layout, 1, 2)
    for expected, batch in zip(whole[2:], rest, strict=True):
        assert torch.equal(expected.vision, batch.vision)
        assert torch.equal(expected.token_ids, batch.token_ids)


@pytest.mark.parametrize("protocol", ["own", "same", "modalities", "steps", "block"])
def test_training_with_corruption_is_deterministic_and_finite(
    protocol: str,
    planted: Callable[..., CacheLayout],
    families: dict[str, str],
    small: dict[str, Any],
    tmp_path: Path,
) -> None:
    layout = planted()
    settings_ = small | {"language": families["bert"], "epochs": 1}
    settings_ |= {"corrupt": protocol, "corrupt_rate": 0.99, "corrupt_words": "unk"}
    first, second = run(layout, tmp_path / "1", settings_), run(layout, tmp_path / "2", settings_)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert all(tensor.isfinite().all() for tensor in first.values())
    complete = run(layout, tmp_path / "3", settings_ | {"corrupt": "none"})
    assert any(not torch.equal(first[name], complete[name]) for name in first)


def test_a_model_that_drops_its_input_itself_is_not_corrupted_twice() -> None:
    config = TrainConfig("planted", model=ModelConfig(name="lnln"))
    with pytest.raises(ConflictError, match=r"missing_rate=1.0.*set missing_rate=0"):
        override(config, {"corrupt": "same"})
    assert override(config, {"corrupt": "same", "missing_rate": 0.0}).corrupt == "same"
