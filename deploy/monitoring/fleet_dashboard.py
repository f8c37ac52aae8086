"""Nodes, autoscaling and cold starts: what the models run on."""

from deploy.monitoring.dashboard import (
    Dashboard,
    Panel,
    Query,
    Row,
    Step,
    Variable,
    bad_from,
    firing_alerts,
    stat,
)
from deploy.monitoring.promql import most, quantile, quantile_ever, rate, selector, total

_NAMESPACE = 'namespace=~"$namespace"'
_MODEL = (_NAMESPACE, 'model=~"$model"')
_OF_MODELS = (_NAMESPACE, 'application=~"model-($model)"')
_DAY_S = 86_400
_HEALTHY = selector("ray_serve_deployment_replica_healthy", *_OF_MODELS)
_CPU, _GPU = 'Name="CPU"', 'Name="GPU"'
_UP = selector("up", _NAMESPACE)
_NO_RAY = "no Ray node in this time"

_SUMMARY = (
    firing_alerts(),
    stat(
        "Ray nodes",
        "Nodes that tell of themselves.",
        "short",
        f"count({selector('ray_node_mem_total', _NAMESPACE)})",
        decimals=0,
    ),
    stat(
        "Processors free",
        "Not asked for by any replica.",
        "short",
        total(selector("ray_resources", _NAMESPACE, _CPU, 'State="AVAILABLE"')),
        decimals=0,
    ),
    stat(
        "GPUs free",
        "Not asked for by any replica. A model that wants more waits, or makes the cluster grow.",
        "short",
        total(selector("ray_resources", _NAMESPACE, _GPU, 'State="AVAILABLE"')),
        decimals=0,
        runbook="ExpartReplicasBelowWanted",
        empty="no GPU",
    ),
    stat(
        "Cold starts, 1 h",
        "Models that a call woke.",
        "short",
        f"sum(increase({selector('expart_generation_cold_starts_total', *_MODEL)}[1h]))",
        decimals=0,
        empty="no front",
    ),
    stat(
        "Certificate valid for",
        "The first of those of the services to expire.",
        "s",
        f"min({selector('namespace_component:expart_certificate_seconds_left:min', _NAMESPACE)})",
        steps=(Step(2 * _DAY_S, "orange"), Step(14 * _DAY_S, "green")),
        runbook="ExpartCertificateExpiring",
        empty="no TLS",
    ),
    stat(
        "Targets lost",
        "Processes that Prometheus should reach and does not. On a laptop the driver's is one of "
        "them while no sweep runs.",
        "short",
        f"count({_UP}) - {total(_UP)}",
        steps=bad_from(1, 2),
        decimals=0,
        runbook="ExpartServiceGone",
        empty="nothing is scraped",
    ),
)

_SCALING = (
    Panel(
        "Replicas by application",
        "Healthy ones as Serve counts them, and the number that autoscaling aims at.",
        "short",
        (
            Query(total(_HEALTHY, "application"), "{{application}} healthy"),
            Query(
                most(selector("ray_serve_autoscaling_target_replicas", *_OF_MODELS), "application"),
                "{{application}} target",
            ),
        ),
        decimals=0,
        runbook="ExpartReplicasBelowWanted",
    ),
    Panel(
        "What autoscaling sees",
        "Requests of each application, waiting ones included; over its target for a replica they "
        "make the number of replicas.",
        "short",
        (
            Query(
                most(selector("ray_serve_autoscaling_total_requests", *_OF_MODELS), "application"),
                "{{application}}",
            ),
        ),
    ),
    Panel(
        "Requests in replicas",
        "As the replicas count them.",
        "short",
        (
            Query(
                total(selector("ray_serve_replica_processing_queries", *_OF_MODELS), "application"),
                "{{application}}",
            ),
        ),
    ),
    Panel(
        "Cold starts",
        "Models that a call woke, a minute.",
        "short",
        (
            Query(
                f"60 * {total(rate('expart_generation_cold_starts_total', *_MODEL), 'model')}",
                "{{model}}",
            ),
        ),
    ),
    Panel(
        "Seconds of a cold start, p95",
        "From the call that woke a model until it answers, over the last hour: download, loading, "
        "and the node, if one had to come.",
        "s",
        (
            Query(
                quantile(
                    0.95,
                    "expart_generation_cold_start_seconds",
                    *_MODEL,
                    by=("model",),
                    window="1h",
                ),
                "{{model}}",
            ),
        ),
        empty="none in this time",
    ),
    Panel(
        "Start of a replica, p95",
        "From being asked for to being ready, of all starts since Serve's controller began.",
        "ms",
        (
            Query(
                quantile_ever(
                    0.95, "ray_serve_replica_startup_latency_ms", *_OF_MODELS, by=("application",)
                ),
                "{{application}}",
            ),
        ),
    ),
)

