"""Reads and writes ImageBind's vision and audio encoders under the keys of the official state dict.

The shapes of a state dict give widths and depths, but not the number of attention heads. The shapes
of the official model imply the official heads. Any other file states its heads, either in the
metadata of safetensors or in a JSON file beside it (`weights.pth` → `weights.json`):
{"vision_heads": 4, "audio_heads": 4}.
"""

from __future__ import annotations

import json
import math
import pickle
import re
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from semanticmac.preprocess.encoders.imagebind.names import CheckpointError
from semanticmac.preprocess.encoders.imagebind.network import (
    HUGE,
    PATCH_PX,
    ImageBind,
    ImageBindConfig,
    TowerConfig,
)

# Ample for ViT-G; more would take minutes to build before it is refused.
MAX_BLOCKS, MAX_WIDTH = 256, 16_384
_VISION_KERNEL = "modality_preprocessors.vision.rgbt_stem.proj.1.weight"
_POSITIONS = "modality_preprocessors.{}.pos_embedding_helper.pos_embed"
# Our name within a modality → the official name. The first pattern that matches counts.
_OFFICIAL = (
    (r"cls_token", r"modality_preprocessors.{m}.cls_token"),
    (r"positions", r"modality_preprocessors.{m}.pos_embedding_helper.pos_embed"),
    (r"patch_norm\.", r"modality_preprocessors.{m}.rgbt_stem.norm_layer."),
    (r"first_norm\.", r"modality_trunks.{m}.pre_transformer_layer.0."),
    (r"head_norm\.", r"modality_heads.{m}.0."),
    (r"head\.", r"modality_heads.{m}.2."),
    (r"blocks\.(\d+)\.attention\.in_proj\.", r"modality_trunks.{m}.blocks.\1.attn.in_proj_"),
    (r"blocks\.(\d+)\.attention\.", r"modality_trunks.{m}.blocks.\1.attn."),
    (r"blocks\.(\d+)\.fc", r"modality_trunks.{m}.blocks.\1.mlp.fc"),
    (r"blocks\.(\d+)\.", r"modality_trunks.{m}.blocks.\1."),
)


def official_name(name: str) -> str:
    """The official key of our parameter: vision.head.weight → modality_heads.vision.2.weight."""
    modality, rest = name.split(".", 1)
    if rest == "patches.weight":
        # Layer 0 of the official vision stem repeats the picture to two frames.
        layer = "proj.1" if modality == "vision" else "proj"
        return f"modality_preprocessors.{modality}.rgbt_stem.{layer}.weight"
    for pattern, official in _OFFICIAL:
        if re.match(pattern, rest):
            return re.sub(pattern, official.format(m=modality), rest, count=1)
    raise AssertionError(f"no official name for {name}")


def read_checkpoint(path: Path) -> ImageBind:
    """Reads both encoders, in float32, from a .pth, .pt or .safetensors file with official keys.

    A .pth is mapped into memory. Its float32 tensors are used in place, page by page, so that the
    official 4.5 GB are never held twice and the other four modalities are never read. Raises
    CheckpointError.
    """
    if path.suffix == ".safetensors":
        tensors, heads = _read_safetensors(path)
    else:
        tensors, heads = _read_pickle(path)

    try:
        config = _config(tensors, heads, path)
        _check_size(config, tensors, path)
        # On "meta": no memory and no random numbers for weights that are replaced at once.
        with torch.device("meta"):
            model = ImageBind(config)
        weights = {}
        for name, slot in model.named_parameters():
            weights[name] = _tensor(tensors, name, slot, path)
    except KeyError as missing:
        known = ", ".join(sorted(tensors)[:3]) or "nothing"
        raise CheckpointError(
            f"{path} has no tensor {missing}: it is not an ImageBind state dict, or its keys were "
            f"renamed (it begins with {known}). Expected the keys of the official "
            "imagebind_huge.pth, at the top level."
        ) from None
    for name, weight in weights.items():
        if not bool(weight.isfinite().all()):
            raise CheckpointError(
                f"{path}: {official_name(name)} holds NaN or infinite numbers, so every embedding "
                "would be meaningless. Get the file again."
            )
    model.load_state_dict(weights, assign=True)
    return model.eval().requires_grad_(False)


def write_checkpoint(model: ImageBind, path: Path, dtype: torch.dtype = torch.float32) -> None:
    """Writes both encoders as .safetensors with official keys and the heads in the metadata."""
    tensors = {}
    for name, weight in model.state_dict().items():
        if name == "vision.patches.weight":
            # One half per frame, because reading sums the two frames:
            # (d, 3, 14, 14) → (d, 3, 2, 14, 14).
            weight = (weight / 2).unsqueeze(2).repeat(1, 1, 2, 1, 1)
        tensors[official_name(name)] = weight.detach().to("cpu", dtype).contiguous()
    heads = {
        "vision_heads": str(model.config.vision.heads),
        "audio_heads": str(model.config.audio.heads),
    }
    aside = path.with_name(path.name + ".part")
    save_file(tensors, aside, metadata=heads)
    aside.replace(path)


