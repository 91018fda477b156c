"""ImageBind weights in a file: reading the official state dict's vision and audio encoders, and writing the same keys.

A state dict tells widths and depths by its shapes, but not the number of attention heads. Shapes of
the official model have the official heads; any other file says its own, either in safetensors
metadata or in a small JSON file beside it (`weights.pth` → `weights.json`): {"vision_heads": 4,
"audio_heads": 4}.
"""

from __future__ import annotations

import json
import math
import pickle
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from semanticmac.preprocess.encoders.imagebind.network import (
    HUGE,
    PATCH_PX,
    ImageBind,
    ImageBindConfig,
    TowerConfig,
)

SUFFIXES = (".pth", ".pt", ".safetensors")
_VISION_KERNEL = "modality_preprocessors.vision.rgbt_stem.proj.1.weight"
_POSITIONS = "modality_preprocessors.{}.pos_embedding_helper.pos_embed"
_OFFICIAL = (  # our name within a modality → the official one; the first that matches
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


class CheckpointError(Exception):
    """A weight file that cannot be used; the message says what came, what was expected and what to do."""


def official_name(name: str) -> str:
    """The official key of one of our parameters: "vision.head.weight" → "modality_heads.vision.2.weight"."""
    modality, rest = name.split(".", 1)
    if rest == "patches.weight":  # the vision stem counts its padding to two frames as layer 0
        layer = "proj.1" if modality == "vision" else "proj"
        return f"modality_preprocessors.{modality}.rgbt_stem.{layer}.weight"
    for pattern, official in _OFFICIAL:
        if re.match(pattern, rest):
            return re.sub(pattern, official.format(m=modality), rest, count=1)
    raise AssertionError(f"no official name for {name}")


def read_checkpoint(path: Path) -> ImageBind:
    """The vision and audio encoders of a .pth, .pt or .safetensors file with the official keys, in float32.

    A .pth is mapped into memory, not read: what is float32 already is used in place, page by page,
    so the official 4.5 GB are never held twice and the other four modalities never touched. Raises
    CheckpointError.
    """
    tensors, heads = (
        _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    )
    try:
        config = _config(tensors, heads, path)
        with torch.device(
            "meta"
        ):  # no memory and no random numbers for weights that are about to be replaced
            model = ImageBind(config)
        weights = {
            name: _tensor(tensors, name, slot, path) for name, slot in model.named_parameters()
        }
    except KeyError as missing:
        known = ", ".join(sorted(tensors)[:3]) or "nothing"
        raise CheckpointError(
            f"{path} has no tensor {missing}: it is not an ImageBind state dict, or its keys were renamed (it begins "
            f"with {known}). Expected the keys of the official imagebind_huge.pth, at the top level."
        ) from None
    model.load_state_dict(weights, assign=True)
    return model.eval().requires_grad_(False)


def write_checkpoint(model: ImageBind, path: Path, dtype: torch.dtype = torch.float32) -> None:
    """Writes both encoders as .safetensors under the official keys, with the heads in its metadata."""
    tensors = {}
    for name, weight in model.state_dict().items():
        if name == "vision.patches.weight":  # one half a frame; reading sums them again
            # (d, 3, 14, 14) → (d, 3, 2, 14, 14)
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
    towers = {}
    for modality in ("vision", "audio"):
        width = tensors[f"modality_preprocessors.{modality}.cls_token"].shape[-1]
        block = re.compile(rf"modality_trunks\.{modality}\.blocks\.(\d+)\.")
        blocks = 1 + max(
            (int(found[1]) for key in tensors if (found := block.match(key))), default=0
        )
        towers[modality] = TowerConfig(width, blocks, heads=1)
    output = tensors["modality_heads.vision.2.weight"].shape[0]
    side = math.isqrt(tensors[_POSITIONS.format("vision")].shape[1] - 1) * PATCH_PX
    shapes = ImageBindConfig(towers["vision"], towers["audio"], output, side)
    if shapes == replace(
        HUGE, vision=replace(HUGE.vision, heads=1), audio=replace(HUGE.audio, heads=1)
    ):
        heads = {"vision_heads": HUGE.vision.heads, "audio_heads": HUGE.audio.heads, **heads}
    try:
        vision = replace(shapes.vision, heads=int(str(heads["vision_heads"])))
        return replace(
            shapes, vision=vision, audio=replace(shapes.audio, heads=int(str(heads["audio_heads"])))
        )
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise CheckpointError(
            f"{path} does not say with how many attention heads it was trained ({error}), and shapes do not tell. "
            f'Write {path.with_suffix(".json").name} beside it: {{"vision_heads": 16, "audio_heads": 12}}, with your '
            f"numbers; widths here are {shapes.vision.width} and {shapes.audio.width}."
        ) from None


def _tensor(tensors: Mapping[str, Tensor], name: str, slot: Tensor, path: Path) -> Tensor:
    """The file's tensor for one of our parameters, the vision kernel summed over its two frames."""
    key = official_name(name)
    tensor = tensors[key]
    expected = tuple(slot.shape)
    if key == _VISION_KERNEL:
        expected = (*expected[:2], 2, *expected[2:])  # (d, 3, 2, 14, 14)
    if tuple(tensor.shape) != expected or not tensor.is_floating_point():
        raise CheckpointError(
            f"{path}: {key} is {tensor.dtype} {tuple(tensor.shape)}, expected float {expected}, as the file's other "
            f"tensors have it. The file mixes two models or was cut to pieces; get it again."
        )
    return tensor.float().sum(dim=2) if key == _VISION_KERNEL else tensor.float()


def _read_pickle(path: Path) -> tuple[dict[str, Tensor], dict[str, object]]:
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            raise CheckpointError(
                f"{path} is no file that torch.save wrote: since torch 1.6 these are zip archives"
            )
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} holds more than tensors ({str(error).splitlines()[0]}). Unpickling it could run code from the "
            f"file, so it is refused; save its state dict alone: torch.save(model.state_dict(), …)."
        ) from error
    except (RuntimeError, OSError, EOFError) as error:
        raise CheckpointError(
            f"{path} ends too early or is damaged ({path.stat().st_size:,} bytes): {str(error).splitlines()[0]}. "
            f"Delete it and get it again."
        ) from error
    if not isinstance(loaded, dict):
        raise CheckpointError(
            f"{path} holds a {type(loaded).__name__}, expected a state dict: key → tensor"
        )
    heads = path.with_suffix(".json")
    return {key: t for key, t in loaded.items() if isinstance(t, Tensor)}, _heads(
        heads
    ) if heads.exists() else {}


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, object]]:
    wanted = re.compile(r"modality_\w+\.(vision|audio)\.")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys() if wanted.match(key)}  # noqa: SIM118
            metadata = dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} ends too early or is damaged: {error}. Delete it and get it again."
        ) from error
    heads = path.with_suffix(".json")
    return tensors, metadata | (_heads(heads) if heads.exists() else {})


def _heads(path: Path) -> dict[str, object]:
    try:
        return dict(json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise CheckpointError(
            f'{path} must be {{"vision_heads": …, "audio_heads": …}}, and is not: {error}'
        ) from None
