"""redis: a redis-server of a test's own, Sentinels that watch it, and a tunnel to it; everything on 127.0.0.1, in a folder that goes away."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile

from play import free_port, until


def installed():
    return shutil.which("redis-server") and shutil.which("redis-sentinel")


def call(address, *words, timeout=5, password=None):
    """One command by a connection of its own; what comes back, or None when nobody is there. address: port or path."""
    try:
        if isinstance(address, int):
            s = socket.create_connection(("127.0.0.1", address), timeout)
        else:
            s = socket.socket(socket.AF_UNIX)
            s.settimeout(timeout)
            s.connect(address)
        with s, s.makefile("rwb") as f:
            if password:
                write(f, "AUTH", password)
                read(f)
            write(f, *words)
            return read(f)
    except (OSError, EOFError):
        return None


def write(f, *words):
    f.write(b"*%d\r\n" % len(words))
    for w in words:
        w = w if isinstance(w, bytes) else str(w).encode()
        f.write(b"$%d\r\n%s\r\n" % (len(w), w))
    f.flush()


def read(f):
    line = f.readline()
    if not line.endswith(b"\r\n"):
        raise EOFError
    kind, rest = line[:1], line[1:-2]
    if kind == b"*":
        return [read(f) for _ in range(int(rest))]
    if kind == b"$":
        return f.read(int(rest) + 2)[:-2] if int(rest) >= 0 else None
    if kind == b":":
        return int(rest)
    return rest if kind == b"+" else b"-" + rest


class Redis:
    """tls: the path of a certificate without its ending: then nothing else is spoken over TCP."""

    def __init__(self, *more, port=None, password=None, tls=None):
        self.password = password
        if tls:
            more += ("--tls-cert-file", tls + ".pem", "--tls-key-file", tls + ".key", "--tls-auth-clients", "no")
        self.tls = tls
        more += ("--requirepass", password) if password else ()
        self.folder = tempfile.mkdtemp(prefix="postern-redis-")
        self.port = port or free_port()
        self.socket = os.path.join(self.folder, "redis.sock")
        self.more = more
        self.process = None
        self.start()

    def start(self):
        self.log = open(os.path.join(self.folder, "log"), "ab")
        self.process = subprocess.Popen(
            ["redis-server", *(("--port", "0", "--tls-port") if self.tls else ("--port",)), str(self.port), "--bind", "127.0.0.1", "--unixsocket", self.socket,
             "--save", "", "--appendonly", "no", "--dir", self.folder, "--daemonize", "no", *self.more],
            stdout=self.log, stderr=self.log)
        until(lambda: self.say("PING") is not None, "redis-server")

    def say(self, *words):
        return call(self.socket if self.tls else self.port, *words, password=self.password)

    def keys(self, pattern="*"):
        return sorted(k.decode() for k in self.say("KEYS", pattern))

    def kill(self, number=signal.SIGKILL):
        if self.process:
            self.process.send_signal(number)
            if number == signal.SIGKILL:
                self.process.wait()
                self.process = None

    def stop(self):
        self.kill()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Tunnel:
    """stunnel with the configuration that docs/redis.md shows, on ports of its own and for an authority of the test's."""

    def __init__(self, to, ca):
        srcdir = os.environ.get("srcdir") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
        with open(os.path.join(srcdir, "docs", "redis.md")) as f:
            text = f.read().split("    [redis]\n")[1].split("\n\n")[0]
        self.port = free_port()
        self.folder = tempfile.mkdtemp(prefix="postern-stunnel-")
        for old, new in (("127.0.0.1:6380", "127.0.0.1:%d" % self.port), ("redis.example.org:6379", "127.0.0.1:%d" % to),
                         ("/etc/ssl/certs/ca-certificates.crt", ca)):
            assert old in text, text
            text = text.replace(old, new)
        self.conf = os.path.join(self.folder, "stunnel.conf")
        with open(self.conf, "w") as f:
            f.write("foreground = yes\npid =\n[redis]\n" + text + "\n")
        self.process = None
        self.start()

    def start(self):
        self.log = open(os.path.join(self.folder, "log"), "ab")
        self.process = subprocess.Popen(["stunnel", self.conf], stdout=self.log, stderr=self.log)
        until(self.is_there, "stunnel")

    def is_there(self):
        assert self.process.poll() is None, self.log_text()
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True
        except OSError:
            return False

    def log_text(self):
        with open(self.log.name, errors="replace") as f:
            return f.read()

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.log.close()

    def stop(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class Sentinel:
    """Watches `master`, whose name is mymaster; fails over after two seconds."""

    def __init__(self, master, quorum=1):
        self.folder = tempfile.mkdtemp(prefix="postern-sentinel-")
        self.port = free_port()
        conf = os.path.join(self.folder, "sentinel.conf")
        with open(conf, "w") as f:
            f.write("port %d\nbind 127.0.0.1\ndir %s\n"
                    "sentinel monitor mymaster 127.0.0.1 %d %d\n"
                    "sentinel down-after-milliseconds mymaster 2000\n"
                    "sentinel failover-timeout mymaster 3000\n" % (self.port, self.folder, master, quorum))
        self.log = open(os.path.join(self.folder, "log"), "wb")
        self.process = subprocess.Popen(["redis-sentinel", conf], stdout=self.log, stderr=self.log)
        until(lambda: call(self.port, "PING") is not None, "redis-sentinel")

    def master(self):
        got = call(self.port, "SENTINEL", "get-master-addr-by-name", "mymaster")
        return int(got[1]) if isinstance(got, list) else 0

    def knows_replica(self):
        got = call(self.port, "SENTINEL", "replicas", "mymaster")
        return isinstance(got, list) and any(
            b"slave" in r[r.index(b"flags") + 1] and r[r.index(b"master-link-status") + 1] == b"ok" for r in got)

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
