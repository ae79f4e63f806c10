{{- define "featurestore.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Short enough for the suffixes of objects and pods. */}}
{{- define "featurestore.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "featurestore.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "featurestore.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "featurestore.selector" -}}
app.kubernetes.io/name: {{ include "featurestore.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "featurestore.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{ include "featurestore.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* Others than the server's, so that no selector takes the test for a server. */}}
{{- define "featurestore.testLabels" -}}
app.kubernetes.io/name: {{ include "featurestore.name" . }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "featurestore.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- define "featurestore.isCluster" -}}
{{- if eq .Values.runtime "orleans" }}true{{ end }}
{{- end }}

{{- define "featurestore.usesKubernetes" -}}
{{- if and (include "featurestore.isCluster" .) (eq .Values.cluster.clustering "kubernetes") }}true{{ end }}
{{- end }}

{{- define "featurestore.usesAzure" -}}
{{- if and (include "featurestore.isCluster" .) (has "azure" (list .Values.cluster.clustering .Values.cluster.storage)) }}true{{ end }}
{{- end }}

{{- define "featurestore.hasServe" -}}
{{- if and (include "featurestore.isCluster" .) .Values.serve.enabled }}true{{ end }}
{{- end }}

{{/* Whether the Service sends the owner requests. */}}
{{- define "featurestore.ownerAnswers" -}}
{{- if or (not (include "featurestore.isCluster" .)) (eq .Values.owner.role "all") }}true{{ end }}
{{- end }}

{{- define "featurestore.definitionsConfigMap" -}}
{{- if .Values.definitions.files }}{{ include "featurestore.fullname" . }}-definitions{{ else }}{{ .Values.definitions.existingConfigMap }}{{ end }}
{{- end }}

{{/* Whether the local runtime's state has a volume: with an embedded broker there is nothing to keep. */}}
{{- define "featurestore.hasClaim" -}}
{{- if and (not (include "featurestore.isCluster" .)) .Values.kafka.bootstrapServers .Values.persistence.enabled }}true{{ end }}
{{- end }}
