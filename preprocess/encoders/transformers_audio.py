"""Audio encoders of transformers that read samples: HuBERT, WavLM and wav2vec 2.0.

The model reads a clip once, and the states of overlapping windows are shared: each row is the mean
of the states in the 2 s around its time. Clips are never padded: where a model has a group norm,
zeros at the end change every state before them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from semanticmac.cache.keys import Fingerprint, Sampling, json_digest
from semanticmac.cache.records import RawClip
from semanticmac.core import FrameModality
from semanticmac.preprocess.encoders.device import exact_float32, pick_device, to_device
from semanticmac.preprocess.encoders.identity import Identity
from semanticmac.preprocess.encoders.pretrained import (
    LayerOutput,
    class_for,
    load_model,
    open_checkpoint,
)
from semanticmac.preprocess.encoders.protocol import require_content, row_count
from semanticmac.preprocess.encoders.rows import SAMPLE_RATE_HZ, to_float16, window_means
from semanticmac.preprocess.encoders.spec import EncoderSpec

# Kind → `model_type` in config.json → class of transformers.
CLASSES = {
    "hubert": {"hubert": "HubertModel"},
    "wavlm": {"wavlm": "WavLMModel"},
    "wav2vec2": {"wav2vec2": "Wav2Vec2Model"},
}
# A longer clip is read in equal chunks of at most this length. Attention sees one chunk.
CHUNK_SAMPLES = 30 * SAMPLE_RATE_HZ
VARIANCE_FLOOR = 1e-7


class WaveformEncoder:
    """A frozen model of samples: the last states, or those of a layer, averaged by window.

    The states of a layer are those before the norm behind the last layer.
    """

    modality: FrameModality = "audio"

    def __init__(
        self,
        model: nn.Module,
        identity: Identity,
        normalised: bool,
        layer: LayerOutput | None = None,
        device: str = "auto",
    ) -> None:
        """normalised: the model reads samples with mean 0 and deviation 1."""
        self.device = pick_device(device)
        self.model = model.to(self.device)
        self.identity = identity
        self.name = identity.name
        self._normalised = normalised
        self._layer = layer
        config: Any = model.config
        # Samples from one state to the next, and under one state.
        self.step, self.field = _receptive_field(config.conv_kernel, config.conv_stride)

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
        means = window_means(states, self.field // 2, self.step, rows)
        return to_float16(means, "audio")

    def states(self, waveform: np.ndarray) -> np.ndarray:
        """waveform (N,) int16 → (S, width) float32: state j covers the samples from j · step.

        Only a clip shorter than one state is padded, with zeros on both sides.
        """
        samples = waveform.astype(np.float32) / 32_768
        if len(samples) < self.field:
            missing = self.field - len(samples)
            samples = np.pad(samples, (missing // 2, missing - missing // 2))
        if self._normalised:
            deviation = np.sqrt(samples.var(dtype=np.float64) + VARIANCE_FLOOR)
            samples = ((samples - samples.mean(dtype=np.float64)) / deviation).astype(np.float32)
        chunks = chunk_bounds(len(samples), self.step, self.field)
        return np.concatenate([self._forward(samples[a:b]) for a, b in chunks])

    @torch.inference_mode()
    def _forward(self, samples: np.ndarray) -> np.ndarray:
        """samples (N,) → (S, width) float32."""
        batch = to_device(torch.from_numpy(samples)[None], self.device)
        with exact_float32(self.device):
            output = self.model(batch)
        states: Tensor = output.last_hidden_state
        if self._layer is not None:
            states = self._layer.take()
        array: np.ndarray = states[0].float().cpu().numpy()
        return array


def chunk_bounds(samples: int, step: int, field: int) -> list[tuple[int, int]]:
    """Equal chunks of at most CHUNK_SAMPLES. Their states continue each other without a gap.

    A chunk reads so many samples of the next one that its last state is complete.
    """
    states = (samples - field) // step + 1
    count = math.ceil(samples / CHUNK_SAMPLES)
    bounds = []
    for number in range(count):
        first, end = number * states // count, (number + 1) * states // count
        stop = samples if number == count - 1 else (end - 1) * step + field
        bounds.append((first * step, stop))
    return bounds


def load_audio(spec: EncoderSpec, device: str) -> WaveformEncoder:
    """The frozen encoder of a folder. Raises CheckpointError if it holds another kind of model."""
    checkpoint = open_checkpoint(spec.source)
    class_name = class_for(spec.kind, checkpoint, CLASSES)
    # An adapter behind the last layer would change the rate of the states.
    config = {**checkpoint.config, "add_adapter": False}
    model = load_model(checkpoint, class_name, config)
    loaded: Any = model.config
    output = None
    if spec.layer is not None:
        output = LayerOutput(model, spec.layer, loaded.num_hidden_layers, spec.name)
    normalised = bool(checkpoint.preprocessing("feature_extractor").get("do_normalize", True))
    architecture = json_digest(
        [class_name, config, normalised, spec.layer, CHUNK_SAMPLES, "float32"]
    )
    width, weights = int(loaded.hidden_size), checkpoint.weights_digest()
    identity = Identity("audio", spec.name, architecture, weights, width, spec.text)
    return WaveformEncoder(model, identity, normalised, output, device)


def _receptive_field(kernels: list[int], strides: list[int]) -> tuple[int, int]:
    """(samples from one state to the next, samples under one state)."""
    step, field = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        field += (kernel - 1) * step
        step *= stride
    return step, field
