{{/* The names of what the chart makes: looptap, or RELEASE-looptap. */}}
{{- define "looptap.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "looptap.image" -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}

{{- define "looptap.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "looptap.labels" -}}
{{ include "looptap.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The version of the MutatingAdmissionPolicy's API in this cluster; empty: none. The first is what a server tells;
     `helm template` knows no more than a version. */}}
{{- define "looptap.admissionVersion" -}}
{{- $group := "admissionregistration.k8s.io" -}}
{{- $has := .Capabilities.APIVersions -}}
{{- if or ($has.Has (printf "%s/v1/MutatingAdmissionPolicy" $group)) (semverCompare ">=1.36-0" .Capabilities.KubeVersion.Version) -}}
v1
{{- else if $has.Has (printf "%s/v1beta1/MutatingAdmissionPolicy" $group) -}}
v1beta1
{{- end -}}
{{- end -}}

{{/* "true" where the dictionary's `enabled` says so, or says auto and `known` holds. */}}
{{- define "looptap.isEnabled" -}}
{{- if or (eq (toString .enabled) "true") (and (eq (toString .enabled) "auto") .known) -}}true{{- end -}}
{{- end -}}

{{/* A map of strings, as CEL writes it: 1 becomes "1". */}}
{{- define "looptap.celMap" -}}
{
{{- $first := true -}}
{{- range $key, $value := . -}}
{{- if not $first }}, {{ end -}}
{{- $first = false -}}
{{- $key | quote }}: {{ $value | toString | quote -}}
{{- end -}}
}
{{- end -}}
