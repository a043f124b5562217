#!/bin/sh
# unpack.sh sendmail|exim FOLDER: gets Debian's Sendmail or Exim and unpacks it there without
# installing it, as neither can be installed beside Postfix. Done once: a second run finds it unpacked.
set -eu
usage() {
	echo "usage: $0 sendmail|exim FOLDER" >&2
	exit 2
}
test $# = 2 || usage
# wanted: what has to be there in the end, the program first
case $1 in
sendmail)
	packages="sendmail-bin sendmail-cf sendmail-base"
	wanted="usr/libexec/sendmail/sendmail usr/share/sendmail/cf/m4/cf.m4"
	;;
exim)
	# And those of its libraries that hardly any other program uses.
	packages="exim4-daemon-heavy libmariadb3 libidn12 libgnutls-dane0 libnsl2 libpq5"
	wanted="usr/sbin/exim4"
	;;
*) usage ;;
esac

complete() {
	for file in $wanted; do
		test -e "$1/$file" || return 1
	done
}

! complete "$2" || exit 0
mkdir -p "$2"
# Unpacked beside it and moved at the end: what was interrupted is not taken for done.
work=$(mktemp -d "$2/unpack-XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
# The download is for whoever runs this: apt's own user may not write here, and need not.
# shellcheck disable=SC2086
apt-get -qq -o APT::Sandbox::User=root download $packages || {
	apt-get -qq update
	# shellcheck disable=SC2086
	apt-get -qq -o APT::Sandbox::User=root download $packages
}
mkdir root
for package in *.deb; do
	dpkg-deb -x "$package" root
done
complete root
# A copy in somebody's folder has no business with rights of its own; and the loader ignores
# LD_LIBRARY_PATH for a program that has them.
chmod ug-s "root/${wanted%% *}"
rm -rf ../usr ../etc ../var ../lib
mv root/* ..
