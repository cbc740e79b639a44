#!/bin/sh
# Makes the secrets of compose.yaml in deploy/secrets, once; what is there stays as it is.
set -eu
umask 022
folder="$(cd "$(dirname "$0")" && pwd)/secrets"
mkdir -p "$folder"
# Containers read the files under other users' ids; what keeps them private is the folder.
chmod 0700 "$folder"

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
keep() { [ -s "$folder/$1" ] || printf '%s' "$2" > "$folder/$1"; }

keep postgres_password "$(random)"
keep valkey_password "$(random)"
keep web_token "$(random)"
keep orthanc_users "{\"admin\": \"$(random)\"}"
keep valkey.conf "requirepass $(cat "$folder/valkey_password")"
keep broker_url "redis://:$(cat "$folder/valkey_password")@valkey:6379/0"
keep ledger_url "postgresql://spondyl:$(cat "$folder/postgres_password")@postgres:5432/spondyl"
echo "secrets are in $folder"