_NODES = (
    Panel(
        "Processors",
        "Use of each node.",
        "percent",
        (Query(selector("ray_node_cpu_utilization", _NAMESPACE), "{{instance}}"),),
        maximum=100,
    ),
    Panel(
        "Memory",
        "Part in use of each node. Ray ends workers of a node that is about to run out.",
        "percentunit",
        (
            Query(
                f"{selector('ray_node_mem_used', _NAMESPACE)}"
                f" / {selector('ray_node_mem_total', _NAMESPACE)}",
                "{{instance}}",
            ),
        ),
        steps=(Step(0.95, "red"),),
        maximum=1,
    ),
    Panel(
        "Disk",
        "Part in use of each node; models that are downloaded lie there.",
        "percent",
        (Query(selector("ray_node_disk_utilization_percentage", _NAMESPACE), "{{instance}}"),),
        steps=(Step(95, "red"),),
        maximum=100,
    ),
    Panel(
        "Network",
        "Bytes a second in and out of each node.",
        "Bps",
        (
            Query(selector("ray_node_network_receive_speed", _NAMESPACE), "{{instance}} in"),
            Query(selector("ray_node_network_send_speed", _NAMESPACE), "{{instance}} out"),
        ),
    ),
    Panel(
        "Processors asked for",
        "By replicas, against those that the cluster has.",
        "short",
        (Query(total(selector("ray_resources", _NAMESPACE, _CPU), "State"), "{{State}}"),),
        stacked=True,
    ),
    Panel(
        "GPUs asked for",
        "By replicas, against those that the cluster has.",
        "short",
        (Query(total(selector("ray_resources", _NAMESPACE, _GPU), "State"), "{{State}}"),),
        stacked=True,
        empty="no GPU in the cluster",
    ),
)

_PROCESSES = (
    Panel(
        "Memory of our processes",
        "Fronts, scoring and drivers; models are on the nodes' page of Ray.",
        "bytes",
        (Query(selector("process_resident_memory_bytes", _NAMESPACE), "{{job}} {{instance}}"),),
    ),
    Panel(
        "Processor time of our processes",
        "In processors.",
        "short",
        (Query(rate("process_cpu_seconds_total", _NAMESPACE), "{{job}} {{instance}}"),),
    ),
    Panel(
        "Scrapes",
        "1 where Prometheus reaches a target.",
        "short",
        (Query(_UP, "{{job}} {{instance}}"),),
        decimals=0,
        maximum=1,
        runbook="ExpartServiceGone",
    ),
)

FLEET = Dashboard(
    uid="expart-fleet",
    title="ExpArt fleet",
    description="Ray's nodes, autoscaling, cold starts and our processes.",
    variables=(
        Variable("namespace", "Namespace", "ray_node_mem_total", "namespace"),
        Variable(
            "model",
            "Model",
            'expart_generation_model_state{namespace=~"$namespace"}',
            "model",
        ),
    ),
    rows=(
        Row("Now", _SUMMARY, _NO_RAY),
        Row("Replicas and cold starts", _SCALING, _NO_RAY),
        Row("Nodes", _NODES, _NO_RAY),
        Row("Processes", _PROCESSES, "nothing is scraped"),
    ),
)
