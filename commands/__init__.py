"""The commands of the program, one file each."""

if __name__ != "semanticmac.commands":
    raise ImportError("commands/ is a part of one package: import it as semanticmac.commands")
