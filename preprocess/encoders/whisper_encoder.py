"""The encoder of Whisper, one row for the 2 s around each time.

Whisper always reads 30 s: a clip is padded with zeros, and the states behind its end are dropped
before any mean. So a clip of 3 s costs as much as one of 30 s. Overlapping windows share states.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import WhisperFeatureExtractor

from semanticmac.cache.keys import Fingerprint, Sampling, json_digest
from semanticmac.cache.records import RawClip
from semanticmac.core import FrameModality
from semanticmac.preprocess.encoders.device import exact_float32, pick_device, to_device
from semanticmac.preprocess.encoders.identity import Identity
from semanticmac.preprocess.encoders.imagebind.names import CheckpointError
from semanticmac.preprocess.encoders.pretrained import (
    LayerOutput,
    class_for,
    load_model,
    open_checkpoint,
)
from semanticmac.preprocess.encoders.protocol import require_content, row_count
from semanticmac.preprocess.encoders.rows import SAMPLE_RATE_HZ, to_float16, window_means
from semanticmac.preprocess.encoders.spec import EncoderSpec

CLASSES = {"whisper": {"whisper": "WhisperModel"}}
MEL_SETTINGS = ("feature_size", "sampling_rate", "hop_length", "chunk_length", "n_fft")


class WhisperEncoder:
    """The frozen encoder of Whisper: the last states, or those of a layer, averaged by window.

    The states of a layer are those before the norm behind the last layer.
    """

    modality: FrameModality = "audio"

    def __init__(
        self,
        model: nn.Module,
        extractor: WhisperFeatureExtractor,
        identity: Identity,
        layer: LayerOutput | None = None,
        device: str = "auto",
    ) -> None:
        self.device = pick_device(device)
        self.model = model.to(self.device)
        self.identity = identity
        self.name = identity.name
        self._extractor: Any = extractor
        self._layer = layer
        config: Any = model.config
        self.chunk_samples = int(self._extractor.n_samples)
        self.step = self.chunk_samples // int(config.max_source_positions)

    @property
    def width(self) -> int:
        """Numbers in one embedding."""
        return self.identity.width

    def fingerprint(self, sampling: Sampling) -> Fingerprint:
        """Identifies the embeddings that this encoder gives for clips with this sampling."""
        return self.identity.fingerprint(sampling)

    def encode(self, raw: RawClip) -> np.ndarray | None:
        """(F, width) float16, row k of the 2 s around k/2 s; None for a clip without audio.

        Raises EncodeError for embeddings that float16 cannot hold.
        """
        require_content(raw)
        if raw.waveform is None or not len(raw.waveform):
            return None
        rows = row_count(raw)
        states = self.states(raw.waveform)
        return to_float16(window_means(states, self.step // 2, self.step, rows), "audio")

    def states(self, waveform: np.ndarray) -> np.ndarray:
        """waveform (N,) int16 → (S, width) float32, S = ceil(N / step): none of the padding.

        A longer clip is read in equal chunks of at most 30 s.
        """
        samples = waveform.astype(np.float32) / 32_768
        total = math.ceil(len(samples) / self.step)
        count = math.ceil(len(samples) / self.chunk_samples)
        states = []
        for number in range(count):
            first, end = number * total // count, (number + 1) * total // count
            chunk = samples[first * self.step : end * self.step]
            states.append(self._forward(chunk)[: end - first])
        return np.concatenate(states)

    @torch.inference_mode()
    def _forward(self, samples: np.ndarray) -> np.ndarray:
        """samples (N,) → states of 30 s, (1500, width) float32."""
        mel = self._extractor(samples, sampling_rate=SAMPLE_RATE_HZ, return_tensors="pt")
        with exact_float32(self.device):
            output = self.model(to_device(mel["input_features"], self.device))
        states: Tensor = output.last_hidden_state
        if self._layer is not None:
            states = self._layer.take()
        array: np.ndarray = states[0].float().cpu().numpy()
        return array


def load_whisper(spec: EncoderSpec, device: str) -> WhisperEncoder:
    """The frozen encoder of a folder. Raises CheckpointError if it holds another kind of model."""
    checkpoint = open_checkpoint(spec.source)
    class_name = class_for(spec.kind, checkpoint, CLASSES)
    whole: Any = load_model(checkpoint, class_name, checkpoint.config)
    model: nn.Module = whole.encoder
    config: Any = model.config
    output = None
    if spec.layer is not None:
        output = LayerOutput(model, spec.layer, config.encoder_layers, spec.name)

    fields = checkpoint.preprocessing("feature_extractor")
    settings = {key: fields[key] for key in MEL_SETTINGS if key in fields}
    extractor_class: Any = WhisperFeatureExtractor  # It has no types.
    extractor = extractor_class(**{"feature_size": config.num_mel_bins, **settings})
    if extractor.feature_size != config.num_mel_bins or extractor.sampling_rate != SAMPLE_RATE_HZ:
        raise CheckpointError(
            f"{checkpoint.folder}: its preprocessor makes {extractor.feature_size} mel bins at "
            f"{extractor.sampling_rate} Hz, and the model reads {config.num_mel_bins} at "
            f"{SAMPLE_RATE_HZ} Hz"
        )
    architecture = json_digest([class_name, checkpoint.config, settings, spec.layer, "float32"])
    width, weights = int(config.d_model), checkpoint.weights_digest()
    identity = Identity("audio", spec.name, architecture, weights, width, spec.text)
    return WhisperEncoder(model, extractor, identity, output, device)
