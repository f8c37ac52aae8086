{{/* Where the sweep's results go: a URI, or a folder of the volume. */}}
{{- define "expart-serving.sweep.output" -}}
{{- $sweep := .Values.sweep -}}
{{- if $sweep.results.url -}}
{{- printf "%s/%s" (trimSuffix "/" $sweep.results.url) $sweep.name -}}
{{- else -}}
{{- printf "/results/%s" $sweep.name -}}
{{- end -}}
{{- end -}}

{{/* The sweep's spec as its drivers read it. */}}
{{- define "expart-serving.sweep.spec" -}}
{{- $given := .Values.sweep.spec -}}
{{- if not $given.models -}}
{{- fail "sweep.spec.models: name at least one model of the catalog" -}}
{{- end -}}
{{- $own := dict "name" .Values.sweep.name "output" (include "expart-serving.sweep.output" .) -}}
{{- merge $own $given | toYaml -}}
{{- end -}}

{{/* Name of the ConfigMap with the spec; another spec is another ConfigMap. */}}
{{- define "expart-serving.sweep.configMapName" -}}
{{- printf "%s-sweep-%s" (include "expart-serving.fullname" .) (include "expart-serving.sweep.spec" . | sha256sum | trunc 8) -}}
{{- end -}}

{{/* Name of the claim for results, where they go to a volume. */}}
{{- define "expart-serving.sweep.resultsClaim" -}}
{{- $results := .Values.sweep.results -}}
{{- if not $results.url -}}
{{- default (printf "%s-sweep-results" (include "expart-serving.fullname" .)) $results.existingClaim -}}
{{- end -}}
{{- end -}}

{{/* Volumes of a sweep's pods. */}}
{{- define "expart-serving.sweep.volumes" -}}
- name: tmp
  emptyDir:
    sizeLimit: 2Gi
- name: spec
  configMap:
    name: {{ include "expart-serving.sweep.configMapName" . }}
{{- include "expart-serving.sweep.datasetVolume" (dict "root" . "readOnly" true) }}
{{- with include "expart-serving.sweep.resultsClaim" . }}
- name: results
  persistentVolumeClaim:
    claimName: {{ . }}
{{- end }}
{{- include "expart-serving.client.volumes" . }}
{{- end -}}

{{/* Where a sweep's containers find them. */}}
{{- define "expart-serving.sweep.volumeMounts" -}}
- name: tmp
  mountPath: /tmp
- name: spec
  mountPath: /etc/expart/sweep
  readOnly: true
{{- include "expart-serving.sweep.datasetMount" (dict "root" . "readOnly" true) }}
{{- if include "expart-serving.sweep.resultsClaim" . }}
- name: results
  mountPath: /results
{{- end }}
{{- include "expart-serving.client.volumeMounts" . }}
{{- end -}}

{{/* Environment of a sweep's containers: settings, the object store's, TLS and token. */}}
{{- define "expart-serving.sweep.env" -}}
- name: EXPART_CLI_LOG_FOLDER
  value: /tmp/log
{{- range $name, $value := .Values.sweep.settings }}
- name: EXPART_SWEEP_{{ upper $name }}
  value: {{ include "expart-serving.variable" $value }}
{{- end }}
{{- include "expart-serving.client.env" . }}
{{- with .Values.sweep.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Secrets whose keys become variables, such as AWS_ACCESS_KEY_ID. */}}
{{- define "expart-serving.sweep.envFrom" -}}
{{- with .Values.sweep.secretEnv }}
envFrom:
{{- range . }}
  - secretRef:
      name: {{ . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Exit codes in the order that Kubernetes asks for, each once: a list. */}}
{{- define "expart-serving.sweep.exitCodes" -}}
{{- $given := list -}}
{{- range .Values.sweep.failOnExitCodes }}{{ $given = append $given (int .) }}{{ end -}}
{{- $sorted := list -}}
{{- range $code := untilStep 1 256 1 -}}
{{- if has $code $given -}}
{{- $sorted = append $sorted $code -}}
{{- end -}}
{{- end -}}
{{- toJson $sorted -}}
{{- end -}}

{{/* What the schema of Kubernetes 1.28 asks of every rule, and its server only of some. */}}
{{- define "expart-serving.sweep.onNoCondition" -}}
{{- if semverCompare "<1.29-0" .Capabilities.KubeVersion.Version }}
onPodConditions: []
{{- end }}
{{- end -}}
