"""What runs at prediction: tensors in, tensors out."""

if __name__ != "semanticmac.model":
    raise ImportError(
        "this is the package semanticmac.model: import it by that name, after `make setup`"
    )
