"""Which models a leaderboard compares, with which settings and search space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from semanticmac.core import FRAME_MODALITIES
from semanticmac.model.registry import (
    DIALOGUE_MODELS,
    SEMANTICMAC,
    model_entry,
    model_names,
    unknown_model,
)
from semanticmac.train.config import ConfigError, TrainConfig, names
from semanticmac.train.config_io import TUNED, settings_for
from semanticmac.train.experiments.search_space import Space, read_space
from semanticmac.train.overrides import override, parse_settings

SVM = "svm"
SVM_SUMMARY = "SVM (rbf) over the means of all frames and the state of the text"
SVM_REFERENCE = "Castro et al., Towards Multimodal Sarcasm Detection, ACL 2019"
SVM_NOTES = ("language model frozen; no epochs; each seed is the same",)
SEMANTICMAC_TUNED = f"{SEMANTICMAC}-{TUNED}"
# Behind the name of a model that reads clips: it reads the clips before the target too.
CONTEXT = "+context"
CONTEXT_SUMMARY = "{}; reads {} clips before the target (setting=conversation)"
TUNED_SUMMARY = "SemanticMAC with --preset tuned: a mixture of the heads that the text leads"
SEMANTICMAC_SUMMARY = "SemanticMAC: affective perceiver, SGFI, pseudo labels, contrast"
SEMANTICMAC_REFERENCE = (
    "Lin et al., End-to-end Semantic-centric Video-based Multimodal Affective Computing, "
    "arXiv 2408.07694"
)


@dataclass(frozen=True)
class Entrant:
    """One model on one choice of streams."""

    model: str  # its name, SVM, or SEMANTICMAC_TUNED; a name with CONTEXT
    streams: str  # as given, `vision=NAME,audio=NAME`; empty: the cache as it is
    config: TrainConfig  # of SemanticMAC for the SVM, which reads the shared settings alone
    space: Space  # empty: nothing is drawn

    @property
    def name(self) -> str:
        return f"{self.model} · {self.streams}" if self.streams else self.model

    def folder(self, root: Path) -> Path:
        """The folder of its trials and seeds."""
        streams = "".join(c if c.isalnum() or c in "-_" else "-" for c in self.streams)
        return root / (f"{self.model}@{streams}" if streams else self.model)

    def about(self) -> tuple[str, str, tuple[str, ...]]:
        """Summary, reference and notes."""
        if self.model.endswith(CONTEXT):
            summary, reference, notes = replace(self, model=_model_of(self.model)).about()
            clips = self.config.model.context_clips
            return CONTEXT_SUMMARY.format(summary, clips), reference, notes
        if self.model == SVM:
            return SVM_SUMMARY, SVM_REFERENCE, SVM_NOTES
        if self.model == SEMANTICMAC:
            return SEMANTICMAC_SUMMARY, SEMANTICMAC_REFERENCE, ()
        if self.model == SEMANTICMAC_TUNED:
            return TUNED_SUMMARY, SEMANTICMAC_REFERENCE, ()
        entry = model_entry(self.model)
        return entry.summary, entry.reference, entry.notes


def leaderboard_models(*, dialogues: bool = False) -> list[str]:
    """All models in the order of the table: the text alone first.

    dialogues: also those that read dialogues, and the text and SemanticMAC with the clips before.
    """
    names = []
    for name in model_names():
        if dialogues or name not in DIALOGUE_MODELS:
            names.append(name)
        if dialogues and name in ("text", SEMANTICMAC):
            names.append(name + CONTEXT)
    return [*names, SEMANTICMAC_TUNED, SVM]


def _is_known(name: str) -> bool:
    known = leaderboard_models(dialogues=True)
    if not name.endswith(CONTEXT):
        return name in known
    base = name.removesuffix(CONTEXT)
    return base in known and base != SVM and base not in DIALOGUE_MODELS


def _model_of(name: str) -> str:
    """The model whose settings a name of the leaderboard has."""
    name = name.removesuffix(CONTEXT)
    return SEMANTICMAC if name in (SVM, SEMANTICMAC_TUNED) else name


def entrants(
    dataset: str,
    corpus: str,
    models: Sequence[str],
    streams: Sequence[str],
    changes: Mapping[str, Any],
    trials: int,
) -> list[Entrant]:
    """The models on every choice of streams. changes: settings that are fixed for all of them.

    Raises ConfigError for an unknown model, for a setting that is not one of all models, and for a
    choice of streams with other settings.
    """
    for name in models:
        if not _is_known(name):
            known = leaderboard_models(dialogues=True)
            raise ConfigError(f"--models: {unknown_model(name, known)}")
    for key in changes:
        for name in models:
            if name != SVM and key not in names(_model_of(name)):
                raise ConfigError(
                    f"--set {key}: the model {name} has no such setting. A leaderboard fixes "
                    "settings that all its models have, such as epochs or freeze_language"
                )
    chosen = []
    for choice, of_streams in _choices(streams).items():
        for name in dict.fromkeys(models):
            chosen.append(
                _entrant(dataset, corpus, name, choice, {**changes, **of_streams}, trials)
            )
    return chosen


def _choices(streams: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Each choice of streams, as given → its settings; without one, the streams as they are.

    A choice that repeats an earlier one is left out. Raises ConfigError for other settings.
    """
    choices: dict[str, dict[str, Any]] = {}
    for choice in streams or ("",):
        settings = parse_settings(choice.split(",")) if choice else {}
        for key in settings:
            if key not in FRAME_MODALITIES:
                raise ConfigError(
                    f"--streams {choice}: {key} names no stream, only "
                    f"{' and '.join(FRAME_MODALITIES)} do. --set fixes a setting of all models"
                )
        if settings not in choices.values():
            choices[choice] = settings
    return choices


def _entrant(
    dataset: str, corpus: str, name: str, streams: str, fixed: Mapping[str, Any], trials: int
) -> Entrant:
    preset = TUNED if name.removesuffix(CONTEXT) == SEMANTICMAC_TUNED else None
    config = settings_for(dataset, corpus, {}, preset, None, _model_of(name))
    if name.endswith(CONTEXT):
        config = override(config, {"setting": "conversation"})
    config = override(config, fixed)
    space: Space = {}
    if trials and name != SVM:
        space = read_space(None, config, fixed)
    return Entrant(name, streams, config, space)
