"""JSON schemas of what values take over from Kubernetes, as far as a chart can check them."""

from pydantic import JsonValue

Schema = dict[str, JsonValue]

QUANTITY: Schema = {
    "anyOf": [
        {"type": "string", "pattern": r"^\d+(\.\d+)?(m|[kMGTPE]i?|Ki)?$"},
        {"type": "number", "minimum": 0},
    ]
}
AMOUNTS: Schema = {"type": "object", "additionalProperties": QUANTITY}
TEXTS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
# Kubernetes itself says what is wrong with the rest.
OBJECTS: Schema = {"type": "array", "items": {"type": "object"}}
NAMED_OBJECTS: Schema = {"type": "array", "items": {"type": "object", "required": ["name"]}}
NAME: Schema = {"type": "string", "minLength": 1}
NAMES: Schema = {"type": "array", "items": NAME}
ABOVE_ZERO: Schema = {"type": "integer", "minimum": 1}
NUMBER_OR_PERCENT: Schema = {
    "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": r"^\d+%$"}]
}


def closed(properties: dict[str, JsonValue], required: tuple[str, ...] = ()) -> Schema:
    """Makes the schema of an object without other keys."""
    schema: Schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": dict(properties),
    }
    if required:
        schema["required"] = list(required)
    return schema


def one_of(*texts: str) -> Schema:
    """Makes the schema of a text that is one of these."""
    return {"type": "string", "enum": list(texts)}


RESOURCES = closed({"requests": AMOUNTS, "limits": AMOUNTS})
VARIABLES: Schema = {
    "type": "array",
    "items": closed(
        {
            "name": {"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"},
            "value": {"type": "string"},
            "valueFrom": {"type": "object"},
        },
        required=("name",),
    ),
}
TOLERATIONS: Schema = {
    "type": "array",
    "items": closed(
        {
            "key": {"type": "string"},
            "operator": one_of("Exists", "Equal"),
            "value": {"type": "string"},
            "effect": one_of("NoSchedule", "PreferNoSchedule", "NoExecute"),
            "tolerationSeconds": {"type": "integer"},
        }
    ),
}
AFFINITY = closed(
    {name: {"type": "object"} for name in ("nodeAffinity", "podAffinity", "podAntiAffinity")}
)
PEERS: Schema = {
    "type": "array",
    "items": closed(
        {name: {"type": "object"} for name in ("ipBlock", "namespaceSelector", "podSelector")}
    ),
}
PORTS: Schema = {"type": "array", "items": {"type": "integer", "minimum": 1, "maximum": 65535}}
ACCESS_MODES: Schema = {
    "type": "array",
    "minItems": 1,
    "items": one_of("ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"),
}

# What keys of these names hold, wherever they are.
BY_NAME: dict[str, Schema] = {
    "accessModes": ACCESS_MODES,
    "affinity": AFFINITY,
    "annotations": TEXTS,
    "commonLabels": TEXTS,
    "digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
    "env": VARIABLES,
    "extraEnv": VARIABLES,
    "extraVolumeMounts": NAMED_OBJECTS,
    "extraVolumes": NAMED_OBJECTS,
    "from": PEERS,
    "labels": TEXTS,
    "maxSurge": NUMBER_OR_PERCENT,
    "maxUnavailable": NUMBER_OR_PERCENT,
    "nodeSelector": TEXTS,
    "podAnnotations": TEXTS,
    "podLabels": TEXTS,
    "ports": PORTS,
    "prometheus": PEERS,
    "pullPolicy": one_of("Always", "IfNotPresent", "Never"),
    "pullSecrets": NAMES,
    "resources": RESOURCES,
    "secretEnv": NAMES,
    "size": QUANTITY,
    "sizeLimit": QUANTITY,
    "tmpSizeLimit": QUANTITY,
    "to": PEERS,
    "tolerations": TOLERATIONS,
    "topologySpreadConstraints": OBJECTS,
}
