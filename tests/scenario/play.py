"""play: whole sessions against a running posternd. Starts one with a configuration of its own in
front of a mail server that is played here and may misbehave, lets cases talk to it in raw octets, and
speaks TAP. Everything stays on 127.0.0.1; only the standard library is used."""

import json
import os
import random
import re
import shutil
import socket
import sqlite3
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback

WAIT = 60  # seconds that anything awaited may take on a busy machine
EARLY = 0.02  # seconds by which a timer may seem to be early: its clock is a coarse one

# A reply that tells of a message taken.
YES = re.compile(rb"(250-[^\r\n]{0,500}\r\n)*250 [^\r\n]{0,500}\r\n")

PROBE = ("PROXY", "EHLO", "LHLO", "HELO", "STARTTLS", "QUIT")  # what one says

DIE = object()   # the mail server closes
HANG = object()  # the mail server says nothing


class Skip(Exception):
    """What a case needs is not installed."""


CLAIMS = []  # sockets with a name for each port


def free_port():
    """One that no other test gets while this one runs: it is claimed by a name that only one process can have. Below those
    that the system gives to connections, of which other tests make many meanwhile."""
    while True:
        port = random.randrange(10000, 32000)
        claim = socket.socket(socket.AF_UNIX)
        with socket.socket() as s:
            try:
                claim.bind("\0postern-test-port-%d" % port)
                # A child that another thread is starting holds it for a moment more.
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("127.0.0.1", port))
                CLAIMS.append(claim)
                return port
            except OSError:
                claim.close()


def until(condition, what="it"):
    end = time.monotonic() + WAIT
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("waited in vain for " + what)
        time.sleep(0.005)


def early_in_a_minute():
    """Waits until there is enough of it left: the limits per minute go by the system's minutes since it began."""
    left = 60 - time.monotonic() % 60
    if left < 20:
        time.sleep(left)


class Taken:
    """A message as the mail server took it: wire octets with the dots unstuffed."""

    def __init__(self, mail, rcpts, octets):
        self.mail, self.rcpts, self.octets = mail, rcpts, octets

    def ours(self):
        """Without the header fields that Postern adds: in front, or behind lines of mailbox files."""
        octets, front = self.octets, b""
        while re.match(b">*From ", octets) and b"\r\nReceived:" in octets:
            end = octets.index(b"\r\n") + 2
            front, octets = front + octets[:end], octets[end:]
        for name in (b"Received:", b"Authentication-Results:"):
            if octets.startswith(name):
                end = octets.index(b"\r\n")
                while octets[end + 2:end + 3] in (b" ", b"\t"):
                    end = octets.index(b"\r\n", end + 2)
                octets = octets[end + 2:]
        return front + octets


class MTA:
    """The mail server. `says` maps a verb (upper case; CONNECT for the greeting, DOT for the end of the
    message) to what is answered: octets, DIE, HANG, or a function of (server session, line) that gives one
    of these; `after` maps one to a function of the server session that is called behind the answer. A message counts as taken when 250 was sent for it, or `kept` says so. Its own ears are
    strict: only CR LF . CR LF ends a message; every other line end is kept as it came."""

    def __init__(self, xclient=False, ehlo=(b"PIPELINING", b"SIZE 52428800", b"8BITMIME"),
                 host="127.0.0.1", words=b"NAME ADDR PORT PROTO HELO LOGIN", lmtp=False):
        self.lmtp = lmtp     # LHLO instead of EHLO, and a reply for each recipient
        self.says, self.after = {}, {}
        self.ehlo = list(ehlo) + ([b"XCLIENT " + words] if xclient else [])
        self.taken = []      # Taken, those that were answered by 250
        self.lines = []      # every command line of every connection but probes
        self.all_lines = []
        self.die_after = None  # octets of a message, then `dying` is called, or the connection is closed
        self.dying = None
        self.connections = 0
        self.open = 0
        self.probes = 0      # connections that ended and had asked nothing but what a probe asks
        self.reading = True  # whether it takes the octets of messages
        self.host = host
        self.peers = []      # (address, port) of every connection
        self.headers = []    # of the PROXY protocol, version 2
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.tls = None      # an ssl.SSLContext: STARTTLS is offered
        self.handshakes = 0  # those that succeeded
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.port = free_port()
        self.socket.bind((host, self.port))
        self.socket.listen(64)
        self.lock = threading.Lock()
        self.stopping = False
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self):
        self.stopping = True
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.socket.close()

    def _accept(self):
        while not self.stopping:
            try:
                conn, peer = self.socket.accept()
            except OSError:
                return
            self.peers.append(peer[:2])
            self.connections += 1
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        with self.lock:
            self.open += 1
        dialogue = Dialogue(self, conn)
        try:
            dialogue.run()
        except (OSError, EOFError):
            pass
        finally:
            dialogue.conn.close()  # under TLS another one
            with self.lock:
                self.open -= 1
                self.probes += dialogue.is_probe

    def probed(self, times=1):
        """Waits for the end of the first probes, one for each thread: what was learnt is known, and what comes from now on is
        not theirs."""
        until(lambda: self.probes >= times, "the probe")


