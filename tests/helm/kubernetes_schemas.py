"""Checks objects against the schemas of a version of Kubernetes, strictly: no unknown field."""

import kubernetes_validate

from tests.helm import crd_schemas
from tests.helm.chart import Manifest

# From the oldest that the chart takes to the newest whose schemas there are.
VERSIONS = tuple(f"1.{minor}" for minor in range(28, 38))


class UnknownKindError(Exception):
    """There is no schema of a kind: neither Kubernetes nor a definition at hand has it."""


def violations(item: Manifest, version: str) -> list[str]:
    """What is wrong with an object; a line each.

    Raises:
        UnknownKindError: Nobody knows its kind.
    """
    kind = str(item.get("apiVersion")), str(item.get("kind"))
    if kind in crd_schemas.known_kinds():
        return crd_schemas.violations(item)
    try:
        kubernetes_validate.validate(item, version, strict=True)
    except kubernetes_validate.SchemaNotFoundError as error:
        raise UnknownKindError(f"{kind[0]} {kind[1]} is unknown to {version}") from error
    except kubernetes_validate.ValidationError as error:
        return [f"{'.'.join(map(str, error.path))}: {error.message}"]
    return []
