{{/*
A worker group with what it does not say taken from generation.workerDefaults, and with what follows
from that: nodeResources, by which models choose it; cpus of a pod, as KubeRay counts them; mostPods.
A JSON object.
*/}}
{{- define "expart-serving.generation.group" -}}
{{- $generation := .root.Values.generation -}}
{{- $group := deepCopy $generation.workerDefaults -}}
{{- range $name, $value := .group }}{{ $_ := set $group $name $value }}{{ end -}}
{{- $node := dict -}}
{{- with $group.acceleratorType }}{{ $_ := set $node (printf "accelerator_type:%s" .) 1 }}{{ end -}}
{{- range $group.rayResources }}{{ $_ := set $node . 1 }}{{ end -}}
{{- $_ := set $group "nodeResources" $node -}}
{{- if gt (int $group.minReplicas) (int $group.maxReplicas) -}}
{{- fail (printf "generation.workerGroups: %s: minReplicas exceeds maxReplicas" $group.name) -}}
{{- end -}}
{{- $_ := set $group "replicas" (min (max (int $group.replicas) (int $group.minReplicas)) (int $group.maxReplicas)) -}}
{{- $_ := set $group "mostPods" (ternary (int $group.maxReplicas) $group.replicas $generation.autoscaling.enabled) -}}
{{- $limit := dig "limits" "cpu" "" $group.resources | toString -}}
{{- $cpu := default (dig "requests" "cpu" "" $group.resources | toString) $limit -}}
{{- $divisor := ternary 1000.0 1.0 (hasSuffix "m" $cpu) -}}
{{- $_ := set $group "cpus" (ceil (divf (trimSuffix "m" $cpu | float64) $divisor)) -}}
{{- toJson $group -}}
{{- end -}}

{{/* How ray start is called in a worker group; KubeRay adds the rest. */}}
{{- define "expart-serving.generation.rayStartParams" -}}
metrics-export-port: "8080"
{{- if .gpus }}
num-gpus: {{ quote .gpus }}
{{- end }}
{{- with .nodeResources }}
resources: {{ printf "'%s'" (toJson .) | toJson }}
{{- end }}
{{- end -}}

{{/* The worker groups of models, as KubeRay takes them. */}}
{{- define "expart-serving.generation.workerGroups" -}}
{{- $root := . -}}
{{- range .Values.generation.workerGroups }}
{{- $group := include "expart-serving.generation.group" (dict "root" $root "group" .) | fromJson }}
- groupName: {{ $group.name }}
  replicas: {{ $group.replicas }}
  minReplicas: {{ $group.minReplicas }}
  maxReplicas: {{ $group.maxReplicas }}
  {{- if and $group.idleTimeoutSeconds $root.Values.generation.autoscaling.enabled }}
  # KubeRay refuses it where there is no autoscaler.
  idleTimeoutSeconds: {{ $group.idleTimeoutSeconds }}
  {{- end }}
  rayStartParams:
    {{- include "expart-serving.generation.rayStartParams" $group | nindent 4 }}
  template:
    {{- include "expart-serving.generation.pod" (dict "root" $root "node" "model" "group" $group) | nindent 4 }}
{{- end }}
{{- end -}}

{{/*
Refuses models that no worker group can run, or not all of them at once: they would wait for ever, and
with them what waits for all models to run.
*/}}
{{- define "expart-serving.generation.checkPlacement" -}}
{{- $groups := list }}
{{- $gpus := 0.0 }}
{{- range .Values.generation.workerGroups }}
{{- $group := include "expart-serving.generation.group" (dict "root" $ "group" .) | fromJson }}
{{- $groups = append $groups $group }}
{{- $gpus = addf $gpus (mulf $group.mostPods $group.gpus) }}
{{- end }}
{{- $asked := 0.0 }}
{{- range $model := .Values.models }}
{{- $needs := dict "num_cpus" 1 "num_gpus" 0 "node_resource" "" }}
{{- range $name, $value := pick $model "num_cpus" "num_gpus" "node_resource" }}{{ $_ := set $needs $name $value }}{{ end }}
{{- $found := false }}
{{- range $groups }}
{{- $isNamed := or (not $needs.node_resource) (hasKey .nodeResources (toString $needs.node_resource)) }}
{{- $hasRoom := and (ge (float64 .gpus) (float64 $needs.num_gpus)) (ge (float64 .cpus) (float64 $needs.num_cpus)) }}
{{- if and $isNamed $hasRoom (gt (int .mostPods) 0) }}
{{- $found = true }}
{{- end }}
{{- end }}
{{- if not $found }}
{{- fail (printf "models: %s: no worker group has pods with %v GPUs, %v processors and the node_resource %q" $model.name $needs.num_gpus $needs.num_cpus (toString $needs.node_resource)) }}
{{- end }}
{{- $asked = addf $asked (mulf (dig "scaling" "min_replicas" 1 $model) $needs.num_gpus) }}
{{- end }}
{{- if gt $asked $gpus }}
{{- fail (printf "models: their min_replicas take %v GPUs, all pods of generation.workerGroups together have %v" $asked $gpus) }}
{{- end }}
{{- end -}}
