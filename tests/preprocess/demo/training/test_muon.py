"""The optimizer Muon against a singular value decomposition."""

from __future__ import annotations

import torch

from semanticmac.preprocess.demo.training.muon import orthogonal


def test_muons_update_has_singular_values_near_one():
    torch.manual_seed(2)
    for shape in ((8, 24), (24, 8)):
        matrix = torch.randn(shape)
        left, _, right = torch.linalg.svd(matrix, full_matrices=False)
        update = orthogonal(matrix)
        assert update.shape == matrix.shape
        values = torch.linalg.svdvals(update)
        assert float(values.min()) > 0.5 and float(values.max()) < 1.3
        assert (
            float((update * (left @ right)).sum() / (update.norm() * (left @ right).norm())) > 0.95
        )