class Dialogue:
    def __init__(self, mta, conn):
        self.mta, self.conn = mta, conn
        self.input = b""
        self.mail, self.rcpts = None, []
        self.is_probe = True
        self.secured = False

    def more(self):
        piece = self.conn.recv(65536)
        if not piece:
            raise EOFError
        self.input += piece

    def line(self):
        while b"\r\n" not in self.input:
            self.more()
        if self.input.startswith(b"\r\n\r\n"):
            self.header()
            return self.line()
        line, self.input = self.input.split(b"\r\n", 1)
        return line

    def header(self):
        while len(self.input) < 16 or len(self.input) < 16 + int.from_bytes(self.input[14:16], "big"):
            self.more()
        end = 16 + int.from_bytes(self.input[14:16], "big")
        self.mta.headers.append(self.input[:end])
        self.input = self.input[end:]

    def answer(self, verb, line, usual):
        said = self.mta.says.get(verb, usual)
        if callable(said):
            said = said(self, line)
        if said is None:
            said = usual
        if said is DIE:
            raise EOFError
        if said is HANG:
            self.hang()
        self.conn.sendall(said)
        if verb in self.mta.after:
            self.mta.after[verb](self)
        return said

    def hang(self):
        """Says nothing more."""
        while True:
            self.more()

    def die(self):
        if self.mta.dying:
            self.mta.dying(self)
        raise EOFError

    def decide(self, verb, line, octets):
        """What becomes of a message. It is taken before the client can know."""
        usual = b"250 2.0.0 Ok: queued as 4ABC\r\n"
        said = self.mta.says.get(verb, usual)
        if callable(said):
            said = said(self, line)
        if said is None:
            said = usual
        if isinstance(said, bytes) and YES.match(said):
            self.mta.taken.append(Taken(self.mail, self.rcpts, octets))
        if self.mta.lmtp and isinstance(said, bytes):
            said *= len(self.rcpts)
        self.mail, self.rcpts = None, []
        if said is DIE:
            raise EOFError
        if said is HANG:
            self.hang()
        self.conn.sendall(said)
        if verb in self.mta.after:
            self.mta.after[verb](self)

    def message(self):
        """Reads up to CR LF . CR LF; the CR LF before it belongs to the message."""
        got = bytearray(b"\r\n" + self.input)
        self.input = b""
        looked = 0
        while True:
            end = got.find(b"\r\n.\r\n", looked)
            if end >= 0:
                break
            looked = max(len(got) - 4, 0)
            if self.mta.die_after is not None and len(got) > self.mta.die_after:
                self.die()
            until(lambda: self.mta.reading, "the mail server to read on")
            piece = self.conn.recv(65536)
            if not piece:
                raise EOFError
            got += piece
        self.input = bytes(got[end + 5:])
        return bytes(got[:end + 2]).replace(b"\r\n..", b"\r\n.")[2:]

    def octets(self, n):
        """Exactly n of them."""
        while len(self.input) < n:
            if self.mta.die_after is not None and len(self.input) > self.mta.die_after:
                self.die()
            self.more()
        got, self.input = self.input[:n], self.input[n:]
        return got

    def run(self):
        self.answer("CONNECT", b"", b"220 mta.example ESMTP\r\n")
        while True:
            line = self.line()
            verb = line.split(b" ")[0].split(b":")[0].upper().decode("latin-1")
            self.mta.all_lines.append(line)
            if verb not in ("EHLO", "LHLO", "QUIT"):
                self.mta.lines.append(line)
            self.is_probe &= verb in PROBE
            if verb == ("LHLO" if self.mta.lmtp else "EHLO"):
                words = [b"mta.example"] + self.mta.ehlo
                if self.mta.tls and not self.secured:
                    words.append(b"STARTTLS")
                self.mail, self.rcpts = None, []
                self.answer(verb, line, b"".join(
                    b"250" + (b" " if w is words[-1] else b"-") + w + b"\r\n" for w in words))
            elif verb == "STARTTLS" and self.mta.tls:
                if self.answer(verb, line, b"220 2.0.0 Go ahead\r\n").startswith(b"220"):
                    self.conn = self.mta.tls.wrap_socket(self.conn, server_side=True)
                    self.input, self.secured = b"", True
                    self.mta.handshakes += 1
            elif verb == "PROXY":
                self.answer(verb, line, b"")
            elif verb == "XCLIENT":
                self.answer(verb, line, b"220 mta.example ESMTP\r\n")
            elif verb == "MAIL":
                if self.answer(verb, line, b"250 2.1.0 Ok\r\n").startswith(b"250"):
                    self.mail = line
            elif verb == "RCPT":
                if self.answer(verb, line, b"250 2.1.5 Ok\r\n").startswith(b"250"):
                    self.rcpts.append(line)
            elif verb == "DATA":
                if not self.answer(verb, line, b"354 go on\r\n").startswith(b"354"):
                    continue
                self.decide("DOT", line, self.message())
            elif verb == "BDAT":
                assert line.endswith(b" LAST"), line
                self.decide(verb, line, self.octets(int(line.split(b" ")[1])))
            elif verb == "RSET":
                self.mail, self.rcpts = None, []
                self.answer(verb, line, b"250 2.0.0 Ok\r\n")
            elif verb == "QUIT":
                self.answer(verb, line, b"221 2.0.0 Bye\r\n")
                return
            elif verb == "NOOP":
                self.answer(verb, line, b"250 2.0.0 Ok\r\n")
            else:
                self.answer(verb, line, b"502 5.5.2 What?\r\n")


