"""Weight files: written and read back, official layouts, and errors for every defect."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from semanticmac.preprocess.encoders.imagebind import checkpoint
from semanticmac.preprocess.encoders.imagebind.checkpoint import (
    official_name,
    read_checkpoint,
    write_checkpoint,
)
from semanticmac.preprocess.encoders.imagebind.encoder import weights_digest
from semanticmac.preprocess.encoders.imagebind.names import CheckpointError
from semanticmac.preprocess.encoders.imagebind.network import (
    HUGE,
    ImageBind,
    ImageBindConfig,
    TowerConfig,
    draw_weights,
)

SMALL = ImageBindConfig(TowerConfig(16, 2, 2), TowerConfig(12, 2, 3), output=8, picture_px=28)
KERNEL = "modality_preprocessors.vision.rgbt_stem.proj.1.weight"
HEADS = {"vision_heads": 2, "audio_heads": 3}


@pytest.fixture
def model() -> ImageBind:
    model = ImageBind(SMALL)
    draw_weights(model, 1)
    with (
        torch.no_grad()
    ):  # the draw leaves norms and biases at 1 and 0, where a swap of two would not show
        for weight in model.parameters():
            weight += torch.rand(weight.shape)
    return model


@pytest.fixture
def official(model: ImageBind, tmp_path: Path) -> dict[str, Tensor]:
    """The model's state dict under the official keys."""
    write_checkpoint(model, tmp_path / "small.safetensors")
    return load_file(tmp_path / "small.safetensors")


def write_pth(state: object, folder: Path, heads: dict[str, int] | None = HEADS) -> Path:
    torch.save(state, folder / "model.pth")
    if heads is not None:
        (folder / "model.json").write_text(json.dumps(heads))
    return folder / "model.pth"


def test_a_written_checkpoint_is_read_back_to_the_bit(model: ImageBind, tmp_path: Path) -> None:
    write_checkpoint(model, tmp_path / "small.safetensors")
    back = read_checkpoint(tmp_path / "small.safetensors")
    assert back.config == SMALL
    assert weights_digest(back) == weights_digest(model)
    assert not any(weight.requires_grad for weight in back.parameters())


def test_a_half_precision_checkpoint_is_read_as_float32(model: ImageBind, tmp_path: Path) -> None:
    write_checkpoint(model, tmp_path / "small.safetensors", torch.float16)
    back = read_checkpoint(tmp_path / "small.safetensors")
    for ours, theirs in zip(back.parameters(), model.parameters(), strict=True):
        assert ours.dtype == torch.float32
        torch.testing.assert_close(ours.data, theirs.data, atol=2e-3, rtol=0)


def test_an_official_pth_is_read_and_other_modalities_are_ignored(
    model: ImageBind, official: dict[str, Tensor], tmp_path: Path
) -> None:
    others = {
        "modality_heads.imu.0.weight": torch.ones(3),
        "modality_postprocessors.audio.1.log_logit_scale": torch.ones(()),
    }
    back = read_checkpoint(write_pth(official | others, tmp_path))
    assert weights_digest(back) == weights_digest(model)


def test_official_names() -> None:
    with torch.device("meta"):
        ours = {
            official_name(name): tuple(slot.shape)
            for name, slot in ImageBind(HUGE).named_parameters()
        }
    expected = {
        "modality_preprocessors.vision.cls_token": (1, 1, 1280),
        "modality_preprocessors.audio.rgbt_stem.proj.weight": (768, 1, 16, 16),
        "modality_preprocessors.audio.rgbt_stem.norm_layer.bias": (768,),
        "modality_preprocessors.vision.pos_embedding_helper.pos_embed": (1, 257, 1280),
        "modality_preprocessors.audio.pos_embedding_helper.pos_embed": (1, 229, 768),
        "modality_trunks.vision.pre_transformer_layer.0.weight": (1280,),
        "modality_trunks.vision.blocks.31.attn.in_proj_weight": (3840, 1280),
        "modality_trunks.vision.blocks.0.attn.out_proj.bias": (1280,),
        "modality_trunks.audio.blocks.11.attn.bias_k": (1, 1, 768),
        "modality_trunks.audio.blocks.11.mlp.fc1.weight": (3072, 768),
        "modality_trunks.vision.blocks.5.norm_2.bias": (1280,),
        "modality_heads.vision.0.weight": (1280,),
        "modality_heads.audio.2.weight": (1024, 768),
    }
    assert {name: ours[name] for name in expected} == expected
    assert len(ours) == 2 * (2 + 1 + 2 + 3) + 32 * 12 + 12 * 14


def test_a_missing_tensor_is_named(official: dict[str, Tensor], tmp_path: Path) -> None:
    del official["modality_trunks.audio.blocks.1.norm_2.bias"]
    with pytest.raises(
        CheckpointError,
        match=r"no tensor 'modality_trunks.audio.blocks.1.norm_2.bias'.*Expected the keys",
    ):
        read_checkpoint(write_pth(official, tmp_path))


