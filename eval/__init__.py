"""Scores, analyses and reports of trained models."""

if __name__ != "semanticmac.eval":
    raise ImportError(
        "this is the package semanticmac.eval: import it by that name, after `make setup`"
    )
