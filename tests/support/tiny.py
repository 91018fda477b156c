"""A small budget for the training of imagebind-tiny."""

from __future__ import annotations

from semanticmac.preprocess.demo.training.batch import Budget

BUDGET = Budget(
    seed=3, pictures=64, voices=16, steps=6, faces=4, voices_heard=8, warm_up=2, acquaintance=3
)
