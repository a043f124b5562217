#!/bin/sh
# Makes configure and Makefile.in; needed once after a checkout from git.
set -e
cd "$(dirname "$0")"
mkdir -p build-aux
autoreconf -fi
