"""Scores, analyses and reports of trained models."""

if __name__ != "semanticmac.eval":
    raise ImportError("eval/ is a part of one package: import it as semanticmac.eval")
