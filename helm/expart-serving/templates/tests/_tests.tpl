{{/* A pod of helm test: (dict "root" $ "name" "scoring" "script" "checks/score_text.py" "address" "…"). */}}
{{- define "expart-serving.testPod" -}}
{{- $root := .root -}}
apiVersion: v1
kind: Pod
metadata:
  name: {{ include "expart-serving.fullname" $root }}-test-{{ .name }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "expart-serving.labels" (dict "root" $root "component" "tests") | nindent 4 }}
  annotations:
    helm.sh/hook: test
    # Kept until the next time, so that helm test --logs finds them.
    helm.sh/hook-delete-policy: before-hook-creation
spec:
  restartPolicy: Never
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- include "expart-serving.imagePullSecrets" $root | nindent 2 }}
  securityContext:
    {{- include "expart-serving.podSecurityContext" $root | nindent 4 }}
  containers:
    - name: test
      image: {{ include "expart-serving.image" (dict "root" $root "image" $root.Values.sweep.image) }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      securityContext:
        {{- include "expart-serving.containerSecurityContext" $root | nindent 8 }}
      command:
        - python
        - -c
        - |
          {{- $root.Files.Get .script | nindent 10 }}
        - {{ .address }}
      env:
        - name: PYTHONUNBUFFERED
          value: "1"
        {{- include "expart-serving.client.env" $root | nindent 8 }}
      resources:
        requests:
          cpu: 100m
          memory: 128Mi
        limits:
          cpu: "1"
          memory: 512Mi
      volumeMounts:
        - name: tmp
          mountPath: /tmp
        {{- include "expart-serving.client.volumeMounts" $root | nindent 8 }}
  volumes:
    - name: tmp
      emptyDir:
        sizeLimit: 64Mi
    {{- include "expart-serving.client.volumes" $root | nindent 4 }}
{{- end -}}
