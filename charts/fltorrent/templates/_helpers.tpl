{{/*
The name of the operator's objects. In the release `fltorrent` it is `fltorrent-operator`. Five characters are left for endings.
*/}}
{{- define "fltorrent.fullname" -}}
{{- $release := .Release.Name -}}
{{- $ours := contains "fltorrent" $release -}}
{{- $name := printf "%s-fltorrent-operator" $release -}}
{{- if .Values.fullnameOverride -}}
{{- $name = .Values.fullnameOverride -}}
{{- else if and $ours (hasSuffix "-operator" $release) -}}
{{- $name = $release -}}
{{- else if $ours -}}
{{- $name = printf "%s-operator" $release -}}
{{- end -}}
{{- $name | trunc 58 | trimSuffix "-" -}}
{{- end }}

{{/*
The name of what is in no namespace, so that releases of one name in two namespaces do not meet.
*/}}
{{- define "fltorrent.clusterName" -}}
{{- printf "%s.%s" (include "fltorrent.fullname" .) .Release.Namespace -}}
{{- end }}

{{/*
Labels of every object.
*/}}
{{- define "fltorrent.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{ include "fltorrent.selectorLabels" . }}
{{- end }}

{{/*
Labels that select the operator's pods. The NetworkPolicies of experiments select by name and component, so no value changes them.
*/}}
{{- define "fltorrent.selectorLabels" -}}
app.kubernetes.io/name: fltorrent
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "fltorrent.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "fltorrent.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end }}

{{/*
The full name of an image, from a list of the image's values and the chart.
*/}}
{{- define "fltorrent.image" -}}
{{- $image := index . 0 -}}
{{- $tag := $image.tag | default (index . 1).AppVersion -}}
{{- printf "%s%s%s" $image.repository (ternary "@" ":" (hasPrefix "sha256:" $tag)) $tag -}}
{{- end }}

{{/*
The security context of a pod: by default what Pod Security's level `restricted` asks for.
*/}}
{{- define "fltorrent.podSecurityContext" -}}
{{- $context := dict -}}
{{- with .Values.runAsUser -}}
{{- $context = dict "runAsUser" (int64 .) "runAsGroup" (int64 .) -}}
{{- end -}}
{{- range $field, $value := .Values.podSecurityContext -}}
{{- $_ := set $context $field $value -}}
{{- end -}}
{{- toYaml $context -}}
{{- end }}

{{/*
Where pods may run.
*/}}
{{- define "fltorrent.placement" -}}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
