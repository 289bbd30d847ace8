#!/usr/bin/env bash
# Makes a private authority and a certificate of the daemon, for development.
#
#   scripts/certs.sh FOLDER NAME...     such as: scripts/certs.sh certs localhost 127.0.0.1 ::1
#
# Each NAME is a host name or an IP address by which clients reach the daemon.
# In FOLDER it leaves
#
#   authority.pem   for clients:     --ca-cert authority.pem
#   server.pem      for the daemon:  --tls-cert server.pem
#   server.key                       --tls-key server.key
#   authority.key   signs further certificates; who has it can speak for the daemon
#
# The authority is kept when it is there already, so that a certificate can be made anew beside
# clients that trust it. The certificate lasts 90 days, the authority ten years.
set -euo pipefail

die() {
    printf 'certs.sh: %s\n' "$*" >&2
    exit 64
}

[ "$#" -ge 2 ] || die 'write a folder and one or more names: scripts/certs.sh certs localhost 127.0.0.1'
command -v openssl >/dev/null || die 'please install openssl'
folder=$1
shift

names=
for name in "$@"; do
    case $name in
    *[!A-Za-z0-9.:*-]* | '') die "$name is neither a host name nor an address" ;;
    *:* | *[0-9].[0-9]*.[0-9]*.*[0-9]) names+=,IP:$name ;;
    *) names+=,DNS:$name ;;
    esac
done

umask 077
mkdir -p "$folder"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

key() {
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null
}

if [ ! -f "$folder/authority.pem" ] || [ ! -f "$folder/authority.key" ]; then
    key "$work/authority.key"
    openssl req -x509 -new -key "$work/authority.key" -sha256 -days 3650 \
        -subj "/CN=pushd development authority $(date -u +%Y-%m-%dT%H:%M:%SZ)" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign \
        -out "$work/authority.pem"
    mv "$work/authority.key" "$work/authority.pem" "$folder"
fi

key "$work/server.key"
openssl req -new -key "$work/server.key" -subj "/CN=pushd" -out "$work/server.csr"
cat >"$work/extensions" <<EOF
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
subjectAltName=${names#,}
EOF
openssl x509 -req -in "$work/server.csr" -CA "$folder/authority.pem" -CAkey "$folder/authority.key" \
    -set_serial "0x$(openssl rand -hex 16)" -sha256 -days 90 -extfile "$work/extensions" \
    -out "$work/server.pem" 2>/dev/null
# Each in one step, so that a daemon that reads them again finds whole files.
mv "$work/server.key" "$work/server.pem" "$folder"
chmod 644 "$folder/authority.pem" "$folder/server.pem"

printf 'env pushd --tls-cert %q --tls-key %q\n' "$folder/server.pem" "$folder/server.key"
printf 'requester --url https://%s:8888 --ca-cert %q -m ...\n' "$1" "$folder/authority.pem"
