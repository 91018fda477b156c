"""Frozen transformers models: finds the folder, reads its configuration, loads and checks weights.

No code of a model's repository is ever run: the class comes from a fixed table, and weights are
safetensors or a `.bin` file that torch reads with `weights_only=True`.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import snapshot_download
from safetensors import SafetensorError
from torch import Tensor, nn

from semanticmac.hub import is_offline, quiet_transformers
from semanticmac.preprocess.encoders.imagebind.download import recorded_digest
from semanticmac.preprocess.encoders.imagebind.names import CheckpointError

# In the order in which they are looked for: one file, or the index of several.
WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
SETTINGS_FILES = ("config.json", "preprocessor_config.json", "processor_config.json")
# Entries that could load foreign code, kernels or another library for the weights.
UNSAFE_ENTRIES = (
    "auto_map",
    "quantization_config",
    "attn_implementation",
    "_attn_implementation",
    "_attn_implementation_internal",
)
# Parameters that only masked training reads. Some published checkpoints lack them.
UNUSED_PARAMETERS = ("masked_spec_embed", "mask_token")


@dataclass(frozen=True)
class Checkpoint:
    """The folder of a model, its configuration and the SHA-256 of its weights."""

    folder: Path
    config: dict[str, Any]
    files: tuple[Path, ...]  # of the weights

    @property
    def architecture(self) -> str:
        """The first class in `architectures`; empty where the file names none."""
        names = self.config.get("architectures") or [""]
        return str(names[0])

    def weights_digest(self) -> str:
        """SHA-256 of the weight file; of the list of digests where there are several files."""
        digests = [recorded_digest(path) for path in self.files]
        if len(digests) == 1:
            return digests[0]
        return hashlib.sha256("\n".join(digests).encode()).hexdigest()

    def preprocessing(self, part: str) -> dict[str, Any]:
        """preprocessor_config.json, or the entry `part` of processor_config.json.

        Raises CheckpointError where the folder has neither.
        """
        path = self.folder / "preprocessor_config.json"
        if path.exists():
            return _read_json(path)
        path = self.folder / "processor_config.json"
        if path.exists():
            settings = _read_json(path).get(part)
            if isinstance(settings, dict):
                return settings
        raise CheckpointError(
            f"{self.folder} has no preprocessor_config.json, which says how the input of the model "
            "is prepared: copy that file of the model into the folder"
        )


def open_checkpoint(source: str) -> Checkpoint:
    """A folder, or the name of a model on the hub. Raises CheckpointError."""
    folder = _find_folder(source)
    config_path = folder / "config.json"
    if not config_path.exists():
        raise CheckpointError(
            f"{folder} has no config.json: expected the folder of a transformers model"
        )
    if (folder / "adapter_config.json").exists():
        raise CheckpointError(
            f"{folder} has an adapter_config.json, and adapters are not applied here: merge the "
            "adapter into the model and save that"
        )
    return Checkpoint(folder, _read_json(config_path), _weight_files(folder))


def class_for(kind: str, checkpoint: Checkpoint, classes: dict[str, dict[str, str]]) -> str:
    """The class of transformers for a checkpoint; raises CheckpointError if `kind` has none."""
    model_type = str(checkpoint.config.get("model_type"))
    if model_type in classes[kind]:
        return classes[kind][model_type]
    advice = f"expected {' or '.join(classes[kind])}"
    for other, types in classes.items():
        if model_type in types:
            advice += f"; write {other}:FOLDER"
    raise CheckpointError(
        f"{checkpoint.folder} holds a model of type {model_type!r}, which is no {kind}: {advice}"
    )


def load_model(checkpoint: Checkpoint, class_name: str, config: dict[str, Any]) -> nn.Module:
    """The frozen model in float32, in evaluation mode.

    class_name: a class of transformers; config: its configuration as in config.json. Raises
    CheckpointError where the file lacks a tensor of the model, or has one that is not finite.
    """
    model_class = getattr(transformers, class_name)
    settings = {key: value for key, value in config.items() if key not in UNSAFE_ENTRIES}
    try:
        with quiet_transformers():
            model_config = model_class.config_class.from_dict(settings)
            model_config._attn_implementation = None
            model, report = model_class.from_pretrained(
                checkpoint.folder,
                config=model_config,
                dtype=torch.float32,
                local_files_only=True,
                trust_remote_code=False,
                weights_only=True,
                use_safetensors="safetensors" in checkpoint.files[0].name,
                output_loading_info=True,
            )
    except (OSError, ValueError, RuntimeError, ImportError, TypeError, SafetensorError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CheckpointError(
            f"the model in {checkpoint.folder} cannot be read: {reason}"
        ) from None
    except Exception as error:  # pickle.UnpicklingError has no common base with the others.
        raise CheckpointError(
            f"the weights in {checkpoint.folder} are not plain tensors: {type(error).__name__}. "
            "Save the model as safetensors."
        ) from None
    _require_complete(checkpoint, report)
    _require_finite(checkpoint, model)
    frozen: nn.Module = model.eval().requires_grad_(False)
    return frozen


class LayerOutput:
    """Stops a model after its layer N and keeps the output of that layer.

    The layers behind it are removed, so they cost no time. N counts from 1, as `hidden_states` of
    transformers does.
    """

    def __init__(self, model: nn.Module, layer: int, count: int, name: str) -> None:
        """count: layers of the model. Raises CheckpointError for a layer that it does not have."""
        if not 1 <= layer <= count:
            raise CheckpointError(
                f"{name} has {count} layers and no layer {layer}: write @layer1 … @layer{count}"
            )
        layers = _layers_of(model, count)
        del layers[layer:]
        # Several threads encode on a GPU: each keeps its own output.
        self._kept = threading.local()
        layers[layer - 1].register_forward_hook(self._keep)

    def _keep(self, module: nn.Module, inputs: object, output: Any) -> None:
        self._kept.states = output[0] if isinstance(output, tuple) else output

    def take(self) -> Tensor:
        """(B, T, D): the output in the forward pass that ended just now."""
        states: Tensor = self._kept.states
        del self._kept.states
        return states


def _is_path(source: str) -> bool:
    folder = Path(source).expanduser()
    named_like_path = source.startswith(("~", ".", "/")) or source.count("/") > 1
    return named_like_path or folder.is_dir()


def _find_folder(source: str) -> Path:
    folder = Path(source).expanduser()
    if folder.is_dir():
        return folder
    if _is_path(source) or not source:
        raise CheckpointError(
            f"there is no folder {source!r}: expected the folder of a transformers model or its "
            "name on the hub"
        )
    offline = is_offline()
    try:
        with quiet_transformers():
            found = snapshot_download(
                source,
                allow_patterns=[*SETTINGS_FILES, "model*.safetensors", "model*.safetensors.*.json"],
                local_files_only=offline,
            )
            if not list(Path(found).glob("model*.safetensors")):
                patterns = [*SETTINGS_FILES, "pytorch_model*.bin", "pytorch_model*.bin.*.json"]
                found = snapshot_download(source, allow_patterns=patterns, local_files_only=offline)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"the model hub did not give {source!r}: {_reason(error)} Give a folder that holds "
            "the model (config.json, preprocessor_config.json, model.safetensors) instead."
        ) from None
    return Path(found)


def _reason(error: Exception) -> str:
    """The first line of an error."""
    message = str(error).strip()
    return message.splitlines()[0] if message else type(error).__name__


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds a {type(content).__name__}, expected an object")
    return content


def _weight_files(folder: Path) -> tuple[Path, ...]:
    for name in WEIGHT_FILES:
        path = folder / name
        if not path.exists():
            continue
        if path.suffix != ".json":
            return (path,)
        shards = sorted(set(_read_json(path).get("weight_map", {}).values()))
        for shard in shards:
            if Path(shard).name != shard or not (folder / shard).exists():
                raise CheckpointError(
                    f"{path} names {shard!r}, and there is no such file beside it"
                )
        if shards:
            return tuple(folder / shard for shard in shards)
    raise CheckpointError(f"{folder} has no weights: expected {' or '.join(WEIGHT_FILES)}")


def _require_complete(checkpoint: Checkpoint, report: dict[str, Any]) -> None:
    missing = []
    for name in sorted(report["missing_keys"]):
        if not name.endswith(UNUSED_PARAMETERS):
            missing.append(name)
    if not missing:
        return
    more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
    raise CheckpointError(
        f"the weights in {checkpoint.folder} lack {len(missing)} tensors of the model, which would "
        f"be random: {', '.join(missing[:5])}{more}. Give the complete checkpoint."
    )


def _require_finite(checkpoint: Checkpoint, model: nn.Module) -> None:
    for name, parameter in model.named_parameters():
        if not bool(parameter.isfinite().all()):
            raise CheckpointError(
                f"the weights in {checkpoint.folder} are broken: {name} has NaN or infinite values"
            )


def _layers_of(model: nn.Module, count: int) -> nn.ModuleList:
    for name, module in model.named_modules():
        last = name.split(".")[-1]
        if last not in ("layer", "layers") or "adapter" in name:
            continue
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return module
    raise AssertionError(f"{type(model).__name__} has no list of {count} layers")
