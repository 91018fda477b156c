"""predict: batches through a model, the predictions of all clips returned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch

from semanticmac.cache.batch import Batch
from semanticmac.core import MODALITIES
from semanticmac.model.build import Network
from semanticmac.run.predictions import Predictions


@torch.inference_mode()
def predict(
    model: Network, batches: Iterable[Batch], device: torch.device, without: Sequence[str] = ()
) -> Predictions:
    """Runs the model in evaluation mode; afterwards it is in the mode that it was in before.

    without: modalities that are made absent in every clip.
    """
    kept = torch.tensor([[name not in without for name in MODALITIES]])  # (1, 3)
    was_training = model.training
    model.eval()
    clip_ids: list[str] = []
    truth, outputs, present = [], [], []
    for batch in batches:
        visible = batch if kept.all() else batch.keep(kept)
        output = model(visible.to(device))
        clip_ids += batch.clip_ids
        truth.append(batch.labels.double().numpy())
        assert output.present is not None
        outputs.append(output.sub_tasks().double().cpu().numpy())
        present.append(output.present.cpu().numpy())
    model.train(was_training)
    return Predictions(
        tuple(clip_ids), np.concatenate(truth), np.concatenate(outputs), np.concatenate(present)
    )
