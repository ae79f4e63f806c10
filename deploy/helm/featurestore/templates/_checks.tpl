{{/* What the schema cannot say: rules across values. Each message is fact, detail, hint. */}}
{{- define "featurestore.checks" -}}
{{- $v := .Values }}
{{- if include "featurestore.isCluster" . }}
  {{- if not $v.kafka.bootstrapServers }}
    {{- fail "kafka.bootstrapServers is empty, and runtime \"orleans\" needs a broker. Give HOST:PORT." }}
  {{- end }}
  {{- if not $v.cluster.connection.existingSecret }}
    {{- fail "cluster.connection.existingSecret is empty, and silos find each other in a database. Name the Secret with its connection string." }}
  {{- end }}
  {{- if and (eq $v.cluster.clustering "kubernetes") (not $v.cluster.storage) }}
    {{- fail "cluster.storage is empty, and cluster.clustering \"kubernetes\" does not say which database there is. Choose adonet, redis or azure." }}
  {{- end }}
  {{- if and (eq $v.cluster.clustering "kubernetes") (not $v.cluster.project) }}
    {{- fail "cluster.project is empty, and cluster.clustering \"kubernetes\" finds its pods by it. Give the project of the definitions." }}
  {{- end }}
  {{- if and (not $v.serve.enabled) (ne $v.owner.role "all") }}
    {{- fail (printf "owner.role is %q and serve.enabled is false: nobody would answer requests. Set owner.role to all, or serve.enabled to true." $v.owner.role) }}
  {{- end }}
{{- else }}
  {{- if and (not $v.kafka.bootstrapServers) $v.kafka.config.existingSecret }}
    {{- fail "kafka.config is given without kafka.bootstrapServers. Give HOST:PORT of the broker that it is for." }}
  {{- end }}
{{- end }}
{{- if gt (int $v.owner.replicas) 1 }}
  {{- if not (include "featurestore.isCluster" .) }}
    {{- fail (printf "owner.replicas is %d, and runtime \"local\" is one process. Choose runtime orleans." (int $v.owner.replicas)) }}
  {{- end }}
  {{- if gt (int $v.owner.replicas) (int $v.cluster.slices) }}
    {{- fail (printf "owner.replicas is %d, and cluster.slices %d: some owner would have nothing to do, or they would take the stream from each other. Give as many slices or more." (int $v.owner.replicas) (int $v.cluster.slices)) }}
  {{- end }}
  {{- if $v.owner.protectFromEviction }}
    {{- fail "owner.protectFromEviction is for a single owner: of several, one at a time may go. Leave it out." }}
  {{- end }}
{{- end }}
{{- if and $v.redis.address $v.redis.existingSecret }}
  {{- fail "redis.address and redis.existingSecret are both given. Give one." }}
{{- end }}
{{- if regexMatch "(?i)password *=" $v.redis.address }}
  {{- fail "redis.address has a password. Put the whole text into a Secret, and name it in redis.existingSecret." }}
{{- end }}
{{- if and $v.definitions.files $v.definitions.existingConfigMap }}
  {{- fail "definitions.files and definitions.existingConfigMap are both given. Give one." }}
{{- end }}
{{- if gt (int $v.serve.autoscaling.minReplicas) (int $v.serve.autoscaling.maxReplicas) }}
  {{- fail (printf "serve.autoscaling.minReplicas is %d, more than maxReplicas, %d." (int $v.serve.autoscaling.minReplicas) (int $v.serve.autoscaling.maxReplicas)) }}
{{- end }}
{{- $drain := add $v.preStopSleepSeconds (include "featurestore.drainSeconds" . | int) }}
{{- if le (int $v.terminationGracePeriodSeconds) (int $drain) }}
  {{- fail (printf "terminationGracePeriodSeconds is %d, and the drain may take %d: preStopSleepSeconds and %s s of the server's. Give more." (int $v.terminationGracePeriodSeconds) (int $drain) (include "featurestore.drainSeconds" .)) }}
{{- end }}
{{- if and $v.ingress.enabled (not $v.ingress.host) }}
  {{- fail "ingress.enabled is true and ingress.host is empty. Give the host's name." }}
{{- end }}
{{- range $variable := concat $v.owner.extraEnv $v.serve.extraEnv }}
  {{- if or (hasPrefix "FEATURESTORE_" $variable.name) (hasPrefix "ORLEANS_" $variable.name) (hasPrefix "POD_" $variable.name) }}
    {{- fail (printf "extraEnv has %q, which the chart sets from its own values. Use those." $variable.name) }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The server's own limits: 25 s to drain the stream, then 20 s to leave the cluster. A test holds this to its source. */}}
{{- define "featurestore.drainSeconds" -}}45{{- end }}
