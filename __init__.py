"""SemanticMAC: affect from human-spoken videos, in two stages with a feature cache between them.

The public Python API is described in docs/python.md.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from semanticmac.api import CachedDataset, TrainedRun, evaluate_model, open_dataset, train_model
    from semanticmac.eval.evaluate import Evaluation
    from semanticmac.eval.prediction import Prediction
    from semanticmac.eval.timeline import Timeline
    from semanticmac.inference import Predictor, load
    from semanticmac.timeline.predict import predict_timeline

# torch reads this once, at the first matrix product on a GPU. Set later, it has no effect: training
# after an encoder in the same process would end with an error of cuBLAS.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

__version__ = "0.2.0.dev0"
__all__ = [
    "CachedDataset",
    "Evaluation",
    "Prediction",
    "Predictor",
    "Timeline",
    "TrainedRun",
    "__version__",
    "evaluate_model",
    "load",
    "open_dataset",
    "predict_timeline",
    "train_model",
]

_MODULES = {
    "CachedDataset": "semanticmac.api",
    "Evaluation": "semanticmac.eval.evaluate",
    "Prediction": "semanticmac.eval.prediction",
    "Predictor": "semanticmac.inference",
    "TrainedRun": "semanticmac.api",
    "evaluate_model": "semanticmac.api",
    "Timeline": "semanticmac.eval.timeline",
    "load": "semanticmac.inference",
    "open_dataset": "semanticmac.api",
    "predict_timeline": "semanticmac.timeline.predict",
    "train_model": "semanticmac.api",
}


def __getattr__(name: str) -> object:
    """Imports a name of the API at its first use, so that `import semanticmac` loads no torch."""
    if name not in _MODULES:
        raise AttributeError(f"module 'semanticmac' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
