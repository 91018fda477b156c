"""Models by name: SemanticMAC, the published fusions, and those of other packages.

A module describes its models as `ModelEntry` objects. Those of this package are listed in BUILT_IN;
another package names its own under the entry-point group `semanticmac.models`, and a script calls
`register`. A module is imported when its model is asked for, because it loads torch.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Literal

from semanticmac.core import MODALITIES
from semanticmac.model.settings import settings_of

if TYPE_CHECKING:
    from torch import nn

GROUP = "semanticmac.models"
SEMANTICMAC = "semanticmac"
# Name → module:object of its ModelEntry, in the order of the leaderboard.
BUILT_IN: dict[str, str] = {
    "text": "semanticmac.model.baselines.single:TEXT",
    "audio": "semanticmac.model.baselines.single:AUDIO",
    "vision": "semanticmac.model.baselines.single:VISION",
    "concat": "semanticmac.model.baselines.concat:MODEL",
    "attention": "semanticmac.model.baselines.attention:MODEL",
    "ef-lstm": "semanticmac.model.baselines.ef_lstm:MODEL",
    "tfn": "semanticmac.model.baselines.tfn:MODEL",
    "lmf": "semanticmac.model.baselines.lmf:MODEL",
    "mult": "semanticmac.model.baselines.mult:MODEL",
    "misa": "semanticmac.model.baselines.misa:MODEL",
    "mag": "semanticmac.model.baselines.mag:MODEL",
    "self-mm": "semanticmac.model.baselines.self_mm:MODEL",
    "mmim": "semanticmac.model.baselines.mmim:MODEL",
    "almt": "semanticmac.model.baselines.almt:MODEL",
    "mfn": "semanticmac.model.baselines.mfn:MODEL",
    "graph-mfn": "semanticmac.model.baselines.graph_mfn:MODEL",
    "lnln": "semanticmac.model.baselines.lnln:MODEL",
}
# Models that read whole dialogues, likewise.
DIALOGUE_MODELS: dict[str, str] = {
    "bc-lstm": "semanticmac.model.dialogue.bc_lstm:MODEL",
    "dialogue-rnn": "semanticmac.model.dialogue.dialogue_rnn:MODEL",
    "dialogue-gcn": "semanticmac.model.dialogue.dialogue_gcn:MODEL",
    "cogmen": "semanticmac.model.dialogue.cogmen:MODEL",
    "sdt": "semanticmac.model.dialogue.sdt:MODEL",
}


class UnknownModel(ValueError):
    """No model of this name can be had; the message gives the nearest names, or the reason."""


@dataclass(frozen=True)
class ModelEntry:
    """One fusion that is chosen by name."""

    name: str  # of `train --model`
    summary: str  # one line for tables
    settings: type  # a frozen dataclass; its fields are made with model.settings.described
    # (settings, widths, outputs K) → a module: Features → FusionOutput. A model that reads
    # dialogues: (settings, widths, outputs K, both directions) → Dialogues → FusionOutput.
    network: Callable[..., nn.Module]
    # name in train/objectives/registry.py, or module:class; `task` is the task loss alone
    objective: str = "task"
    reads: Literal["clip", "dialogue"] = "clip"  # what a row of a batch is (docs/dialogues.md)
    modalities: tuple[str, ...] = MODALITIES  # those that it can read
    # what a search draws from, written as in train/experiments/sweep.toml
    space: Mapping[str, Any] = field(default_factory=dict)
    reference: str = ""  # authors, title, venue and year
    notes: tuple[str, ...] = ()  # deviations, said in each run and in result tables

    def __post_init__(self) -> None:
        if not is_dataclass(self.settings):
            raise TypeError(f"model {self.name}: settings={self.settings!r} must be a dataclass")
        plain = [entry.name for entry in fields(self.settings)]
        undescribed = sorted(set(plain) - set(settings_of(self.settings)))
        if undescribed:
            raise TypeError(
                f"model {self.name}: make the field {undescribed[0]} of "
                f"{self.settings.__name__} with semanticmac.model.settings.described"
            )


_registered: dict[str, ModelEntry] = {}


def register(entry: ModelEntry) -> ModelEntry:
    """Adds a model to this process, and returns it.

    A script or notebook calls it for a model of its own. Raises ValueError for the name of a model
    of this package.
    """
    if entry.name == SEMANTICMAC or entry.name in (*BUILT_IN, *DIALOGUE_MODELS):
        raise ValueError(f"the name {entry.name} is taken by a model of semanticmac")
    _registered[entry.name] = entry
    return entry


def model_names() -> list[str]:
    """The names of all models: those of this package first, SemanticMAC last of them."""
    own = [point.name for point in entry_points(group=GROUP)]
    return list(dict.fromkeys([*BUILT_IN, *DIALOGUE_MODELS, SEMANTICMAC, *own, *_registered]))


def model_entry(name: str) -> ModelEntry:
    """The model of this name, except SemanticMAC itself. Raises UnknownModel."""
    if name in _registered:
        return _registered[name]
    of_package = BUILT_IN | DIALOGUE_MODELS
    if name in of_package:
        return _loaded(EntryPoint(name, of_package[name], GROUP))
    for point in entry_points(group=GROUP, name=name):
        return _loaded(point)
    raise UnknownModel(unknown_model(name, model_names()))


def model_notes(name: str) -> list[str]:
    """The deviations of a model in one sentence, for a run; empty for a model without any."""
    notes = () if name == SEMANTICMAC else model_entry(name).notes
    return [f"model {name}: {'; '.join(notes)}"] if notes else []


def unknown_model(name: str, known: Sequence[str]) -> str:
    """The message for a name that is none of the known ones: the nearest of them, or all."""
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"models: {', '.join(known)}"
    return f"there is no model {name!r}; {hint}"


def _loaded(point: EntryPoint) -> ModelEntry:
    try:
        entry = point.load()
    except Exception as error:  # anything that the module of another package does
        raise UnknownModel(
            f"the model {point.name} cannot be loaded from {point.value}, a package's entry point: "
            f"{type(error).__name__}: {error}. Mend or remove the package, or name other models"
        ) from error
    if not isinstance(entry, ModelEntry):
        raise TypeError(f"{point.value} of the model {point.name} is no ModelEntry")
    if entry.name != point.name:
        raise TypeError(f"{point.value} is the model {entry.name}, but is listed as {point.name}")
    return entry
