#!/bin/sh
# `spondyl` in the image, for its roles and for `docker compose exec`: a secret that is named like a setting becomes
# that setting, /run/secrets/SPONDYL_STORAGE__LEDGER.
set -eu
for file in /run/secrets/SPONDYL_*; do
    [ -f "$file" ] || continue
    value="$(cat "$file")"
    export "$(basename "$file")=$value"
done
exec /opt/spondyl/bin/spondyl "$@"
