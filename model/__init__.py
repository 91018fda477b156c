"""What runs at prediction: tensors in, tensors out."""

if __name__ != "semanticmac.model":
    raise ImportError("model/ is a part of one package: import it as semanticmac.model")
