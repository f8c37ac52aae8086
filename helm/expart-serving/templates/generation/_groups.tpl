{{/* A worker group with what it does not say taken from generation.workerDefaults: a JSON object. */}}
{{- define "expart-serving.generation.group" -}}
{{- $group := deepCopy .root.Values.generation.workerDefaults -}}
{{- range $name, $value := .group }}{{ $_ := set $group $name $value }}{{ end -}}
{{- $node := dict -}}
{{- with $group.acceleratorType }}{{ $_ := set $node (printf "accelerator_type:%s" .) 1 }}{{ end -}}
{{- range $group.rayResources }}{{ $_ := set $node . 1 }}{{ end -}}
{{- $_ := set $group "nodeResources" $node -}}
{{- if gt (int $group.minReplicas) (int $group.maxReplicas) -}}
{{- fail (printf "generation.workerGroups: %s: minReplicas exceeds maxReplicas" $group.name) -}}
{{- end -}}
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
  replicas: {{ max (int $group.replicas) (int $group.minReplicas) }}
  minReplicas: {{ $group.minReplicas }}
  maxReplicas: {{ $group.maxReplicas }}
  {{- with $group.idleTimeoutSeconds }}
  idleTimeoutSeconds: {{ . }}
  {{- end }}
  rayStartParams:
    {{- include "expart-serving.generation.rayStartParams" $group | nindent 4 }}
  template:
    {{- include "expart-serving.generation.pod" (dict "root" $root "node" "model" "group" $group) | nindent 4 }}
{{- end }}
{{- end -}}

{{/*
Refuses models that no worker group can run: they would wait for ever, and with them what waits for all
models to run.
*/}}
{{- define "expart-serving.generation.checkPlacement" -}}
{{- $root := . -}}
{{- range $model := .Values.models }}
{{- $found := false }}
{{- range $root.Values.generation.workerGroups }}
{{- $group := include "expart-serving.generation.group" (dict "root" $root "group" .) | fromJson }}
{{- $isNamed := or (not $model.node_resource) (hasKey $group.nodeResources (toString $model.node_resource)) }}
{{- if and $isNamed (ge (float64 $group.gpus) (float64 ($model.num_gpus | default 0))) (gt (int $group.maxReplicas) 0) }}
{{- $found = true }}
{{- end }}
{{- end }}
{{- if not $found }}
{{- fail (printf "models: %s: no worker group has pods with %v GPUs and the node_resource %q" $model.name ($model.num_gpus | default 0) ($model.node_resource | default "")) }}
{{- end }}
{{- end }}
{{- end -}}
