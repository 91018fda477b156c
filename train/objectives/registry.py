"""The objective of a model: by its name here, or as module:class."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any, cast

from torch import Tensor

from semanticmac.core import Task
from semanticmac.model.registry import SEMANTICMAC, model_entry
from semanticmac.train.config import TrainConfig
from semanticmac.train.objectives.protocol import Objective

# Name → module:class. Imported when it is needed, because it loads torch.
OBJECTIVES = {
    "semantic_centric": "semanticmac.train.objectives.semantic_centric:SemanticCentric",
    "task": "semanticmac.train.objectives.task:TaskObjective",
    "misa": "semanticmac.train.objectives.misa:MISAObjective",
    "self-mm": "semanticmac.train.objectives.self_mm:SelfMMObjective",
    "mmim": "semanticmac.train.objectives.mmim:MMIMObjective",
    "lnln": "semanticmac.train.objectives.lnln:LNLNObjective",
    "sdt": "semanticmac.train.objectives.sdt:SdtObjective",
}


def objective_class(name: str) -> type[Objective]:
    """The class of an objective. Raises ImportError or AttributeError for an unknown one."""
    value = OBJECTIVES.get(name, name)
    loaded: Any = EntryPoint(name, value, "semanticmac.objectives").load()
    return cast(type[Objective], loaded)


def make_objective(config: TrainConfig, task: Task, truth: Tensor) -> Objective:
    """The objective of the model that the settings name; truth as in Objective."""
    if config.model.name == SEMANTICMAC:
        return objective_class("semantic_centric")(config.model, config, task, truth)
    entry = model_entry(config.model.name)
    return objective_class(entry.objective)(config.model.method, config, task, truth)
