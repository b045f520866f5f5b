"""Checks Kubernetes objects against the published schemas.

    check_manifests.py FILE…

Prints a line for each object: `core` where it was validated, `custom` where its kind is not one of
Kubernetes' own. Ends with 1 at the first that is not valid.
"""

import sys

import kubernetes_validate
import yaml

VERSION = "1.37"


def main():
    for name in sys.argv[1:]:
        with open(name) as file:
            objects = [o for o in yaml.safe_load_all(file) if o is not None]
        assert objects, f"{name}: no object"
        for o in objects:
            kind = f"{o['apiVersion']} {o['kind']}"
            try:
                kubernetes_validate.validate(o, VERSION, strict=True)
                print("core", kind)
            except kubernetes_validate.SchemaNotFoundError:
                print("custom", kind)
            except kubernetes_validate.ValidationError as error:
                sys.exit(f"{name}: {kind}: {error.message} at {list(error.path)}")


main()
