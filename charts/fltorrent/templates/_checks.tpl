{{/*
Refuses what the chart sets itself, and says which value sets it. The schema could only say that something is not allowed.
*/}}
{{- define "fltorrent.checks" -}}
{{- $set := dict
  "POD_NAME" ""
  "POD_NAMESPACE" ""
  "FLTORRENT_CLUSTER_DOMAIN" "clusterDomain"
  "FLTORRENT_LOG_FORMAT" "logFormat"
  "FLTORRENT_PEER_CUDA_IMAGE" "peerCudaImage"
  "FLTORRENT_PEER_IMAGE" "peerImage"
  "FLTORRENT_PEER_USER" "peerRunAsUser"
  "FLTORRENT_SERVICE" ""
  "FLTORRENT_WATCH_NAMESPACE" "watchNamespace"
  "RUST_LOG" "logLevel"
-}}
{{- $ports := dict "FLTORRENT_LISTEN" "8443" "FLTORRENT_HEALTH_LISTEN" "8080" "FLTORRENT_PROBES_LISTEN" "8081" -}}
{{- range $index, $variable := .Values.extraEnv -}}
{{- $name := $variable.name -}}
{{- if hasKey $set $name -}}
{{- $instead := "" -}}
{{- with get $set $name -}}
{{- $instead = printf ", and set the value %s" . -}}
{{- end -}}
{{- fail (printf "extraEnv[%d].name: %s is a variable that the chart sets; remove it here%s" $index $name $instead) -}}
{{- end -}}
{{- with get $ports $name -}}
{{- if and $variable.value (not (hasSuffix (printf ":%s" .) $variable.value)) -}}
{{- fail (printf "extraEnv[%d].value: %s is another port than that of the Service and the probes; write an address with the port %s, such as [::]:%s" $index $variable.value . .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $key := list "component" "instance" "managed-by" "name" "version" -}}
{{- $key = printf "app.kubernetes.io/%s" $key -}}
{{- if hasKey $.Values.podLabels $key -}}
{{- fail (printf "podLabels: %s is a label that the chart sets and by which pods are found; remove it, or take a key of your own such as example.com/team" $key) -}}
{{- end -}}
{{- end -}}
{{- end }}
