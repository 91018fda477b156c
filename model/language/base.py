"""The base of a fine-tuned language model: frozen weights that a run names but does not keep."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

BASE_FILE = "base.json"  # beside the tokenizer in a run's folder `language`
_ADAPTER = ".lora_"  # part of the name of every weight that LoRA adds


@dataclass(frozen=True)
class LanguageBase:
    """Names the frozen weights under the adapters of a run."""

    name: str  # as the setting `language` named it
    sha256: str  # of all its tensors (`weights_digest`)
    parameters: int


def write_base(path: Path, base: LanguageBase) -> None:
    path.write_text(json.dumps(asdict(base), indent=1) + "\n", encoding="utf-8")


def read_base(path: Path) -> LanguageBase | None:
    """None if there is no such file: the run keeps all weights of its language model."""
    if not path.exists():
        return None
    return LanguageBase(**json.loads(path.read_text(encoding="utf-8")))


def weights_digest(encoder: nn.Module) -> str:
    """SHA-256 of all tensors by name, type, shape and content, whatever file they came from.

    A pooler is left out: it changes no hidden state, and a checkpoint may lack it.
    """
    sha = hashlib.sha256()
    for name, tensor in sorted(encoder.state_dict().items()):
        if name.startswith("pooler."):
            continue
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        sha.update(flat.numpy())
    return sha.hexdigest()


def kept_tensors(model: nn.Module) -> dict[str, Tensor]:
    """The tensors of a model that a run or a checkpoint keeps: all but those of a frozen base."""
    base = _base_tensors(model)
    return {name: tensor for name, tensor in model.state_dict().items() if name not in base}


def load_kept_tensors(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Loads what `kept_tensors` gave.

    Raises RuntimeError, like torch, if a tensor is missing, unknown or of another shape.
    """
    missing, unknown = model.load_state_dict(tensors, strict=False)
    base = _base_tensors(model)
    lacking = [name for name in missing if name not in base]
    if lacking or unknown:
        first = (lacking or unknown)[0]
        raise RuntimeError(f"the tensors are those of another model ({first})")


def _base_tensors(model: nn.Module) -> set[str]:
    """Names of the tensors of the frozen base; empty if the run keeps the whole model."""
    language = getattr(model, "language", None)
    if getattr(language, "base", None) is None:
        return set()
    assert isinstance(language, nn.Module)
    return {f"language.{name}" for name in language.state_dict() if _ADAPTER not in name}
