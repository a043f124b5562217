#!/bin/sh
# unpack-sendmail.sh FOLDER: gets Debian's Sendmail and unpacks it there without installing it, as
# it cannot be installed beside Postfix. Done once: a second run finds it unpacked.
set -eu
test $# = 1 || {
	echo "usage: $0 FOLDER" >&2
	exit 2
}
packages="sendmail-bin sendmail-cf sendmail-base"
binary=usr/libexec/sendmail/sendmail
config=usr/share/sendmail/cf/m4/cf.m4

test ! -e "$1/$binary" || test ! -e "$1/$config" || exit 0
mkdir -p "$1"
# Unpacked beside it and moved at the end: what was interrupted is not taken for done.
work=$(mktemp -d "$1/unpack-XXXXXX")
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
# A copy in somebody's folder has no business with rights of its own.
chmod ug-s "root/$binary"
test -x "root/$binary" && test -e "root/$config"
rm -rf ../usr ../etc ../var
mv root/* ..
