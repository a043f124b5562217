"""The life of the daemon: how it starts, tells its service manager, is replaced while mail comes, and ends. Nobody
is refused, no message is lost or doubled."""

import os
import pwd
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

import play
from certificates import Authority, setting
from play import MTA, WAIT, Client, Milter, free_port, stuffed, until

MESSAGE = b"From: a@example.net\r\nTo: b@example.org\r\nSubject: %s\r\n\r\nHello\r\n"
CASES = []
FOLDER = tempfile.mkdtemp(prefix="postern-authority-")
AUTHORITY = Authority(FOLDER)


def case(function):
    CASES.append((function.__doc__, function))
    return function


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def status(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def children(pid):
    found = []
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and status(int(name))["PPid"] == str(pid) and alive(int(name)):
                found.append(int(name))
        except (OSError, KeyError):
            pass
    return sorted(found)


class Daemon:
    """posternd with a milter and a proxy address, and its successors. drain, threads: settings; more:
    further lines; env: variables; program: another one than that of the build."""

    def __init__(self, mta, drain="5s", threads=2, more="", env=None, program=None, start=True):
        self.folder = tempfile.mkdtemp(prefix="postern-life-")
        os.chmod(self.folder, 0o755)
        self.host, self.port, self.milter = "127.0.0.1", free_port(), free_port()
        self.conf = os.path.join(self.folder, "postern.conf")
        self.text = ('hostname "mx.example.org"\n'
                     'database "%s/db"\nthreads %d\ndrain %s\n'
                     "listen proxy 127.0.0.1 port %d\n"
                     'listen milter "inet:%d@127.0.0.1"\n'
                     "backend 127.0.0.1 port %d\n"
                     "resolver forward 127.0.0.1 port %d\n"
                     "%s\nat connect { }\n" % (self.folder, threads, drain, self.port, self.milter,
                                               mta.port, free_port(), more))
        self.write(self.text)
        self.log = open(os.path.join(self.folder, "log"), "w+b")
        self.env = dict(os.environ, **(env or {}))
        self.program = program or os.path.abspath(play.posternd())
        if start:
            self.start([self.program])

    def start(self, argv, **more):
        self.process = subprocess.Popen(argv + ["-f", "-c", self.conf], stderr=self.log,
                                        stdout=self.log, env=self.env, **more)
        self.pid = self.process.pid
        self.pids = [self.pid]
        self.await_log("event=ready", 1)
        self.await_log("event=listening front=milter", 1)

    def write(self, text):
        with open(self.conf, "w") as f:
            f.write(text)

    def log_text(self):
        with open(self.log.name, errors="replace") as f:
            return f.read()

    def await_log(self, text, times):
        def look():
            # In this order: who was replaced may say so and end between two looks.
            running = alive(self.pid)
            said = self.log_text().count(text) >= times
            if not said and not running:
                raise AssertionError("posternd ended:\n" + self.log_text())
            return said
        until(look, text)

    def upgrade(self):
        """Waits until the successor has taken over; the pid of the one before."""
        before, times = self.pid, self.log_text().count("event=upgrade result=ok")
        os.kill(self.pid, signal.SIGUSR2)
        self.await_log("event=upgrade result=ok", times + 1)
        self.pid = int(re.findall(r"event=upgrade result=ok pid=(\d+)", self.log_text())[-1])
        self.pids.append(self.pid)
        return before

    def hello(self):
        c = Client(self)
        c.hello()
        return c

    def stop(self):
        for pid in filter(alive, self.pids):
            os.kill(pid, signal.SIGTERM)
        until(lambda: not any(map(alive, self.pids)), "all of them to end")
        code = self.process.wait(WAIT)
        text = self.log_text()
        left = [n for n in os.listdir(self.folder + "/db") if n.endswith(".sock")]
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        if code != 0 or left or re.search("Sanitizer|runtime error|panic|child-died", text):
            raise AssertionError("exit status %s, left %s:\n%s" % (code, left, text[-6000:]))


class World:
    """An MTA and a posternd, ended whatever happens."""

    def __init__(self, **settings):
        self.settings = settings

    def __enter__(self):
        self.mta = MTA()
        self.postern = Daemon(self.mta, **self.settings)
        return self.mta, self.postern

    def __exit__(self, kind, *_):
        self.mta.stop()
        try:
            self.postern.stop()
        except AssertionError:
            if kind is None:
                raise


def send_one(c, subject):
    c.envelope()
    assert c.data(stuffed(MESSAGE % subject)) == 250


# ---- the end ----


@case
def drain():
    """SIGTERM: a message under way is finished, who says nothing gets 421, nobody new comes in"""
    with World(drain="50s") as (mta, postern):
        idle, busy = postern.hello(), postern.hello()
        busy.envelope()
        busy.say("DATA", 354)
        busy.send(b"Subject: one\r\n\r\n")
        os.kill(postern.pid, signal.SIGTERM)
        idle.expect(421, b"4.3.2")
        idle.expect_end()
        until(lambda: socket.socket().connect_ex(("127.0.0.1", postern.port)), "a refusal")
        busy.send(b"Hello\r\n.\r\n")
        busy.expect(250)
        busy.expect(421, b"4.3.2")
        assert postern.process.wait(WAIT) == 0
        assert len(mta.taken) == 1


@case
def drain_limit():
    """When the time for it is up, everybody else gets 421 too"""
    with World(drain="300ms") as (mta, postern):
        busy = postern.hello()
        busy.envelope()
        busy.say("DATA", 354)
        os.kill(postern.pid, signal.SIGTERM)
        busy.expect(421, b"4.3.2")
        busy.expect_end()
        assert postern.process.wait(WAIT) == 0
        assert mta.taken == []


@case
def drain_milter():
    """A milter's message under way is finished, then its process ends"""
    with World(drain="50s") as (_, postern):
        idle, busy = Milter(postern.milter), Milter(postern.milter)
        busy.begin()
        os.kill(postern.pid, signal.SIGTERM)
        postern.await_log("event=drain", 1)
        busy.finish()
        assert postern.process.wait(WAIT) == 0
        idle.socket.close()
        busy.socket.close()


# ---- being replaced ----


class Load(threading.Thread):
    """Sends n messages, on connections of `each` messages; what went wrong is in `fault`."""

    def __init__(self, postern, name, n, each):
        super().__init__(daemon=True)
        self.postern, self.name_, self.n, self.each = postern, name, n, each
        self.sent, self.fault = [], None

    def run(self):
        try:
            while len(self.sent) < self.n:
                c = self.postern.hello()
                for _ in range(min(self.each, self.n - len(self.sent))):
                    subject = b"%s-%d" % (self.name_, len(self.sent))
                    send_one(c, subject)
                    self.sent.append(subject)
                c.say("QUIT", 221)
                c.close()
        except Exception as e:  # pylint: disable=broad-except
            self.fault = repr(e)


@case
def upgrade_under_load():
    """Replaced twice while 300 messages come: each that was told 250 is at the MTA once, nobody is refused"""
    with World(drain="50s") as (mta, postern):
        loads = [Load(postern, b"load%d" % i, 75, each) for i, each in enumerate((1, 1, 5, 75))]
        for load in loads:
            load.start()
        old = []
        for share in (60, 160):
            until(lambda s=share: len(mta.taken) >= s, "some messages")
            old.append(postern.upgrade())
        for load in loads:
            load.join(120)
            assert load.fault is None and len(load.sent) == 75, (load.fault, len(load.sent))
        got = sorted(re.search(rb"Subject: (\S+)", t.octets).group(1) for t in mta.taken)
        assert got == sorted(s for load in loads for s in load.sent)
        for pid in old:
            until(lambda p=pid: not alive(p), "the old one to end")


@case
def upgrade_keeps_sessions():
    """A session that is open when posternd is replaced goes on; at the end of `drain` it gets 421"""
    with World(drain="8s") as (mta, postern):
        c = postern.hello()
        c.envelope()
        old = postern.upgrade()
        assert c.data(stuffed(MESSAGE % b"begun before")) == 250
        send_one(c, b"on the same connection")
        assert len(mta.taken) == 2 and alive(old)
        c.expect(421, b"4.3.2")
        until(lambda: not alive(old), "the old one to end")
        send_one(postern.hello(), b"new")


@case
def upgrade_milter():
    """A milter's session goes on too, and there is no moment at which its address refuses"""
    with World(drain="50s") as (_, postern):
        before = Milter(postern.milter)
        before.begin()
        stop, fault = threading.Event(), []

        def knock():
            try:
                while not stop.is_set():
                    m = Milter(postern.milter)
                    m.begin()
                    m.finish()
                    m.close()
            except Exception as e:  # pylint: disable=broad-except
                fault.append(repr(e))
        knocking = threading.Thread(target=knock, daemon=True)
        knocking.start()
        old = [postern.upgrade(), postern.upgrade()]
        stop.set()
        knocking.join(WAIT)
        assert not fault, fault
        before.finish()
        before.begin()
        before.finish()
        assert alive(old[0])
        before.close()
        for pid in old:
            until(lambda p=pid: not alive(p), "the old one to end")


@case
def upgrade_fails():
    """A new program that does not start, or a file with errors, leaves the old one at work"""
    folder = tempfile.mkdtemp(prefix="postern-life-")
    program = os.path.join(folder, "posternd")
    shutil.copy(play.posternd(), program)
    mta = MTA()
    postern = Daemon(mta, program=program)
    try:
        c = postern.hello()
        os.rename(program, program + ".good")
        for n, text in enumerate(("#!/bin/sh\nexit 3\n", "no program\n", None), 1):
            if text is None:
                os.rename(program + ".good", program)
                postern.write(postern.text + "at nowhere { }\n")
            else:
                with open(program, "w") as f:
                    f.write(text)
                os.chmod(program, 0o755)
            os.kill(postern.pid, signal.SIGUSR2)
            postern.await_log("this one goes on", n)
            send_one(c, b"still")
            send_one(postern.hello(), b"here")
        postern.write(postern.text)
        postern.upgrade()
        send_one(postern.hello(), b"new")
        assert len(mta.taken) == 7
    finally:
        postern.stop()
        mta.stop()
        shutil.rmtree(folder)


@case
def upgrade_changes():
    """What was added to the file is listened on, what was taken out of it is not, by any number of loops"""
    with World(threads=1) as (_, postern):
        more = free_port()
        postern.write(postern.text.replace("threads 1", "threads 3")
                      + "listen proxy 127.0.0.1 port %d\n" % more)
        postern.upgrade()
        for port in [more] * 8 + [postern.port] * 8:
            c = socket.create_connection(("127.0.0.1", port), WAIT)
            assert c.recv(3) == b"220"
            c.close()
        postern.write(postern.text)
        postern.upgrade()
        until(lambda: socket.socket().connect_ex(("127.0.0.1", more)), "a refusal")
        for _ in range(16):
            postern.hello().close()


# ---- the service manager ----


class Manager:
    """The socket that systemd would listen on."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="postern-life-")
        self.path = os.path.join(self.folder, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        self.rest = []

    def listen(self, seconds):
        """All lines that are said within that time."""
        end, lines = time.monotonic() + seconds, self.rest
        self.rest = []
        while select.select([self.socket], [], [], max(0, end - time.monotonic()))[0]:
            lines += self.socket.recv(4096).decode().split("\n")
        return lines

    def await_line(self, start):
        """The next line that begins so; those before it are dropped."""
        end = time.monotonic() + WAIT
        while True:
            lines = self.listen(0 if self.rest else 0.02)
            for n, line in enumerate(lines):
                if line.startswith(start):
                    self.rest = lines[n + 1:]
                    return line
            if time.monotonic() > end:
                raise AssertionError("waited in vain for " + start)

    def close(self):
        self.socket.close()
        shutil.rmtree(self.folder)


@case
def notify():
    """The service manager is told of start, reload, upgrade and end"""
    manager = Manager()
    try:
        with World(env={"NOTIFY_SOCKET": manager.path}) as (_, postern):
            manager.await_line("READY=1")
            os.kill(postern.pid, signal.SIGHUP)
            usec = manager.await_line("MONOTONIC_USEC=")
            assert 0 <= time.monotonic() - int(usec.split("=")[1]) / 1e6 < WAIT, usec
            manager.await_line("READY=1")
            postern.write("nonsense")
            os.kill(postern.pid, signal.SIGHUP)
            assert "errors" in manager.await_line("STATUS=running with")
            postern.write(postern.text)
            postern.upgrade()
            assert manager.await_line("MAINPID=") == "MAINPID=%d" % postern.pid
            os.kill(postern.pid, signal.SIGTERM)
            manager.await_line("STOPPING=1")
    finally:
        manager.close()


@case
def lists_are_watched():
    """A list's file that changes is taken without a reload; a mistake in it, or rules that changed too, are not"""
    with World(more='watch lists 100ms\nlist bad { file "bad.list" }\n'
                    'at mail { reject 550 5.7.1 "Bad" if sender in bad }', start=False) as (_, postern):
        bad = os.path.join(postern.folder, "bad.list")

        def replace(text):
            with open(bad + ".new", "w") as f:
                f.write(text)
            os.rename(bad + ".new", bad)

        def said():
            c = postern.hello()
            c.send(b"MAIL FROM:<a@bad.example>\r\n")
            code = c.reply()[0]
            c.close()
            return code

        # What is logged as loaded is taken up by each loop in its next turn.
        def mail(code):
            play.until(lambda: said() == code, "%d" % code)

        replace("other.example\n")
        postern.start([postern.program])
        mail(250)
        replace("bad.example\n")
        postern.await_log("event=reload result=ok", 1)
        mail(550)
        replace("bad.example\n192.0.2.0/99\n")
        postern.await_log("event=watch file=\"%s\" result=kept" % bad, 1)
        assert "bad.list:2:1: error: " in postern.log_text()
        mail(550)
        # Somebody is at work on the rules: nothing of it is taken before it is said to be ready.
        postern.write(postern.text.replace("at connect { }", "at connect { delay 1ms }"))
        replace("other.example\n")
        postern.await_log("the configuration itself has changed too", 1)
        mail(550)
        postern.write(postern.text)
        os.kill(postern.pid, signal.SIGHUP)
        postern.await_log("event=reload result=ok", 2)
        mail(250)
        assert postern.log_text().count("event=watch") == 3


@case
def watchdog():
    """WATCHDOG=1 comes twice in its time, but not from a worker that hangs"""
    manager = Manager()
    usec = 600000
    program = tempfile.NamedTemporaryFile("w", suffix=".sh", delete=False)
    program.write("#!/bin/sh\nWATCHDOG_PID=$$ exec %s \"$@\"\n" % os.path.abspath(play.posternd()))
    program.close()
    os.chmod(program.name, 0o755)
    try:
        with World(env={"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": str(usec)},
                   program=program.name) as (_, postern):
            beats = []
            for _ in range(10):
                manager.await_line("WATCHDOG=1")
                beats.append(time.monotonic())
            # A busy machine may hold up some of them.
            pauses = sorted(b - a for a, b in zip(beats, beats[1:]))
            assert usec / 1e6 / 4 < pauses[4] < usec / 1e6, pauses
            worker = children(postern.pid)[0]
            os.kill(worker, signal.SIGSTOP)
            try:
                # Those that were under way may still come.
                until(lambda: "WATCHDOG=1" not in manager.listen(usec / 1e6 * 2), "silence")
            finally:
                os.kill(worker, signal.SIGCONT)
            manager.await_line("WATCHDOG=1")
            postern.upgrade()
            manager.await_line("MAINPID=")
            manager.await_line("WATCHDOG=1")
    finally:
        manager.close()
        os.unlink(program.name)


@case
def socket_activation():
    """Sockets that systemd has opened are used where `listen` names them, and are still there afterwards"""
    mta = MTA()
    postern = Daemon(mta, start=False)
    listeners = []
    try:
        for port in (postern.milter, postern.port, 0):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            s.bind(("127.0.0.1", port))
            s.listen(16)
            listeners.append(s)
        waiting = socket.create_connection(("127.0.0.1", postern.port), WAIT)
        launcher = ("import os, sys\n"
                    "for n, fd in enumerate(map(int, sys.argv[1].split(',')), 200): os.dup2(fd, n)\n"
                    "for n in range(3): os.dup2(200 + n, 3 + n)\n"
                    "os.closerange(6, 256)\n"
                    "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='3',\n"
                    "                  LISTEN_FDNAMES='milter:smtp:other')\n"
                    "os.execv(sys.argv[2], sys.argv[2:])\n")
        fds = [s.fileno() for s in listeners]
        postern.start([sys.executable, "-c", launcher, ",".join(map(str, fds)), postern.program],
                      pass_fds=fds)
        assert waiting.recv(3) == b"220"
        waiting.close()
        text = postern.log_text()
        assert "port=%d inherited=1" % postern.port in text, text
        assert text.count("no `listen` line asks for it") == 1, text
        m = Milter(postern.milter)
        m.begin()
        m.finish()
        m.close()
        for _ in range(8):
            postern.hello().close()
        postern.upgrade()
        postern.hello().close()
    finally:
        postern.stop()
        mta.stop()
        for s in listeners:
            s.close()


# ---- rights ----


def may_run(program, user):
    try:
        return subprocess.run([program, "-V"], user=user, check=False,
                              stdout=subprocess.DEVNULL).returncode == 0
    except PermissionError:
        return False


@case
def least_right():
    """Started by root, it becomes `user`; no process can get new rights, each has its filter"""
    root = os.geteuid() == 0
    more = 'user "nobody"\n' if root else ""
    with World(more=more) as (_, postern):
        held = "calls=held" in postern.log_text()
        pids = [postern.pid] + children(postern.pid)
        assert len(pids) == 3, pids
        for pid in pids:
            said = status(pid)
            assert said["NoNewPrivs"] == "1", said
            assert said["Seccomp"] == ("2" if held else "0"), said
            if root:
                uid = str(pwd.getpwnam("nobody").pw_uid)
                assert said["Uid"].split() == [uid] * 4, said
                assert int(said["CapEff"], 16) == 0, said
        assert os.stat(postern.folder + "/db/journal.db").st_mode & 0o777 == 0o640
        send_one(postern.hello(), b"x")
        # A successor is started by whom posternd became, who may not get at our build folder.
        if not root or may_run(postern.program, "nobody"):
            postern.upgrade()
            send_one(postern.hello(), b"x")


def client_names(postern):
    """The names in the certificate that a client is shown."""
    c = postern.hello()
    c.say("STARTTLS", 220)
    context = ssl.create_default_context(cafile=AUTHORITY.ca)
    c.starttls(context, "mx.example.org")
    names = [v for k, v in c.socket.getpeercert()["subjectAltName"] if k == "DNS"]
    c.close()
    return names


@case
def renewed_in_the_sandbox():
    """A renewed certificate is read after all rights were given up, behind symbolic links too"""
    with tempfile.TemporaryDirectory(prefix="postern-keys-") as folder:
        os.chmod(folder, 0o755)
        live, archive = folder + "/live", folder + "/archive"
        for path in (live, archive):
            os.mkdir(path, 0o755)

        def renew(n):
            """As certbot does it: a new file in the archive, and links that point to it."""
            base = AUTHORITY.sign("renewed%d" % n, "mx.example.org", "turn%d.example" % n)
            for ending in (".pem", ".key"):
                target = shutil.copy(base + ending, "%s/mx%d%s" % (archive, n, ending))
                os.chmod(target, 0o644)
                os.symlink(target, live + "/new")
                os.rename(live + "/new", live + "/mx" + ending)

        renew(1)
        more = setting(live + "/mx") + ('user "nobody"\n' if os.geteuid() == 0 else "")
        with World(more=more) as (_, postern):
            assert "turn1.example" in client_names(postern)
            for n in (2, 3):
                renew(n)
                os.kill(postern.pid, signal.SIGHUP)
                postern.await_log("event=reload result=ok", n - 1)
                # Each loop takes it between two events.
                until(lambda: "turn%d.example" % n in client_names(postern), "the new certificate")


@case
def rights_of_a_successor():
    """Ambient rights, as systemd gives them, are a successor's too, and no others"""
    if os.geteuid() != 0:
        return
    mta = MTA()
    postern = Daemon(mta, start=False, drain="1s")
    shutil.chown(postern.folder, "nobody")
    bind = 10  # CAP_NET_BIND_SERVICE
    try:
        postern.start(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups",
                       "--inh-caps=+net_bind_service", "--ambient-caps=+net_bind_service",
                       "--bounding-set=-all,+net_bind_service", postern.program])
        before = status(postern.pid)
        assert int(before["CapEff"], 16) == 1 << bind, before
        if may_run(postern.program, "nobody"):
            postern.upgrade()
            after = status(postern.pid)
            for name in ("CapEff", "CapPrm", "CapInh", "CapAmb", "CapBnd", "Uid"):
                assert after[name] == before[name], (name, before, after)
            postern.hello().close()
    finally:
        postern.stop()
        mta.stop()


@case
def sandbox_off():
    """`sandbox off` leaves the filters out, and says so"""
    with World(more="sandbox off") as (_, postern):
        assert postern.log_text().count("event=sandbox") == 3
        assert postern.log_text().count("state=off") == 3
        for pid in [postern.pid] + children(postern.pid):
            assert status(pid)["Seccomp"] == "0" and status(pid)["NoNewPrivs"] == "1"


if __name__ == "__main__":
    play.main(CASES, FOLDER)