def _config(
    tensors: Mapping[str, Tensor], heads: Mapping[str, object], path: Path
) -> ImageBindConfig:
    """The sizes of the model in the file. Raises CheckpointError if the heads are unknown."""
    vision = _tower_config(tensors, "vision")
    audio = _tower_config(tensors, "audio")
    output = tensors["modality_heads.vision.2.weight"].shape[0]
    side = math.isqrt(tensors[_POSITIONS.format("vision")].shape[1] - 1) * PATCH_PX
    config = ImageBindConfig(vision, audio, output, side)

    huge_vision = replace(HUGE.vision, heads=1)
    huge_audio = replace(HUGE.audio, heads=1)
    if config == replace(HUGE, vision=huge_vision, audio=huge_audio):
        official = {"vision_heads": HUGE.vision.heads, "audio_heads": HUGE.audio.heads}
        heads = {**official, **heads}
    try:
        vision = replace(vision, heads=int(str(heads["vision_heads"])))
        audio = replace(audio, heads=int(str(heads["audio_heads"])))
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise CheckpointError(
            f"{path} does not say with how many attention heads it was trained ({error}), and the "
            f"shapes do not tell. Write {path.with_suffix('.json').name} beside it: "
            '{"vision_heads": 16, "audio_heads": 12}, with your numbers; the widths here are '
            f"{vision.width} and {audio.width}."
        ) from None
    return replace(config, vision=vision, audio=audio)


def _check_size(config: ImageBindConfig, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Raises CheckpointError where the file does not hold as many blocks as its keys announce.

    A key `blocks.999999.` alone would otherwise build a million blocks.
    """
    for modality, tower in (("vision", config.vision), ("audio", config.audio)):
        prefix = f"modality_trunks.{modality}.blocks."
        present = sum(key.startswith(prefix) for key in tensors)
        if tower.blocks > min(present, MAX_BLOCKS) or tower.width > MAX_WIDTH:
            raise CheckpointError(
                f"{path} names {tower.blocks} {modality} blocks of width {tower.width} and holds "
                f"{present} tensors of blocks: expected at most {MAX_BLOCKS} blocks, each with its "
                f"tensors, and a width of at most {MAX_WIDTH}"
            )


def _tower_config(tensors: Mapping[str, Tensor], modality: str) -> TowerConfig:
    """Width and number of blocks by the shapes; the heads are unknown and set to 1."""
    width = tensors[f"modality_preprocessors.{modality}.cls_token"].shape[-1]
    pattern = re.compile(rf"modality_trunks\.{modality}\.blocks\.(\d+)\.")
    last_block = 0
    for key in tensors:
        match = pattern.match(key)
        if match:
            last_block = max(last_block, int(match[1]))
    return TowerConfig(width, blocks=last_block + 1, heads=1)


def _tensor(tensors: Mapping[str, Tensor], name: str, slot: Tensor, path: Path) -> Tensor:
    """The tensor for one of our parameters; the vision kernel is summed over its two frames."""
    key = official_name(name)
    tensor = tensors[key]
    expected = tuple(slot.shape)
    if key == _VISION_KERNEL:
        expected = (*expected[:2], 2, *expected[2:])  # (d, 3, 2, 14, 14)
    if tuple(tensor.shape) != expected or not tensor.is_floating_point():
        raise CheckpointError(
            f"{path}: {key} is {tensor.dtype} {tuple(tensor.shape)}, expected float {expected}, "
            "as the other tensors of the file imply. The file mixes two models or is incomplete; "
            "get it again."
        )
    return tensor.float().sum(dim=2) if key == _VISION_KERNEL else tensor.float()


def _read_pickle(path: Path) -> tuple[dict[str, Tensor], dict[str, object]]:
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            raise CheckpointError(
                f"{path} is no file that torch.save wrote: since torch 1.6 these are zip archives"
            )
    try:
        if _is_torchscript(path):
            raise CheckpointError(
                f"{path} is a TorchScript program (torch.jit.save), which is code and is not run "
                "here. Save its weights alone: torch.save(model.state_dict(), …)."
            )
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} holds more than tensors ({str(error).splitlines()[0]}). Reading it could run "
            "code from the file, so it is refused. Save its state dict alone: "
            "torch.save(model.state_dict(), …)."
        ) from error
    except CheckpointError:
        raise
    except Exception as error:
        # The reader of a damaged file can raise nearly anything: RuntimeError, KeyError, TypeError.
        first_line, *_ = [*str(error).splitlines(), ""]
        raise CheckpointError(
            f"{path} ends too early or is damaged ({path.stat().st_size:,} bytes): "
            f"{type(error).__name__}: {first_line}. Delete it and get it again."
        ) from error
    if not isinstance(loaded, dict):
        raise CheckpointError(
            f"{path} holds a {type(loaded).__name__}, expected a state dict: key → tensor"
        )
    tensors = {key: value for key, value in loaded.items() if isinstance(value, Tensor)}
    return tensors, _heads_beside(path)


def _is_torchscript(path: Path) -> bool:
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, object]]:
    wanted = re.compile(r"modality_\w+\.(vision|audio)\.")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {}
            for key in filter(wanted.match, file.keys()):
                tensors[key] = file.get_tensor(key)
            metadata = dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} ends too early or is damaged: {error}. Delete it and get it again."
        ) from error
    return tensors, metadata | _heads_beside(path)


def _heads_beside(path: Path) -> dict[str, object]:
    """The heads in the JSON file beside the weights, empty if there is none."""
    heads = path.with_suffix(".json")
    if not heads.exists():
        return {}
    try:
        return dict(json.loads(heads.read_text()))
    except (ValueError, TypeError) as error:
        raise CheckpointError(
            f'{heads} must be {{"vision_heads": …, "audio_heads": …}}, and is not: {error}'
        ) from None
