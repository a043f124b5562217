# Sourced by quickstart and check: installs Debian packages that are missing, and builds.

build_packages="autoconf automake gcc libc6-dev make pkg-config libevent-dev libssl-dev
	libunbound-dev nettle-dev libspf2-dev libopendkim-dev libmilter-dev libsqlite3-dev libbsd-dev
	libhiredis-dev libseccomp-dev libidn2-dev libpsl-dev libpcre2-dev libmaxminddb-dev libgmime-3.0-dev libcmocka-dev"
demo_packages="postfix nsd swaks python3-dkim openssl python3"

say() {
	printf '%s\n' "$*" >&2
}

fail() {
	say "$0: $*"
	exit 1
}

# install PACKAGE...: only what is missing. Debian starts the services it installs; ours are started
# by those who use them, so that is held back meanwhile.
install_missing() {
	missing=
	for package; do
		dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null |
			grep -qx installed || missing="$missing $package"
	done
	test -n "$missing" || return 0
	test "$(id -u)" = 0 || fail "not root, and these packages are missing:$missing"
	say "installing:$missing"
	held=
	if ! test -e /usr/sbin/policy-rc.d; then
		held=/usr/sbin/policy-rc.d
		printf '#!/bin/sh\nexit 101\n' >"$held"
		chmod 755 "$held"
	fi
	DEBIAN_FRONTEND=noninteractive
	export DEBIAN_FRONTEND
	# The lists of a fresh machine are empty or old.
	# shellcheck disable=SC2086
	{ apt-get -qq update && apt-get -qq -y --no-install-recommends install $missing; } \
		>"${TMPDIR:-/tmp}/postern-apt.log" 2>&1
	result=$?
	test -z "$held" || rm -f "$held"
	test "$result" = 0 || {
		tail -n 20 "${TMPDIR:-/tmp}/postern-apt.log" >&2
		fail "apt-get could not install:$missing"
	}
}

# build FOLDER [CONFIGURE OPTION...]: configures once, then makes what changed.
build() {
	folder=$1
	shift
	test -x configure || ./autogen.sh >/dev/null 2>&1 || fail "autogen.sh failed: run it to see"
	mkdir -p "$folder"
	if ! test -f "$folder/Makefile"; then
		say "configuring $folder"
		(cd "$folder" && ../configure -q "$@") || fail "configure failed in $folder"
	fi
	say "building $folder"
	make -s -C "$folder" -j "$(nproc)" all >"$folder/make.log" 2>&1 || {
		tail -n 40 "$folder/make.log" >&2
		fail "make failed in $folder"
	}
}
