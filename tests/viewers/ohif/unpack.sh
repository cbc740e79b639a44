#!/bin/sh
# Unpack the built viewer that the npm package @ohif/app ships into FOLDER; its dependencies are in it, so none is installed.
set -eu

version=3.13.2
sha512=5997719a9986eeba85816f5924b71b82bdd70ad2e2d4a0cd3e831a798e4f3deea3e06e1f8c48e393271933a0ba664d85f3b04ac457e9abe8dde715d907d13c10
folder=$1

[ -f "$folder/$version" ] && exit 0
mkdir -p "$folder"
archive="$folder/$(cd "$folder" && npm pack --silent "@ohif/app@$version")"
echo "$sha512  $archive" | sha512sum --check --quiet
rm -rf "$folder/package"
tar -xzf "$archive" -C "$folder" package/dist package/LICENSE package/package.json
rm "$archive"
touch "$folder/$version"
