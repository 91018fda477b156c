"""Stage 1: raw videos to the feature cache."""

if __name__ != "semanticmac.preprocess":
    raise ImportError(
        "this is the package semanticmac.preprocess: import it by that name, after `make setup`"
    )
