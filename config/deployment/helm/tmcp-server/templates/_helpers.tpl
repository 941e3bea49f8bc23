{{- define "tmcp.name" -}}
{{- if contains "tmcp-server" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-tmcp-server" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "tmcp.selector" -}}
app.kubernetes.io/name: tmcp-server
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tmcp.labels" -}}
{{ include "tmcp.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "tmcp.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* config.yaml; a change of it starts new pods. */}}
{{- define "tmcp.config" -}}
{{ toYaml .Values.config }}
{{- end }}

{{- define "tmcp.podSecurity" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
fsGroup: 1000
fsGroupChangePolicy: OnRootMismatch
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "tmcp.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{- define "tmcp.env" -}}
- { name: TMCP_SERVER_HOST, value: "0.0.0.0" }
- { name: TMCP_SERVER_PORT, value: "8627" }
- { name: TMCP_SERVER_DATA_DIR, value: /data }
- { name: TMCP_METRICS_HOST, value: "0.0.0.0" }
- { name: TMCP_METRICS_PORT, value: "9627" }
- { name: TMCP_DATABASE_URL_FILE, value: /run/secrets/tmcp/{{ .Values.secret.keys.databaseUrl }} }
- { name: TMCP_SECURITY_KEY_RING_TEXT_FILE, value: /run/secrets/tmcp/{{ .Values.secret.keys.keyRing }} }
- { name: TMCP_HOMESERVER_REGISTRATION, value: /run/secrets/tmcp/{{ .Values.secret.keys.registration }} }
{{- with .Values.secret.keys.redisUrl }}
- { name: TMCP_REDIS_URL_FILE, value: /run/secrets/tmcp/{{ . }} }
{{- end }}
{{- range $variable, $key := .Values.secret.more }}
- { name: {{ $variable }}_FILE, value: /run/secrets/tmcp/{{ $key }} }
{{- end }}
{{- end }}

{{- define "tmcp.mounts" -}}
- { name: config, mountPath: /etc/tmcp-server, readOnly: true }
- { name: secrets, mountPath: /run/secrets/tmcp, readOnly: true }
- { name: data, mountPath: /data }
- { name: tmp, mountPath: /tmp }
{{- end }}

{{- define "tmcp.secretVolume" -}}
- name: secrets
  secret:
    secretName: {{ .Values.secret.name }}
    defaultMode: 0440
- { name: tmp, emptyDir: {} }
{{- end }}

{{- define "tmcp.placement" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What no single value shows. */}}
{{- define "tmcp.check" -}}
{{- $roles := list }}
{{- $replicas := 0 }}
{{- range $name, $deployment := .Values.deployments }}
{{- with $deployment }}
{{- $roles = concat $roles .roles }}
{{- $replicas = add $replicas (ternary 1 .replicas (kindIs "invalid" .replicas)) }}
{{- end }}
{{- end }}
{{- range list "api" "appservice" "worker" }}
{{- if not (has . $roles) }}{{ fail (printf "deployments: no process has the role %s" .) }}{{ end }}
{{- end }}
{{- $store := dig "bundles" "store" "local" .Values.config }}
{{- if and (gt (int $replicas) 1) (ne $store "s3") (not .Values.bundles.existingClaim) }}
{{- fail "bundles: several pods need bundles.existingClaim (ReadWriteMany), or config.bundles.store: s3" }}
{{- end }}
{{- if and .Values.bundles.existingClaim (dig "bundles" "directory" "" .Values.config) }}{{ fail "config.bundles.directory: the chart mounts bundles.existingClaim itself" }}{{ end }}
{{- end }}
