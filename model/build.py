"""The network that the settings name."""

from __future__ import annotations

from torch import nn

from semanticmac.model.config import ModelConfig
from semanticmac.model.features import FusionOutput
from semanticmac.model.fusion_model import FusionModel
from semanticmac.model.network import Output, SemanticMAC
from semanticmac.model.registry import SEMANTICMAC

Network = SemanticMAC | FusionModel
ModelOutput = Output | FusionOutput


def build_network(config: ModelConfig, language: nn.Module | None = None) -> Network:
    """An untrained network. language: None = the language model that `config` names."""
    if config.name == SEMANTICMAC:
        return SemanticMAC(config, language)
    return FusionModel(config, language)
