{{/* The pod of a workload. Takes root, component (owner, serve) and values: that section of the values. */}}
{{- define "featurestore.pod" -}}
{{- $v := .root.Values }}
{{- $isCluster := include "featurestore.isCluster" .root }}
{{- $isServe := eq .component "serve" }}
{{- $usesKubernetes := include "featurestore.usesKubernetes" .root }}
{{- $definitions := include "featurestore.definitionsConfigMap" .root }}
metadata:
  labels:
    {{- include "featurestore.selector" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
    featurestore/answers: {{ or $isServe (include "featurestore.ownerAnswers" .root | not | not) | quote }}
    {{- if $usesKubernetes }}
    orleans/serviceId: {{ $v.cluster.project | quote }}
    orleans/clusterId: {{ $v.cluster.project | quote }}
    {{- end }}
    {{- with .values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    kubectl.kubernetes.io/default-container: server
    {{- if $v.definitions.files }}
    checksum/definitions: {{ toJson $v.definitions.files | sha256sum }}
    {{- end }}
    {{- with .values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "featurestore.fullname" .root }}
  automountServiceAccountToken: {{ $usesKubernetes | not | not }}
  # Variables such as FEATURESTORE_REDIS_PORT, made of names of Services, would stand beside the options.
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ $v.terminationGracePeriodSeconds }}
  {{- with .values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $v.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    {{- with $v.securityContext.runAsUser }}
    runAsUser: {{ int64 . }}
    runAsGroup: {{ int64 . }}
    {{- end }}
    {{- with $v.securityContext.fsGroup }}
    fsGroup: {{ int64 . }}
    fsGroupChangePolicy: OnRootMismatch
    {{- end }}
    seccompProfile: { type: RuntimeDefault }
  {{- with .values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if or .values.tolerations (and $isCluster (not $isServe)) }}
  tolerations:
    {{- if and $isCluster (not $isServe) }}
    - { key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: {{ .values.unreachableSeconds }} }
    - { key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: {{ .values.unreachableSeconds }} }
    {{- end }}
    {{- with .values.tolerations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  {{- if .values.affinity }}
  affinity:
    {{- toYaml .values.affinity | nindent 4 }}
  {{- else if $isCluster }}
  affinity:
    # One node's end should not take the stream and answers with it.
    podAntiAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
        - weight: 100
          podAffinityTerm:
            topologyKey: kubernetes.io/hostname
            labelSelector:
              matchLabels:
                {{- include "featurestore.selector" .root | nindent 16 }}
                app.kubernetes.io/component: {{ $isServe | ternary "owner" "serve" }}
  {{- end }}
  {{- if or $isServe (gt (int $v.owner.replicas) 1) }}
  topologySpreadConstraints:
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - topologyKey: {{ . }}
      maxSkew: 1
      whenUnsatisfiable: {{ $isServe | ternary $v.serve.spread "ScheduleAnyway" }}
      matchLabelKeys: [pod-template-hash]
      labelSelector:
        matchLabels:
          {{- include "featurestore.selector" $.root | nindent 10 }}
          app.kubernetes.io/component: {{ $.component }}
    {{- end }}
  {{- end }}
  containers:
    - name: server
      image: {{ include "featurestore.image" .root | quote }}
      imagePullPolicy: {{ $v.image.pullPolicy }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: { drop: [ALL] }
      env:
        - { name: FEATURESTORE_URLS, value: "http://*:8080" }
        - { name: FEATURESTORE_RUNTIME, value: {{ $v.runtime }} }
        {{- if not $isCluster }}
        - { name: FEATURESTORE_DATA, value: /data }
        {{- end }}
        {{- with $v.kafka.bootstrapServers }}
        - { name: FEATURESTORE_KAFKA, value: {{ . | quote }} }
        {{- end }}
        {{- if $v.kafka.config.existingSecret }}
        - { name: FEATURESTORE_KAFKA_CONFIG, value: /etc/featurestore/kafka/kafka.properties }
        {{- end }}
        {{- if $definitions }}
        - { name: FEATURESTORE_DEFINITIONS, value: /etc/featurestore/definitions }
        {{- end }}
        {{- if $v.models.volume }}
        - { name: FEATURESTORE_MODELS, value: /models }
        {{- end }}
        {{- with $v.redis.address }}
        - { name: FEATURESTORE_REDIS, value: {{ . | quote }} }
        {{- end }}
        {{- with include "featurestore.fromSecret" $v.redis }}
        - { name: FEATURESTORE_REDIS, valueFrom: {{ . }} }
        {{- end }}
        {{- with int $v.shards }}
        - { name: FEATURESTORE_SHARDS, value: {{ . | quote }} }
        {{- end }}
        - { name: FEATURESTORE_PUBLISH_INTERVAL_MS, value: {{ int $v.publishIntervalMs | quote }} }
        {{- if $v.acceptRecreatedTopics }}
        - { name: FEATURESTORE_ACCEPT_RECREATED_TOPICS, value: "true" }
        {{- end }}
        {{- if $isCluster }}
        - { name: FEATURESTORE_ROLES, value: {{ $isServe | ternary "serve" $v.owner.role }} }
        - { name: FEATURESTORE_SLICES, value: {{ int $v.cluster.slices | quote }} }
        - { name: FEATURESTORE_CLUSTERING, value: {{ $v.cluster.clustering }} }
        {{- with $v.cluster.storage }}
        - { name: FEATURESTORE_STORAGE, value: {{ . }} }
        {{- end }}
        - { name: FEATURESTORE_SILO_ADDRESS, valueFrom: { fieldRef: { fieldPath: status.podIP } } }
        - { name: FEATURESTORE_SILO_PORT, value: {{ int $v.cluster.siloPort | quote }} }
        - { name: FEATURESTORE_GATEWAY_PORT, value: {{ int $v.cluster.gatewayPort | quote }} }
        - { name: FEATURESTORE_SILENCE_MAX_SECONDS, value: {{ int $v.cluster.silenceMaxSeconds | quote }} }
        {{- with include "featurestore.fromSecret" $v.cluster.connection }}
        - { name: FEATURESTORE_CLUSTER_CONNECTION, valueFrom: {{ . }} }
        {{- end }}
        {{- with include "featurestore.fromSecret" $v.cluster.storageConnection }}
        - { name: FEATURESTORE_STORAGE_CONNECTION, valueFrom: {{ . }} }
        {{- end }}
        {{- with include "featurestore.fromSecret" $v.cluster.dashboardKey }}
        - { name: FEATURESTORE_DASHBOARD_KEY, valueFrom: {{ . }} }
        {{- end }}
        {{- end }}
        {{- if $usesKubernetes }}
        # As Orleans' Kubernetes hosting reads them.
        - { name: POD_NAME, valueFrom: { fieldRef: { fieldPath: metadata.name } } }
        - { name: POD_NAMESPACE, valueFrom: { fieldRef: { fieldPath: metadata.namespace } } }
        - { name: POD_IP, valueFrom: { fieldRef: { fieldPath: status.podIP } } }
        - { name: ORLEANS_SERVICE_ID, value: {{ $v.cluster.project | quote }} }
        - { name: ORLEANS_CLUSTER_ID, value: {{ $v.cluster.project | quote }} }
        {{- end }}
        {{- with .values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      ports:
        - { name: http, containerPort: 8080 }
        {{- if $isCluster }}
        - { name: silo, containerPort: {{ int $v.cluster.siloPort }} }
        {{- with int $v.cluster.gatewayPort }}
        - { name: gateway, containerPort: {{ . }} }
        {{- end }}
        {{- end }}
      {{- range $name, $path := dict "startup" "/health/live" "readiness" "/health/ready" "liveness" "/health/live" }}
      {{ $name }}Probe:
        httpGet: { path: {{ $path }}, port: http }
        {{- toYaml (index $v.probes $name) | nindent 8 }}
      {{- end }}
      {{- if and $v.preStopSleepSeconds (or $isServe (include "featurestore.ownerAnswers" .root)) }}
      lifecycle:
        preStop: { sleep: { seconds: {{ $v.preStopSleepSeconds }} } }
      {{- end }}
      resources:
        {{- toYaml .values.resources | nindent 8 }}
      volumeMounts:
        - { name: tmp, mountPath: /tmp }
        {{- if not $isCluster }}
        - { name: data, mountPath: /data }
        {{- end }}
        {{- if $definitions }}
        - { name: definitions, mountPath: /etc/featurestore/definitions, readOnly: true }
        {{- end }}
        {{- if $v.kafka.config.existingSecret }}
        - { name: kafka-config, mountPath: /etc/featurestore/kafka, readOnly: true }
        {{- end }}
        {{- if $v.models.volume }}
        - { name: models, mountPath: /models, readOnly: true }
        {{- end }}
  volumes:
    # The runtime's sockets for diagnosis.
    - { name: tmp, emptyDir: { sizeLimit: 64Mi } }
    {{- if not (or $isCluster (include "featurestore.hasClaim" .root)) }}
    - { name: data, emptyDir: {} }
    {{- end }}
    {{- if $definitions }}
    - { name: definitions, configMap: { name: {{ $definitions }} } }
    {{- end }}
    {{- with $v.kafka.config }}
    {{- if .existingSecret }}
    - name: kafka-config
      secret:
        secretName: {{ .existingSecret }}
        defaultMode: 0440
        items: [{ key: {{ .key | quote }}, path: kafka.properties }]
    {{- end }}
    {{- end }}
    {{- with $v.models.volume }}
    - name: models
      {{- toYaml . | nindent 6 }}
    {{- end }}
{{- end }}

{{/* Where a variable's value comes from; nothing where no Secret is named. Takes { existingSecret, key }. */}}
{{- define "featurestore.fromSecret" -}}
{{- if .existingSecret -}}
{ secretKeyRef: { name: {{ .existingSecret }}, key: {{ .key | quote }} } }
{{- end }}
{{- end }}
