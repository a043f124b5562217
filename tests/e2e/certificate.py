"""certificate: for tests, made by the command openssl."""

import os
import subprocess


def openssl(*arguments, text=None):
    """What it says."""
    done = subprocess.run(("openssl",) + arguments, input=text, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    return done.stdout.decode("utf-8", "replace")


def certificate(lab, name, authority=None):
    """One for the name and 127.0.0.1, signed by itself or by the authority; its path without
    ending (.pem, .key)."""
    base = lab.path(name)
    by = ("-CA", authority + ".pem", "-CAkey", authority + ".key",
          "-addext", "basicConstraints=CA:FALSE") if authority else ()
    said = openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                   "-days", "30", "-subj", "/CN=" + name,
                   "-addext", f"subjectAltName=DNS:{name},IP:127.0.0.1",
                   *by, "-keyout", base + ".key", "-out", base + ".pem")
    assert os.path.exists(base + ".pem"), said
    return base
