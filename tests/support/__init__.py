"""What tests share: planted corpora and helpers. `pythonpath` in pyproject.toml makes it importable."""