class Postern:
    """posternd in front of an MTA. `settings` go to the top of the file, `rules` to its end."""

    def __init__(self, mta_port, settings="", rules="at connect { }", handoff="",
                 host="127.0.0.1", mta_host="127.0.0.1", threads=1, dns_port=None,
                 store="store sqlite", drain="5s"):
        self.folder = tempfile.mkdtemp(prefix="postern-scenario-")
        self.port = free_port()
        self.host = host
        self.conf = os.path.join(self.folder, "postern.conf")
        with open(self.conf, "w") as f:
            f.write('hostname "mx.example.org"\n'
                    'database "%s"\n'
                    "threads %d\n"
                    "drain %s\n"
                    "listen proxy %s port %d\n"
                    "backend %s port %d %s\n"
                    "resolver forward 127.0.0.1 port %d\n"
                    "%s\n%s\n%s\n"
                    % (self.folder, threads, drain, host, self.port, mta_host, mta_port, handoff,
                       dns_port or free_port(), store, settings, rules))
        self.log = open(os.path.join(self.folder, "log"), "w+b")
        self.process = subprocess.Popen([posternd(), "-f", "-c", self.conf], stderr=self.log,
                                        stdout=self.log)
        until(self._answers, "posternd to listen")

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError("posternd ended:\n" + self.log_text())
        # One connection only: cases count them.
        if "event=ready" not in self.log_text():
            return False
        s = socket.socket(socket.AF_INET6 if ":" in self.host else socket.AF_INET)
        try:
            s.connect((self.host, self.port))
            return True
        except OSError:
            return False
        finally:
            s.close()

    def command(self, *words):
        """`postern` beside it: exit code, what it says, and what it complains of."""
        done = subprocess.run([postern(), "-c", self.conf, *words], capture_output=True, text=True, check=False,
                              timeout=WAIT)
        return done.returncode, done.stdout, done.stderr

    def entries(self):
        """What is in the journal, oldest first."""
        journal = sqlite3.connect("file:%s/journal.db?mode=ro" % self.folder, uri=True)
        journal.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in journal.execute("SELECT * FROM entry ORDER BY serial")]
        finally:
            journal.close()

    def trace(self, entry):
        """What the rules that led to an entry of the journal looked at, as `postern why` tells it."""
        code, said, complaint = self.command("why", "--json", entry["id"])
        assert code == 0, complaint
        return json.loads(said)["trace"]

    def log_text(self):
        with open(self.log.name, errors="replace") as f:
            return f.read()

    def stop(self):
        """Ends it, and looks whether it or its children had a fault."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            status = self.process.wait(WAIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            status = "none: it had to be killed"
        text = self.log_text()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        if status != 0 or re.search("Sanitizer|runtime error|panic|killed by", text):
            raise AssertionError("posternd's exit status is %s:\n%s" % (status, text[-6000:]))
        return text


class Client:
    def __init__(self, postern, greet=True, source=""):
        self.socket = socket.create_connection((postern.host, postern.port), WAIT, (source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.input = b""
        if greet:
            self.expect(220)

    def close(self):
        self.socket.close()

    def send(self, octets):
        self.socket.sendall(octets)

    def starttls(self, context, name=None):
        """The handshake, after the 220 was read."""
        assert not self.input, self.input
        self.socket = context.wrap_socket(self.socket, server_hostname=name)

    def reply(self):
        """(code, whole text); (None, b"") at the end of input."""
        lines = b""
        while True:
            while b"\r\n" not in self.input:
                try:
                    piece = self.socket.recv(65536)
                except ConnectionResetError:
                    piece = b""
                if not piece:
                    return None, lines + self.input
                self.input += piece
            line, self.input = self.input.split(b"\r\n", 1)
            lines += line + b"\r\n"
            if line[3:4] != b"-":
                return int(line[:3]), lines

    def expect(self, code, text=b""):
        got, lines = self.reply()
        if got != code or text not in lines:
            raise AssertionError("expected %s %r, got %s %r" % (code, text, got, lines))
        return lines

    def say(self, line, code, text=b""):
        self.send(line.encode("latin-1") + b"\r\n" if isinstance(line, str) else line + b"\r\n")
        try:
            return self.expect(code, text)
        except AssertionError as e:
            raise AssertionError("after %r: %s" % (line, e)) from None

    def expect_end(self):
        got, lines = self.reply()
        if got is not None or lines:
            raise AssertionError("expected the end, got %s %r" % (got, lines))

    def hello(self):
        return self.say("EHLO client.example", 250)

    def attempt(self, octets, chunk=False):
        """A transaction that anything may come of, from RSET on. octets: in wire form. chunk: by BDAT. The code of the
        reply that decided."""
        dot = b"BDAT %d LAST\r\n" % len(octets) if chunk else b""
        for line in (b"RSET", b"MAIL FROM:<a@example.net>" + (b" BODY=BINARYMIME" if chunk else b""),
                     b"RCPT TO:<b@example.org>") + (() if chunk else (b"DATA",)):
            self.send(line + b"\r\n")
            code, _ = self.reply()
            if code not in (250, 354):
                return code
        self.send(dot + octets)
        return self.reply()[0]

    def envelope(self, sender="a@example.net", rcpts=("b@example.org",)):
        self.say("MAIL FROM:<%s>" % sender, 250)
        for r in rcpts:
            self.say("RCPT TO:<%s>" % r, 250)

    def until_refused(self, octets):
        """Sends that message until a recipient is refused; what is said then."""
        while True:
            self.say("MAIL FROM:<a@example.net>", 250)
            self.send(b"RCPT TO:<b@example.org>\r\n")
            code, text = self.reply()
            if code != 250:
                return text
            self.data(octets, 250)

    def data(self, octets, code=None):
        """octets: wire form with the final dot. Returns the reply's code."""
        self.say("DATA", 354)
        self.send(octets)
        got, lines = self.reply()
        if code is not None and got != code:
            raise AssertionError("expected %s, got %s %r" % (code, got, lines))
        return got


