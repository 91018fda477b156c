"""The trained model of a run: its weights are written and read here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from semanticmac.cache.atomic_io import atomic_write
from semanticmac.cache.batch import Tokenize, no_text
from semanticmac.model.build import Network, build_network
from semanticmac.model.language.base import kept_tensors, load_kept_tensors
from semanticmac.run.digests import digest_files
from semanticmac.run.folder import RunError, RunInfo, check_files, is_finished, require_weights
from semanticmac.run.language import open_saved_language


@dataclass(frozen=True)
class TrainedModel:
    """A model with its tokenizer and the description of its run."""

    info: RunInfo
    model: Network
    tokenize: Tokenize
    finished: bool = True  # False: the best weights so far of a training that has not ended


def save_best(folder: Path, model: Network, info: RunInfo) -> None:
    """Writes model.safetensors and run.json; removes the scores of earlier weights."""
    of_these_weights = (folder / "predictions.parquet", folder / "trust.safetensors")
    for outdated in (*folder.glob("eval-*.json"), *of_these_weights):
        outdated.unlink(missing_ok=True)
    tensors = {name: tensor.contiguous() for name, tensor in kept_tensors(model).items()}
    with atomic_write(folder / "model.safetensors") as temporary:
        save_file(tensors, temporary, {"epoch": str(info.best_epoch)})
    replace(info, files=digest_files(folder)).write(folder)


def load_run(folder: Path, device: torch.device) -> TrainedModel:
    """The best model of a run, in evaluation mode.

    Raises RunError where the folder holds no run, no weights, or weights of another version.
    """
    info = RunInfo.read(folder)
    weights = read_weights(folder, info.best_epoch)
    check_files(folder, info)
    tokenize: Tokenize = no_text
    language = None
    if "text" in info.model.modalities:
        tokenize, language = open_saved_language(folder, info.model)

    model = build_network(info.model, language)
    try:
        load_kept_tensors(model, weights)
    except RuntimeError as error:
        raise RunError(
            f"{folder / 'model.safetensors'} does not fit its run.json ({error}): "
            "it was made by another version"
        ) from None
    return TrainedModel(info, model.to(device).eval(), tokenize, is_finished(folder))


def read_weights(folder: Path, epoch: int) -> dict[str, torch.Tensor]:
    """The tensors of model.safetensors.

    Raises RunError where they are of another epoch: the run stopped between writing them and
    writing run.json. Weights without an epoch are accepted.
    """
    require_weights(folder)
    try:
        return _read_weights(folder, epoch)
    except (SafetensorError, OSError) as error:
        raise RunError(f"{folder / 'model.safetensors'} cannot be read: {error}") from None


def _read_weights(folder: Path, epoch: int) -> dict[str, torch.Tensor]:
    with safe_open(folder / "model.safetensors", framework="pt") as file:
        metadata = file.metadata() or {}
        saved_epoch = metadata.get("epoch", str(epoch))
        if saved_epoch != str(epoch):
            raise RunError(
                f"{folder} was stopped while it saved epoch {saved_epoch}: "
                f"`semanticmac train --resume {folder}` goes on"
            )
        return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no dict
