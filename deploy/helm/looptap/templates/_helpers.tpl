{{/* The names of what the chart makes: looptap, or RELEASE-looptap. */}}
{{- define "looptap.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* No default: a pod whose image nobody can pull does not start, and neither does the application in it. */}}
{{- define "looptap.image" -}}
{{- if not .Values.image.repository -}}
{{- fail "image.repository: where does your cluster find looptap's image? Say --set image.repository=registry.example/looptap, or localhost/looptap where every node has what `make image` builds." -}}
{{- end -}}
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
