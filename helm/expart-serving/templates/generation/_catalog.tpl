{{/*
What of a place of weights a node needs: below /models a relative folder, as nodes may keep their
models elsewhere.
*/}}
{{- define "expart-serving.generation.place" -}}
{{- $place := deepCopy . -}}
{{- if $place.folder }}{{ $_ := set $place "folder" (trimPrefix "/models/" $place.folder) }}{{ end -}}
{{- toJson $place -}}
{{- end -}}

{{/* The catalog by name, with portable folders: a JSON object. */}}
{{- define "expart-serving.generation.catalog" -}}
{{- $catalog := dict -}}
{{- range .Values.models -}}
{{- if hasKey $catalog .name }}{{ fail (printf "models: two entries have the name %s" .name) }}{{ end -}}
{{- $entry := deepCopy . -}}
{{- if $entry.source -}}
{{- $_ := set $entry "source" (include "expart-serving.generation.place" $entry.source | fromJson) -}}
{{- end -}}
{{- range $name, $place := $entry.adapters -}}
{{- $_ := set $entry.adapters $name (include "expart-serving.generation.place" $place | fromJson) -}}
{{- end -}}
{{- $_ := set $catalog .name $entry -}}
{{- end -}}
{{- toJson $catalog -}}
{{- end -}}

{{/* How a model's deployment scales, from the entry's scaling: a JSON object. */}}
{{- define "expart-serving.generation.scaling" -}}
{{- $scaling := dict
  "min_replicas" 1 "max_replicas" 1
  "target_ongoing_requests" 8 "max_ongoing_requests" 32
  "upscale_delay_s" 5 "downscale_delay_s" 600 -}}
{{- range $name, $value := . }}{{ $_ := set $scaling $name $value }}{{ end -}}
{{- $options := dict "max_ongoing_requests" $scaling.max_ongoing_requests -}}
{{- if eq (int $scaling.min_replicas) (int $scaling.max_replicas) -}}
{{- $_ := set $options "num_replicas" $scaling.max_replicas -}}
{{- else -}}
{{- $autoscaling := pick $scaling
  "min_replicas" "max_replicas" "target_ongoing_requests" "upscale_delay_s" "downscale_delay_s" -}}
{{- $_ := set $autoscaling "initial_replicas" $scaling.min_replicas -}}
{{- $_ := set $autoscaling "metrics_interval_s" 1 -}}
{{- $_ := set $autoscaling "look_back_period_s" 5 -}}
{{- $_ := set $options "autoscaling_config" $autoscaling -}}
{{- end -}}
{{- toJson $options -}}
{{- end -}}

{{/* Settings of the fronts: a JSON object. */}}
{{- define "expart-serving.generation.frontSettings" -}}
{{- $front := .Values.generation.front -}}
{{- $settings := dict
  "host" "0.0.0.0" "port" 50051 "health_address" "0.0.0.0:50052" "metrics_port" 9464
  "front_replicas" $front.replicas "front_replicas_per_node" 1 "front_node_resource" "expart_front"
  "load_wait_s" $front.loadWaitSeconds -}}
{{- range $name, $value := include "expart-serving.security.settings" (dict "root" .) | fromYaml -}}
{{- $_ := set $settings $name $value -}}
{{- end -}}
{{- range $name, $value := $front.settings }}{{ $_ := set $settings $name $value }}{{ end -}}
{{- toJson $settings -}}
{{- end -}}

{{/*
The Serve config of the catalog, as services/generation/serve_config.py makes it; the tests compare
the two. What a front or a replica does not read is left out, so that a change of it replaces none.
*/}}
{{- define "expart-serving.generation.serveConfig" -}}
{{- $catalog := include "expart-serving.generation.catalog" . | fromJson -}}
{{- $listed := list -}}
{{- $applications := list -}}
{{- range $name := keys $catalog | sortAlpha -}}
{{- $entry := index $catalog $name -}}
{{- $listed = append $listed (omit $entry
  "environment" "memory_gib" "node_resource" "parameter_count" "requires" "scripted") -}}
{{- $runs := omit $entry "description" "memory_gib" "parameter_count" "requires" "scaling" -}}
{{- if ne (default "vllm" $entry.engine) "openai" }}{{ $runs = omit $runs "sampling" }}{{ end -}}
{{- $deployment := include "expart-serving.generation.scaling" $entry.scaling | fromJson -}}
{{- $_ := set $deployment "name" "Model" -}}
{{- $applications = append $applications (dict
  "name" (printf "model-%s" $name) "route_prefix" nil
  "import_path" "services.generation.serve_app:model"
  "args" (dict "entry" $runs) "deployments" (list $deployment)) -}}
{{- end -}}
{{- $settings := include "expart-serving.generation.frontSettings" . | fromJson -}}
{{- $fronts := dict "name" "Front" "user_config" (dict "models" $listed) -}}
{{- $front := dict
  "name" "front" "route_prefix" nil
  "import_path" "services.generation.serve_app:front"
  "args" (dict "settings" $settings) "deployments" (list $fronts) -}}
{{- toYaml (dict "proxy_location" "Disabled" "applications" (prepend $applications $front)) -}}
{{- end -}}
