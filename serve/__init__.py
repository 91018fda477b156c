"""A page and an endpoint that predict recordings: the command `serve`."""

if __name__ != "semanticmac.serve":
    raise ImportError("serve/ is a part of one package: import it as semanticmac.serve")
