"""What the chart's values may be, where their defaults do not tell."""

from collections.abc import Callable

from pydantic import JsonValue

from deploy.chart.commented_values import Value
from deploy.chart.kubernetes_shapes import (
    ABOVE_ZERO,
    BY_NAME,
    NAME,
    NAMES,
    OBJECTS,
    PEERS,
    Schema,
    closed,
    one_of,
)
from deploy.chart.program_shapes import (
    catalog_entry,
    front_settings,
    scoring_settings,
    sweep_settings,
    sweep_spec,
)
from services.scoring.settings import DEVICE_PATTERN

_DURATION: Schema = {"type": "string", "pattern": "^([0-9]+(h|m|s))+$"}
_OPTIONAL_NUMBER: Schema = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}]}
_IMAGE = closed(
    {
        "repository": {"type": "string"},
        "tag": {"type": "string"},
        "variant": {"type": "string"},
        "digest": BY_NAME["digest"],
    }
)

_BY_PATH: dict[str, Schema] = {
    "generation.autoscaling.upscalingMode": one_of("Default", "Conservative", "Aggressive"),
    "generation.front.maxUnavailable": ABOVE_ZERO,
    "generation.front.replicas": ABOVE_ZERO,
    "generation.hubToken.as": one_of("file", "env"),
    "generation.image.repository": NAME,
    "generation.modelCache.type": one_of("emptyDir", "persistentVolumeClaim", "hostPath", "image"),
    "generation.rayVersion": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
    "generation.upgradeStrategy": one_of("NewCluster", "None"),
    "generation.workerDefaults.image": _IMAGE,
    "generation.workerDefaults.rayResources": {
        "type": "array",
        "items": {"type": "string", "pattern": "^[A-Za-z][A-Za-z0-9_.:-]*$"},
    },
    "generation.workerGroups": {
        "type": "array",
        "items": {"$ref": "#/definitions/workerGroup"},
    },
    "monitoring.interval": {"type": "string", "pattern": r"^\d+(ms|s|m)$"},
    "networkPolicy.clients.generation": PEERS,
    "networkPolicy.clients.scoring": PEERS,
    "networkPolicy.extraEgress.generation": OBJECTS,
    "networkPolicy.extraEgress.scoring": OBJECTS,
    "networkPolicy.extraEgress.sweep": OBJECTS,
    "networkPolicy.extraIngress.generation": OBJECTS,
    "networkPolicy.extraIngress.scoring": OBJECTS,
    "scoring.autoscaling.keda.pendingItemsPerReplica": ABOVE_ZERO,
    "scoring.autoscaling.keda.pollingIntervalSeconds": ABOVE_ZERO,
    "scoring.autoscaling.maxReplicas": ABOVE_ZERO,
    "scoring.autoscaling.minReplicas": ABOVE_ZERO,
    "scoring.autoscaling.mode": one_of("none", "hpa", "keda"),
    "scoring.autoscaling.targetCPUUtilizationPercentage": ABOVE_ZERO,
    "scoring.encoder.device": {"type": "string", "pattern": DEVICE_PATTERN},
    "scoring.encoder.layer": {"anyOf": [ABOVE_ZERO, {"type": "null"}]},
    "scoring.image.repository": NAME,
    "scoring.topologySpread.maxSkew": ABOVE_ZERO,
    "scoring.topologySpread.topologyKeys": NAMES,
    "scoring.topologySpread.whenUnsatisfiable": one_of("ScheduleAnyway", "DoNotSchedule"),
    "sweep.activeDeadlineSeconds": _OPTIONAL_NUMBER,
    "sweep.dataset.prepare.arguments": NAMES,
    "sweep.drivers": ABOVE_ZERO,
    "sweep.failOnExitCodes": {
        "type": "array",
        "uniqueItems": True,
        "items": {"type": "integer", "minimum": 1, "maximum": 255},
    },
    "sweep.image.repository": NAME,
    "sweep.maxFailedIndexes": _OPTIONAL_NUMBER,
    # As in a spec, and a Kubernetes label.
    "sweep.name": {
        "type": "string",
        "pattern": "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$",
        "maxLength": 63,
    },
    "sweep.parallelism": _OPTIONAL_NUMBER,
    "sweep.results.url": {"type": "string", "pattern": "^((s3|gs|az|abfss?)://.+)?$"},
    "sweep.ttlSecondsAfterFinished": _OPTIONAL_NUMBER,
    "tls.duration": _DURATION,
    "tls.extraDnsNames.generation": NAMES,
    "tls.extraDnsNames.scoring": NAMES,
    "tls.issuer.kind": one_of("Issuer", "ClusterIssuer"),
    "tls.mode": one_of("none", "certManager", "secret"),
    "tls.renewBefore": _DURATION,
}
_GROUP_NAME: Schema = {"type": "string", "pattern": "^[a-z]([a-z0-9-]{0,20}[a-z0-9])?$"}


def values_schema(values: tuple[Value, ...]) -> Schema:
    """Makes the JSON schema of a chart's values: their keys, and no others.

    Raises:
        ValueError: Neither the default of a value nor this module tells what it may be.
    """
    definitions: Schema = {}
    schema = _object(values, definitions)
    properties = schema["properties"]
    assert isinstance(properties, dict)
    properties["global"] = {
        "description": "Values that a chart around this one shares; not read here.",
        "type": "object",
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of expart-serving",
        **schema,
        "definitions": definitions,
    }


def _object(values: tuple[Value, ...], definitions: Schema) -> Schema:
    return closed({value.path[-1]: _described(value, definitions) for value in values})


def _described(value: Value, definitions: Schema) -> Schema:
    about: Schema = {"description": value.description} if value.description else {}
    return {**about, **_schema(value, definitions)}


def _schema(value: Value, definitions: Schema) -> Schema:
    special = _SPECIAL.get(value.name)
    if special is not None:
        return special(value, definitions)
    known = _BY_PATH.get(value.name) or BY_NAME.get(value.path[-1])
    if known is not None:
        return known
    return _object(value.keys, definitions) if value.keys else _of_default(value)


def _catalog(_: Value, definitions: Schema) -> Schema:
    return {"type": "array", "items": catalog_entry(definitions)}


def _worker_defaults(value: Value, definitions: Schema) -> Schema:
    """A group may have any of the keys that have a default, and has a name."""
    defaults = _object(value.keys, definitions)
    properties = defaults["properties"]
    assert isinstance(properties, dict)
    definitions["workerGroup"] = closed({"name": _GROUP_NAME, **properties}, required=("name",))
    return defaults


def _of_default(value: Value) -> Schema:
    default: JsonValue = value.default
    if isinstance(default, bool):
        return {"type": "boolean"}
    if isinstance(default, int):
        return {"type": "integer", "minimum": 0}
    if isinstance(default, float):
        return {"type": "number", "minimum": 0}
    if isinstance(default, str):
        return {"type": "string"}
    raise ValueError(f"{value.name}: its default tells not what it may be; say it in shapes.py")


_SPECIAL: dict[str, Callable[[Value, Schema], Schema]] = {
    "generation.front.settings": lambda _, __: front_settings(),
    "generation.workerDefaults": _worker_defaults,
    "models": _catalog,
    "scoring.settings": lambda _, __: scoring_settings(),
    "sweep.settings": lambda _, __: sweep_settings(),
    "sweep.spec": lambda _, definitions: sweep_spec(definitions),
}
