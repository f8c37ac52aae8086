{{/* Pod template of a sweep's drivers; a Job cannot change it, so the Job's name holds its hash. */}}
{{- define "expart-serving.sweep.podTemplate" -}}
{{- $sweep := .Values.sweep -}}
{{- $context := dict "root" . "component" "sweep" -}}
metadata:
  labels:
    {{- include "expart-serving.selectorLabels" $context | nindent 4 }}
    {{- with $sweep.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $sweep.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  restartPolicy: Never
  serviceAccountName: {{ include "expart-serving.serviceAccountName" $context }}
  automountServiceAccountToken: false
  # Kubernetes' own variables for services begin with EXPART_ too.
  enableServiceLinks: false
  {{- include "expart-serving.imagePullSecrets" . | nindent 2 }}
  securityContext:
    {{- include "expart-serving.podSecurityContext" . | nindent 4 }}
  # What is in flight may end, and the last results are made durable.
  terminationGracePeriodSeconds: {{ add 40 (int (ceil ($sweep.settings.drain_s | default 20))) }}
  {{- with $sweep.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  containers:
    - name: driver
      image: {{ include "expart-serving.image" (dict "root" . "image" $sweep.image) }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      securityContext:
        {{- include "expart-serving.containerSecurityContext" . | nindent 8 }}
      command: ["expart", "sweep", "run", "/etc/expart/sweep/sweep.yaml"]
      args:
        - --generation={{ include "expart-serving.client.generationAddress" . }}
        - --scoring={{ include "expart-serving.client.scoringAddress" . }}
        - --log-format=json
        - --metrics-port=9466
        {{- if $sweep.retryFailed }}
        - --retry-failed
        {{- end }}
      env:
        # Which shard is this driver's comes from the Job, as JOB_COMPLETION_INDEX.
        - name: EXPART_SWEEP_SHARD_COUNT
          value: {{ include "expart-serving.variable" $sweep.drivers }}
        {{- include "expart-serving.sweep.env" . | nindent 8 }}
      {{- include "expart-serving.sweep.envFrom" . | nindent 6 }}
      ports:
        - name: metrics
          containerPort: 9466
      resources:
        {{- toYaml $sweep.resources | nindent 8 }}
      volumeMounts:
        {{- include "expart-serving.sweep.volumeMounts" . | nindent 8 }}
  volumes:
    {{- include "expart-serving.sweep.volumes" . | nindent 4 }}
  # Apart, so that the loss of a node stops few of them.
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "expart-serving.selectorLabels" $context | nindent 10 }}
  {{- with $sweep.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $sweep.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  tolerations:
    # Kubernetes' own default waits five minutes before it gives up a pod of a lost node.
    - key: node.kubernetes.io/unreachable
      operator: Exists
      effect: NoExecute
      tolerationSeconds: {{ $sweep.nodeLossTolerationSeconds }}
    - key: node.kubernetes.io/not-ready
      operator: Exists
      effect: NoExecute
      tolerationSeconds: {{ $sweep.nodeLossTolerationSeconds }}
    {{- with $sweep.tolerations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}
