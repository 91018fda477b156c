"""A run on a planted corpus, trained once: what scores, analyses and reports are made from."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
import torch

from semanticmac.cache.home import CacheHome
from semanticmac.eval.source import EvalData
from semanticmac.eval.trained import load_run
from semanticmac.train.config import TrainConfig, override
from semanticmac.train.loop import open_data, train

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Walk:
    """A cache and a run."""

    home: CacheHome
    run: Path

    def open(self) -> EvalData:
        return EvalData.open(load_run(self.run, CPU), self.home, CPU)


def planting() -> ModuleType:
    """The helpers that plant a corpus for the tests of training."""
    name = "planted_for_eval"
    if name not in sys.modules:
        path = Path(__file__).parents[1] / "train/conftest.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


SMALL = {
    **{"d_model": 8, "heads": 2, "feed_forward": 2, "perceiver_tokens": 2, "perceiver_layers": 1, "sgfi_layers": 1},
    **{"bridge_tokens": 2, "dropout": 0.0, "epochs": 3, "batch_size": 8, "neighbours": 3, "lr_rest": 0.01},
}


@pytest.fixture(scope="session")
def walks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Walk]:
    """Kind of task → a small model trained on it, with a tiny BERT."""
    help_ = planting()
    root = tmp_path_factory.mktemp("walks")
    torch.manual_seed(0)
    help_.save_family("bert", root / "bert")
    found = {}
    for kind in ("regression", "single-label", "multi-label", "binary"):
        home = help_.write_corpus(root / kind / "cache", help_.TASKS[kind], help_.planted_clips(kind))
        config = override(TrainConfig("planted"), SMALL | {"language": str(root / "bert")})
        train(config, open_data(home, "planted"), root / kind / "run", CPU, lambda *_: None, lambda _: None)
        found[kind] = Walk(home, root / kind / "run")
    return found