class Milter:
    """One session of an MTA with a milter, at a port or a path."""

    def __init__(self, address):
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(WAIT)
            self.socket.connect(address)
        else:
            self.socket = socket.create_connection(("127.0.0.1", address), WAIT)
        self.send(b"O", struct.pack("!III", 6, 0x1ff, 0x1fffff))
        assert self.answer()[:1] == b"O"
        self.no_reply = False
        self.send(b"C", b"client.example\0" + b"4" + struct.pack("!H", 4711) + b"192.0.2.1\0")
        self.send(b"H", b"client.example\0")

    def send(self, command, data=b""):
        self.socket.sendall(struct.pack("!I", 1 + len(data)) + command + data)

    def take(self, n):
        got = b""
        while len(got) < n:
            piece = self.socket.recv(n - len(got))
            if not piece:
                raise EOFError
            got += piece
        return got

    def answer(self):
        return self.take(struct.unpack("!I", self.take(4))[0])

    def begin(self, account=None, sender=b"a@example.net", rcpts=(b"b@example.org",), verdict=b"c"):
        """The envelope; the last recipient gets that verdict."""
        if account is not None:
            self.send(b"D", b"M{auth_authen}\0" + account + b"\0{auth_type}\0PLAIN\0")
        self.send(b"M", b"<" + sender + b">\0")
        assert self.answer() == b"c"
        for r in rcpts:
            self.send(b"R", b"<" + r + b">\0")
            said = self.answer()
            assert said[:1] == (verdict if r is rcpts[-1] else b"c"), said
        return said

    def finish(self, *fields, verdict=b"c"):
        """fields: of the header, as the MTA hands them over: name, NUL, value."""
        for field in fields or (b"From\0 a@example.net",):
            self.send(b"L", field + b"\0")
        self.send(b"N")
        self.send(b"B", b"Hello\r\n")
        self.send(b"E")
        said = self.answer()
        while said[:1] in b"hip":
            said = self.answer()
        assert said[:1] == verdict, said

    def close(self):
        self.send(b"Q")
        self.socket.close()


def stuffed(octets):
    """Message octets, lines ended by CR LF, in wire form."""
    return (b"\r\n" + octets).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"


def posternd():
    return os.environ.get("POSTERND") or os.path.join(os.environ.get("builddir", "."), "posternd")


def postern():
    """The command beside it."""
    return os.path.join(os.path.dirname(os.path.abspath(posternd())), "postern")


def main(cases, folder=None):
    """cases: (name, function). Each has to clean up what it starts. folder: what all of them share,
    removed at the end."""
    if not os.access(posternd(), os.X_OK):
        print("1..0 # SKIP there is no posternd in this build")
        return
    only = sys.argv[1:]
    cases = [c for c in cases if not only or c[0] in only]
    print("1..%d" % len(cases), flush=True)
    for n, (name, case) in enumerate(cases, 1):
        try:
            case()
            print("ok %d - %s" % (n, name), flush=True)
        except Skip as e:
            print("ok %d - %s # SKIP %s" % (n, name, e), flush=True)
        except Exception:
            for line in traceback.format_exc().splitlines():
                print("# " + line)
            print("not ok %d - %s" % (n, name), flush=True)
    if folder:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)  # threads of hanging mail servers are left behind