@pytest.mark.parametrize("prefix", ["module.", None])
def test_renamed_keys_are_shown(
    official: dict[str, Tensor], tmp_path: Path, prefix: str | None
) -> None:
    state = (
        {"model": official}
        if prefix is None
        else {prefix + key: tensor for key, tensor in official.items()}
    )
    with pytest.raises(
        CheckpointError, match=r"keys were renamed \(it begins with (module\.modality_|nothing)"
    ):
        read_checkpoint(write_pth(state, tmp_path))


@pytest.mark.parametrize("key", [KERNEL, "modality_trunks.vision.blocks.0.mlp.fc2.weight"])
def test_a_wrong_shape_is_named(official: dict[str, Tensor], tmp_path: Path, key: str) -> None:
    official[key] = official[key][:-1]
    with pytest.raises(
        CheckpointError, match=rf"{key} is torch.float32 \(15, .*expected float \(16, "
    ):
        read_checkpoint(write_pth(official, tmp_path))


def test_heads_must_be_told(official: dict[str, Tensor], tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError,
        match=r"\('vision_heads'\).*Write model.json beside it.*widths here are 16 and 12",
    ):
        read_checkpoint(write_pth(official, tmp_path, heads=None))
    with pytest.raises(CheckpointError, match="width=16 must be divisible by heads=5"):
        read_checkpoint(write_pth(official, tmp_path, heads={"vision_heads": 5, "audio_heads": 3}))
    (tmp_path / "model.json").write_text("[4, 4]")
    with pytest.raises(CheckpointError, match=r"model\.json must be \{\"vision_heads\""):
        read_checkpoint(tmp_path / "model.pth")


@pytest.mark.parametrize("keep", [0, 3, 1000, -1000])
def test_a_truncated_pth_is_refused(official: dict[str, Tensor], tmp_path: Path, keep: int) -> None:
    path = write_pth(official, tmp_path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(
        CheckpointError, match=r"ends too early or is damaged|no file that torch.save wrote"
    ):
        read_checkpoint(path)


@pytest.mark.parametrize("keep", [0, 100, -100])
def test_a_truncated_safetensors_is_refused(
    official: dict[str, Tensor], tmp_path: Path, keep: int
) -> None:
    path = tmp_path / "small.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="ends too early or is damaged"):
        read_checkpoint(path)


class Code:
    """What a hostile pickle holds: a call that unpickling would make."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.marker),)


def test_a_pickle_that_holds_code_is_refused_and_not_run(
    official: dict[str, Tensor], tmp_path: Path
) -> None:
    path = write_pth({**official, "extra": Code(tmp_path / "ran")}, tmp_path)
    with pytest.raises(CheckpointError, match=r"holds more than tensors.*it is refused"):
        read_checkpoint(path)
    assert not (tmp_path / "ran").exists()


def test_a_file_that_is_no_state_dict_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="holds a list, expected a state dict"):
        read_checkpoint(write_pth([1, 2], tmp_path))
    (tmp_path / "page.pth").write_text("<html>")
    with pytest.raises(CheckpointError, match=r"page\.pth is no file that torch\.save wrote"):
        read_checkpoint(tmp_path / "page.pth")


def test_a_torchscript_program_is_refused_by_name(tmp_path: Path) -> None:
    program = torch.jit.trace(torch.nn.Linear(2, 2), torch.ones(1, 2))  # type: ignore[no-untyped-call]
    torch.jit.save(program, tmp_path / "model.pth")  # type: ignore[no-untyped-call]
    with pytest.raises(CheckpointError, match="is a TorchScript program"):
        read_checkpoint(tmp_path / "model.pth")


@pytest.mark.parametrize("block", [255, 10**9])
def test_blocks_that_the_file_does_not_hold_are_never_built(
    official: dict[str, Tensor], tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    official[f"modality_trunks.vision.blocks.{block}.norm_2.bias"] = torch.ones(16)
    monkeypatch.setattr(checkpoint, "ImageBind", None)
    with pytest.raises(CheckpointError, match=rf"names {block + 1} vision blocks of width 16"):
        read_checkpoint(write_pth(official, tmp_path))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(
    official: dict[str, Tensor], tmp_path: Path, value: float
) -> None:
    key = "modality_trunks.audio.blocks.1.norm_2.bias"
    official[key][3] = value
    with pytest.raises(CheckpointError, match=rf"{key} holds NaN or infinite numbers"):
        read_checkpoint(write_pth(official, tmp_path))


def test_a_cut_safetensors_of_the_middle_is_refused(
    official: dict[str, Tensor], tmp_path: Path
) -> None:
    path = tmp_path / "small.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(CheckpointError, match="ends too early or is damaged"):
        read_checkpoint(path)
