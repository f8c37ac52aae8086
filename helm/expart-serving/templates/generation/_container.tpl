{{/* Where weights lie that the hub sends: beside the models, unless those come with the image. */}}
{{- define "expart-serving.generation.hubCache" -}}
{{- ternary "/tmp/huggingface" "/models/huggingface" (eq .Values.generation.modelCache.type "image") -}}
{{- end -}}

{{/* Environment of a Ray container; the processes of fronts and replicas inherit it. */}}
{{- define "expart-serving.generation.env" -}}
{{- $generation := .root.Values.generation -}}
{{- if ne $generation.modelCache.type "image" }}
- name: EXPART_GENERATION_MODELS_FOLDER
  value: /models
{{- end }}
- name: HF_HOME
  value: {{ include "expart-serving.generation.hubCache" .root }}
- name: HOME
  value: /tmp
- name: RAY_USAGE_STATS_ENABLED
  value: "0"
- name: RAY_LOG_TO_STDERR
  value: {{ ternary "1" "0" $generation.logToStandardError | quote }}
{{- if ne .node "head" }}
# Ray waits so long for what runs here when it is told to end: the grace period without the pause
# before, and with some seconds to end its processes.
- name: RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S
  value: {{ max 0 (sub $generation.terminationGracePeriodSeconds 25) | quote }}
{{- end }}
{{- if include "expart-serving.generation.hasHubTokenFile" . }}
- name: HF_TOKEN_PATH
  value: /run/secrets/expart-hub/token
{{- else if and $generation.hubToken.existingSecret (ne .node "head") }}
- name: HF_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ $generation.hubToken.existingSecret }}
      key: {{ $generation.hubToken.key }}
{{- end }}
{{- with .group.env }}
{{ toYaml . }}
{{- end }}
{{- with $generation.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/*
Ports of a Ray container. KubeRay wants one named serve at the head, for a Service of its own, which
leads to every worker; callers use the chart's, which leads to the fronts. It calls the port of Ray's
exporter metrics, and adds one of that name where there is none.
*/}}
{{- define "expart-serving.generation.ports" -}}
- name: metrics
  containerPort: 8080
{{- if eq .node "head" }}
- name: gcs-server
  containerPort: 6379
- name: dashboard
  containerPort: 8265
- name: client
  containerPort: 10001
- name: serve
  containerPort: 50051
{{- else if eq .node "front" }}
- name: grpc
  containerPort: 50051
- name: grpc-health
  containerPort: 50052
- name: front-metrics
  containerPort: 9464
{{- end }}
{{- end -}}

{{/*
Probes of a Ray container. KubeRay's own ask workers for Serve's HTTP proxy, which does not run here.
Ray's agent answers for the node without a token; a front answers grpc.health.v1 in plaintext.
*/}}
{{- define "expart-serving.generation.probes" -}}
{{- $raylet := dict "path" "/api/local_raylet_healthz" "port" 52365 -}}
startupProbe:
  httpGet:
    {{- toYaml $raylet | nindent 4 }}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 60
livenessProbe:
  httpGet:
    {{- toYaml $raylet | nindent 4 }}
  periodSeconds: 10
  timeoutSeconds: 10
  failureThreshold: 12
readinessProbe:
  {{- if eq .node "head" }}
  httpGet:
    path: /api/gcs_healthz
    port: dashboard
  {{- else if eq .node "front" }}
  grpc:
    port: 50052
  {{- else }}
  httpGet:
    {{- toYaml $raylet | nindent 4 }}
  {{- end }}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 3
{{- if ne .node "head" }}
lifecycle:
  preStop:
    # Until no new connection is sent here; calls in flight go on.
    exec:
      command: ["sleep", "10"]
{{- end }}
{{- end -}}
