#!/bin/sh
# Install what the tests talk to, from Debian's packages, where this is a root shell with apt; name what stays missing.
# With arguments: install exactly these packages.
set -u

if [ "$#" -gt 0 ]; then
    packages="$*"
else
    packages=""
    need() { # need PACKAGE FILE-OR-PROGRAM
        command -v "$2" >/dev/null 2>&1 || [ -e "$2" ] || packages="$packages $1"
    }
    PATH="$PATH:/usr/sbin:/usr/local/sbin"
    need orthanc Orthanc
    need orthanc-dicomweb /usr/share/orthanc/plugins/libOrthancDicomWeb.so
    need redis-server redis-server
    need dcmtk /usr/bin/storescu
    need openssl openssl
    need default-jre-headless java
    need libpixelmed-java /usr/share/java/pixelmed.jar
    need libsaxonhe-java /usr/share/java/Saxon-HE.jar
    need libbsh-java /usr/share/java/bsh.jar
    need nodejs node
    need npm npm
    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || packages="$packages postgresql"
fi

[ -n "$packages" ] || exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "not installed, since this needs apt as root:$packages" >&2
    echo "tests that need them are skipped, and fail where CI is set" >&2
    exit 0
fi
echo "installing:$packages" >&2
export DEBIAN_FRONTEND=noninteractive
# Debian starts a server as soon as it is installed; the tests start their own.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq && apt-get install -qq -y --no-install-recommends $packages >/dev/null
