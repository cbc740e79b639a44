#!/bin/sh
# A secret that is named like a setting becomes that setting: /run/secrets/SPONDYL_STORAGE__LEDGER.
set -eu
for file in /run/secrets/SPONDYL_*; do
    [ -f "$file" ] && export "$(basename "$file")=$(cat "$file")"
done
exec spondyl "$@"
