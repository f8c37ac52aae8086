{{/* Name of the chart in names and labels. */}}
{{- define "expart-serving.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Name of the release's objects; short enough for suffixes of 23 characters. */}}
{{- define "expart-serving.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "expart-serving.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Labels that select the pods of a component: (dict "root" $ "component" "scoring"). KubeRay names the
pods of generation itself, kuberay, and finds its head by that.
*/}}
{{- define "expart-serving.selectorLabels" -}}
app.kubernetes.io/part-of: expart-serving
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- if ne .component "generation" }}
app.kubernetes.io/name: {{ include "expart-serving.name" .root }}
{{- end }}
{{- end -}}

{{/* Labels of an object: (dict "root" $ "component" "scoring"). */}}
{{- define "expart-serving.labels" -}}
app.kubernetes.io/name: {{ include "expart-serving.name" .root }}
app.kubernetes.io/part-of: expart-serving
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/*
An image: (dict "root" $ "image" .Values.scoring.image), which has repository, tag, digest and, if
there are several of that name, variant.
*/}}
{{- define "expart-serving.image" -}}
{{- $registry := .root.Values.image.registry | trimSuffix "/" -}}
{{- $name := ternary .image.repository (printf "%s/%s" $registry .image.repository) (empty $registry) -}}
{{- if .image.digest -}}
{{- printf "%s@%s" $name .image.digest -}}
{{- else -}}
{{- $tag := .image.tag | default .root.Values.image.tag | default .root.Chart.AppVersion -}}
{{- printf "%s:%s" $name (ternary $tag (printf "%s-%s" $tag .image.variant) (empty .image.variant)) -}}
{{- end -}}
{{- end -}}

{{/* imagePullSecrets of a pod. */}}
{{- define "expart-serving.imagePullSecrets" -}}
{{- with .Values.image.pullSecrets -}}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* securityContext of a pod: what the restricted Pod Security Standard asks, and our user. */}}
{{- define "expart-serving.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* securityContext of a container. */}}
{{- define "expart-serving.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
capabilities:
  drop:
    - ALL
seccompProfile:
  type: RuntimeDefault
{{- end -}}
