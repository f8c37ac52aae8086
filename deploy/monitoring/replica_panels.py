"""What the fronts say of each model's replicas, and of themselves."""

from deploy.monitoring.dashboard import Panel, Query
from deploy.monitoring.promql import most, selector

_NAMESPACE = 'namespace=~"$namespace"'
_MODEL = (_NAMESPACE, 'model=~"$model"')
_STATE = "expart_generation_model_state"
_REPLICAS = "expart_generation_model_replicas"

REPLICA_PANELS = (
    Panel(
        "Replicas",
        "Wanted by autoscaling, and ready to answer.",
        "short",
        (Query(most(selector(_REPLICAS, *_MODEL), "model", "kind"), "{{model}} {{kind}}"),),
        decimals=0,
        runbook="ExpartReplicasBelowWanted",
    ),
    Panel(
        "State",
        "1 for the state that a model is in.",
        "short",
        (
            Query(
                f"{most(selector(_STATE, *_MODEL), 'model', 'state')} == 1", "{{model}} {{state}}"
            ),
        ),
        decimals=0,
        maximum=1,
        runbook="ExpartModelFailedToLoad",
    ),
    Panel(
        "Fronts that drain",
        "1 while a front takes no new calls because it is replaced or stopped.",
        "short",
        (Query(selector("expart_generation_draining", _NAMESPACE), "{{instance}}"),),
        decimals=0,
        maximum=1,
    ),
)
