"""Stage 1: raw videos to the feature cache."""

if __name__ != "semanticmac.preprocess":
    raise ImportError("preprocess/ is a part of one package: import it as semanticmac.preprocess")
