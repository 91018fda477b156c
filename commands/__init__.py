"""The commands of the program, one file each."""

if __name__ != "semanticmac.commands":
    raise ImportError(
        "this is the package semanticmac.commands: import it by that name, after `make setup`"
    )
