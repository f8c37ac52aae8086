{{/*
A pod of the Ray cluster: (dict "root" $ "node" "head" "group" …), where node is head, front or
model, and group holds image, resources and where the pod may run. KubeRay adds the command, what it
waits for and /dev/shm; the first container is Ray's.
*/}}
{{- define "expart-serving.generation.pod" -}}
{{- $generation := .root.Values.generation -}}
{{- $group := .group -}}
metadata:
  labels:
    {{- include "expart-serving.generation.podLabels" . | nindent 4 }}
    {{- with $generation.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $generation.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "expart-serving.generation.serviceAccountName" . }}
  automountServiceAccountToken: false
  # Kubernetes' own variables for services may begin with EXPART_ too.
  enableServiceLinks: false
  {{- include "expart-serving.imagePullSecrets" .root | nindent 2 }}
  securityContext:
    {{- include "expart-serving.podSecurityContext" .root | nindent 4 }}
  terminationGracePeriodSeconds: {{ $generation.terminationGracePeriodSeconds }}
  containers:
    - name: {{ ternary "ray-head" "ray-worker" (eq .node "head") }}
      image: {{ include "expart-serving.generation.image" . }}
      imagePullPolicy: {{ .root.Values.image.pullPolicy }}
      securityContext:
        {{- include "expart-serving.containerSecurityContext" .root | nindent 8 }}
      env:
        {{- include "expart-serving.generation.env" . | trim | nindent 8 }}
      ports:
        {{- include "expart-serving.generation.ports" . | nindent 8 }}
      {{- include "expart-serving.generation.probes" . | nindent 6 }}
      resources:
        {{- include "expart-serving.generation.resources" $group | nindent 8 }}
      volumeMounts:
        {{- include "expart-serving.generation.volumeMounts" . | nindent 8 }}
  volumes:
    {{- include "expart-serving.generation.volumes" . | nindent 4 }}
  {{- with $group.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $group.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $group.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $group.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $group.runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
  {{- with $group.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
{{- end -}}

{{/*
Image of a pod: with a repository of its own it is that, else generation.image with what the group says
otherwise; a digest holds for what it was written beside.
*/}}
{{- define "expart-serving.generation.image" -}}
{{- $image := deepCopy .root.Values.generation.image -}}
{{- $own := dict -}}
{{- range $name, $value := .group.image }}{{ if $value }}{{ $_ := set $own $name $value }}{{ end }}{{ end -}}
{{- if $own.repository -}}
{{- $image = $own -}}
{{- else if $own -}}
{{- $image = merge $own (omit $image "digest") -}}
{{- end -}}
{{- include "expart-serving.image" (dict "root" .root "image" $image) -}}
{{- end -}}

{{/* Labels of a pod; nothing that a new version of the chart changes, as that replaces the cluster. */}}
{{- define "expart-serving.generation.podLabels" -}}
{{- include "expart-serving.selectorLabels" (dict "root" .root "component" "generation") }}
expart-serving/node: {{ .node }}
{{- end -}}

{{/* ServiceAccount of a pod: the head's autoscaler has one of its own. */}}
{{- define "expart-serving.generation.serviceAccountName" -}}
{{- $account := .root.Values.generation.serviceAccount -}}
{{- $name := include "expart-serving.serviceAccountName" (dict "root" .root "component" "generation") -}}
{{- if ne .node "head" -}}
{{- $name -}}
{{- else if $account.create -}}
{{- default (printf "%s-head" $name) $account.headName -}}
{{- else -}}
{{- default $name $account.headName -}}
{{- end -}}
{{- end -}}

{{/* Resources of a container, its GPUs among them. */}}
{{- define "expart-serving.generation.resources" -}}
{{- $resources := deepCopy .resources -}}
{{- if .gpus -}}
{{- range $part := list "limits" "requests" -}}
{{- $_ := set $resources $part (set (index $resources $part | default dict) $.gpuResource $.gpus) -}}
{{- end -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{/* The pods of the fronts: no two on one node, if it can be. */}}
{{- define "expart-serving.generation.frontPod" -}}
{{- $group := deepCopy .Values.generation.front -}}
{{- if not $group.topologySpreadConstraints -}}
{{- $selector := include "expart-serving.generation.podLabels" (dict "root" . "node" "front") | fromYaml -}}
{{- $spread := dict "maxSkew" 1 "topologyKey" "kubernetes.io/hostname" "whenUnsatisfiable" "ScheduleAnyway" -}}
{{- $_ := set $spread "labelSelector" (dict "matchLabels" $selector) -}}
{{- $_ := set $group "topologySpreadConstraints" (list $spread) -}}
{{- end -}}
{{- include "expart-serving.generation.pod" (dict "root" . "node" "front" "group" $group) -}}
{{- end -}}
