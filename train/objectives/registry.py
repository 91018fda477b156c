"""The objective of a model: by its name here, or as module:class."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any, cast

from semanticmac.train.objectives.protocol import Objective

# Name → module:class. Imported when it is needed, because it loads torch.
OBJECTIVES = {"task": "semanticmac.train.objectives.task:TaskObjective"}


def objective_class(name: str) -> type[Objective]:
    """The class of an objective. Raises ImportError or AttributeError for an unknown one."""
    value = OBJECTIVES.get(name, name)
    loaded: Any = EntryPoint(name, value, "semanticmac.objectives").load()
    return cast(type[Objective], loaded)
