"""Every series that a dashboard or a rule may ask for, and who gives it."""

from collections.abc import Iterable, Mapping

from deploy.monitoring.alert_rules import ALERT_GROUPS
from deploy.monitoring.rule import Recording, RuleGroup
from deploy.monitoring.slo_rules import SLO_GROUPS
from services.telemetry.all_metrics import all_metrics
from services.telemetry.declarations import Kind, MetricDeclaration
from services.telemetry.engine_metrics import ENGINE_METRICS

RULE_FILES: Mapping[str, tuple[RuleGroup, ...]] = {"slo": SLO_GROUPS, "alerts": ALERT_GROUPS}

# What Prometheus adds to whatever it scrapes, here or by the chart's monitors.
TARGET_LABELS = frozenset({"instance", "job", "namespace"})

_PROMETHEUS = {
    "up": (),
    "ALERTS": ("alertname", "alertstate", "component", "model", "severity", "sweep"),
}
_PROCESS = {"process_cpu_seconds_total": (), "process_resident_memory_bytes": ()}

# Ray 2.60, from its exporter.
_NODE = ("ip", "RayNodeType", "IsHeadNode", "SessionName", "Version")
_GPU = (*_NODE, "GpuIndex", "GpuDeviceName", "GpuUuid")
_SERVE = ("application", "deployment")
_RAY = {
    "ray_node_cpu_utilization": _NODE,
    "ray_node_disk_utilization_percentage": _NODE,
    "ray_node_gpus_utilization": _GPU,
    "ray_node_gram_used": _GPU,
    "ray_node_mem_total": _NODE,
    "ray_node_mem_used": _NODE,
    "ray_node_network_receive_speed": _NODE,
    "ray_node_network_send_speed": _NODE,
    "ray_resources": ("Name", "State", "NodeAddress"),
    "ray_serve_autoscaling_target_replicas": _SERVE,
    "ray_serve_autoscaling_total_requests": _SERVE,
    "ray_serve_deployment_replica_healthy": (*_SERVE, "replica"),
    "ray_serve_replica_processing_queries": (*_SERVE, "replica"),
    "ray_serve_replica_startup_latency_ms_bucket": (*_SERVE, "le"),
}


def declared_series() -> Mapping[str, frozenset[str]]:
    """Gives each series' labels besides those of its target, by name."""
    series = {
        name: frozenset(labels)
        for source in (_PROMETHEUS, _PROCESS, _RAY)
        for name, labels in source.items()
    }
    for metric in (*all_metrics(), *ENGINE_METRICS):
        series.update(_series_of(metric))
    for groups in RULE_FILES.values():
        series.update(_recorded(groups))
    return series


def _series_of(metric: MetricDeclaration) -> Iterable[tuple[str, frozenset[str]]]:
    labels = frozenset(metric.labels)
    if metric.kind is not Kind.HISTOGRAM:
        yield metric.name, labels
        return
    yield f"{metric.name}_bucket", labels | {"le"}
    yield f"{metric.name}_count", labels
    yield f"{metric.name}_sum", labels


def _recorded(groups: Iterable[RuleGroup]) -> Iterable[tuple[str, frozenset[str]]]:
    for group in groups:
        for rule in group.rules:
            if isinstance(rule, Recording):
                level = rule.record.partition(":")[0]
                labels = [] if level == "expart" else level.split("_")
                yield rule.record, frozenset(labels)
