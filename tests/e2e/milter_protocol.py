"""The milter protocol itself: miltertest (of OpenDKIM) as a well-behaved MTA, and one that keeps to
no order, whose frames are cut short, too long, or nonsense."""

import contextlib
import os
import re
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import matrix  # noqa: E402
from lab import START_LIMIT, Lab, free_port  # noqa: E402
from tap import Tap, equal, matches, need  # noqa: E402

SETTINGS = """hostname "mx.example.org"
database "{folder}"
listen milter "inet:%(milter)d@127.0.0.1"
resolver forward 127.0.0.1 port %(dns)d
threads 2
"""

# Whatever the stages can be asked about a client, asked of each.
CURIOUS = """
at connect {
    accept if listed("bl.test") or client.name = "x"
}
at mail {
    reject 550 5.7.9 "${tls.version} ${tls.cipher} <${tls.client_cert}> ${account} by ${auth.mechanism}" if sender = "macros@other.test" and tls
    reject 550 5.7.9 "${account} in clear" if sender = "macros@other.test"
    mark asked if spf is fail or rate(client, messages, 1h) > 10000
}
at rcpt {
    mark asked if greylist is waiting or unknown_share(network, 1h) > 99
}
at message {
    mark asked if dkim is pass
}
"""

ALL_STEPS = 0x1FFFFF
NO_BLANK = 0x100000  # SMFIP_HDR_LEADSPC: values keep the blank after the colon
QUIET = 0x0C3080     # SMFIP_NR_CONN, _HELO, _HDR, _EOH and _BODY: no reply to these


class Mta:
    """The MTA's side, one frame at a time."""

    def __init__(self, port, steps=ALL_STEPS, version=6):
        """steps: what it offers; None: it does not negotiate at all."""
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=START_LIMIT)
        self.steps = 0
        if steps is None:
            return
        self.write(b"O", struct.pack("!III", version, 0x1FF, steps))
        kind, text = self.read()
        assert kind == b"O", kind
        self.version, self.actions, self.steps = struct.unpack("!III", text[:12])

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.socket.close()

    def raw(self, octets):
        # Closed by the other side already: whoever reads next will see.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(octets)

    def write(self, kind, text=b""):
        self.raw(struct.pack("!I", len(text) + 1) + kind + text)

    def exactly(self, n):
        got = b""
        while len(got) < n:
            more = self.socket.recv(n - len(got))
            if not more:
                raise ConnectionError("closed")
            got += more
        return got

    def read(self):
        """A frame; those that only say "be patient" are passed over."""
        while True:
            length, = struct.unpack("!I", self.exactly(4))
            frame = self.exactly(length)
            if frame[:1] != b"p":
                return frame[:1], frame[1:]

    def closed(self):
        """Reads until the other side has closed; what it said before, as letters."""
        said = b""
        try:
            while True:
                said += self.read()[0]
        except (ConnectionError, ConnectionResetError):
            return said

    def ask(self, kind, text=b"", quiet=0):
        """Sends a step; its reply, if one is due."""
        self.write(kind, text)
        return b"" if self.steps & quiet else self.read()[0]

    def begin(self):
        self.ask(b"C", b"client.test\x004\x04\xd2192.0.2.7\x00", 0x1000)
        self.ask(b"H", b"client.test\x00", 0x2000)

    def message(self):
        """A whole message; the kinds of the frames that came at its end."""
        equal(self.ask(b"M", b"<a@other.test>\x00"), b"c", "the reply to MAIL")
        equal(self.ask(b"R", b"<bob@example.org>\x00"), b"c", "the reply to RCPT")
        self.ask(b"L", b"From\x00 a@other.test\x00", 0x80)
        self.ask(b"N", b"", 0x40000)
        self.ask(b"B", b"Hello\r\n", 0x80000)
        self.write(b"E")
        said = b""
        while said[-1:] not in (b"c", b"a", b"y", b"t"):
            said += self.read()[0]
        return said


def conformance(tap, w):
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "milter.lua")
    done = subprocess.run(
        ["miltertest", "-s", script, "-D", f"address=inet:{w.milter}@127.0.0.1",
         "-D", "hostname=mx.example.org"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120, check=False)
    text = done.stdout.decode("utf-8", "replace")
    for result, name in re.findall(r"^(ok|not ok) - (.*)$", text, re.M):
        with tap.case("miltertest: " + name):
            equal(result, "ok", name)
    with tap.case("miltertest came to the end of its script"):
        equal(done.returncode, 0, f"the exit code ({text})")
        matches(r"gone after body", text)


def abilities(tap, w):
    for name, steps, version in (("all of it", ALL_STEPS, 6), ("what Sendmail 8.13 could", 0x7F, 2),
                                 ("a reply to every step", ALL_STEPS & ~QUIET, 6),
                                 ("values without their blank", ALL_STEPS & ~NO_BLANK, 6)):
        with tap.case(f"an MTA that offers {name}"):
            with Mta(w.milter, steps, version) as mta:
                equal(mta.steps & ~steps, 0, "what was asked for beyond it")
                mta.begin()
                matches(rb"^i[ac]$", mta.message())


def macros(tap, w):
    tls = [b"{tls_version}", b"TLSv1.3", b"{cipher}", b"TLS_AES_256_GCM_SHA384"]
    subject = [b"{cert_subject}", b"/O=Example/CN=peer.example", b"{cn_subject}", b"peer.example"]
    who = [b"{auth_authen}", b"alice", b"{auth_type}", b"SCRAM-SHA-256"]
    for name, at_helo, at_mail, said in (
            ("no macros", [], [], b"5.7.9  in clear"),
            ("an account in the clear", [], who, b"5.7.9 alice in clear"),
            ("TLS", tls, [], b"5.7.9 TLSv1.3 TLS_AES_256_GCM_SHA384 <>  by "),
            ("TLS and an account", tls, who,
             b"5.7.9 TLSv1.3 TLS_AES_256_GCM_SHA384 <> alice by SCRAM-SHA-256"),
            ("a verified certificate", tls + subject + [b"{verify}", b"OK"], [], b"<peer.example>"),
            ("one with a common name alone", tls + [b"{cert_subject}", b"peer", b"{verify}", b"OK"], [],
             b"<peer>"),
            ("one that was not verified", tls + subject + [b"{verify}", b"FAIL"], [], b"<>"),
            ("one of which nothing is told", tls + subject, [], b"<>")):
        with tap.case(f"macros: {name}"):
            with Mta(w.milter) as mta:
                mta.write(b"C", b"client.test\x004\x04\xd2192.0.2.7\x00")
                # As with STARTTLS: HELO in the clear before, which counts no more.
                for macros_of_helo in ([], at_helo):
                    if macros_of_helo:
                        mta.write(b"D", b"H" + b"".join(m + b"\0" for m in macros_of_helo))
                    mta.write(b"H", b"client.test\x00")
                for _ in range(2):
                    if at_mail:
                        mta.write(b"D", b"M" + b"".join(m + b"\0" for m in at_mail))
                    mta.write(b"M", b"<macros@other.test>\x00")
                    kind, text = mta.read()
                    equal(kind, b"y", "the reply")
                    assert said in text, text


# Names and frames; None: what comes before is a good session. Each is one that no MTA sends.
def disorders():
    mail, rcpt = (b"M", b"<a@other.test>\x00"), (b"R", b"<bob@example.org>\x00")
    field, eoh, body, end = (b"L", b"From\x00 a\x00"), (b"N", b""), (b"B", b"x\r\n"), (b"E", b"")
    yield "RCPT before MAIL", [rcpt]
    yield "a field before MAIL", [field]
    yield "the body before MAIL", [body]
    yield "the end before MAIL", [end]
    yield "the end after MAIL", [mail, end]
    yield "the body after MAIL", [mail, body]
    yield "MAIL twice", [mail, mail]
    yield "the end of the header twice", [mail, rcpt, field, eoh, eoh]
    yield "a field after the header", [mail, rcpt, eoh, field]
    yield "RCPT within the body", [mail, rcpt, eoh, body, rcpt]
    yield "HELO within the body", [mail, rcpt, eoh, body, (b"H", b"again.test\x00")]
    yield "another connect", [(b"C", b"other.test\x004\x04\xd2192.0.2.8\x00"), mail, rcpt]
    yield "DATA, which was not asked for", [mail, rcpt, (b"T", b"")]
    yield "a step there is not", [(b"Z", b"zzz")]
    yield "MAIL without an argument", [(b"M", b"")]
    yield "MAIL without its final NUL", [(b"M", b"<a@other.test>")]
    yield "a connect without an address", [(b"C", b"x\x00")]
    yield "a field without a value", [mail, rcpt, (b"L", b"From")]
    yield "macros that are empty", [(b"D", b"M"), (b"D", b"R\x00\x00"), mail, rcpt]
    yield "macros of no step", [(b"D", b"\xff"), mail]
    yield "a sender of 60 kB", [(b"M", b"<" + b"a" * 60000 + b"@other.test>\x00"), rcpt]
    yield "5000 fields", [mail, rcpt] + [field] * 5000 + [eoh, end]
    yield "a field of 60 kB with eight bits and controls", [
        mail, rcpt, (b"L", b"X\x80\x01\x00" + bytes(range(1, 256)) * 240 + b"\x00"), eoh, end]
    yield "abort without a message", [(b"A", b""), (b"A", b"")]


def nonsense():
    yield "a frame of no length", struct.pack("!I", 0)
    yield "a frame of four gigabytes", struct.pack("!I", 0xFFFFFFFF) + b"M"
    yield "half a length", b"\0\0"
    yield "a frame that is cut short", struct.pack("!I", 100) + b"M<a@other"
    yield "SMTP", b"EHLO client.test\r\nMAIL FROM:<a@other.test>\r\n"
    yield "octets of all kinds", bytes(range(256)) * 64


def still_there(w, pids):
    equal((w.posternd.worker(), w.posternd.milter_process()), pids, "the processes")
    with Mta(w.milter) as mta:
        mta.begin()
        matches(rb"^i[ac]$", mta.message())


def disorder(tap, w):
    pids = (w.posternd.worker(), w.posternd.milter_process())
    for name, frames in disorders():
        with tap.case(f"harmless: {name}"):
            with Mta(w.milter) as mta:
                mta.begin()
                for kind, text in frames:
                    mta.write(kind, text)
                mta.write(b"Q")
                # Nothing that is out of order is let through.
                if (b"E", b"") in frames and len(frames) < 4:
                    assert b"a" not in mta.closed(), "accepted"
                else:
                    mta.closed()
            still_there(w, pids)
    for name, octets in nonsense():
        with tap.case(f"harmless: {name}"):
            with Mta(w.milter) as mta:
                mta.begin()
                mta.raw(octets)
                with contextlib.suppress(OSError):
                    mta.socket.shutdown(socket.SHUT_WR)
                mta.closed()
            still_there(w, pids)
    for first in (b"C", b"H", b"M", b"R", b"L", b"N", b"B", b"E", b"A", b"Q", b"K", b"D"):
        with tap.case(f"harmless: {first.decode()} of one who has not negotiated"):
            with Mta(w.milter, None) as mta:
                mta.write(first, b"Mx\x00y\x00" if first == b"D" else b"<a@other.test>\x00y\x00")
                for kind, text in ((b"H", b"x\x00"), (b"M", b"<a@other.test>\x00"),
                                   (b"R", b"<bob@example.org>\x00"), (b"N", b""), (b"E", b"")):
                    mta.write(kind, text)
                mta.write(b"Q")
                mta.closed()
            still_there(w, pids)
    with tap.case("a connection is used for another client after \"quit, new connection\""):
        with Mta(w.milter) as mta:
            for _ in range(3):
                mta.begin()
                matches(rb"^i[ac]$", mta.message())
                mta.write(b"K")
            mta.begin()
            equal(mta.ask(b"M", b"<a@reject.mail.test>\x00"), b"y", "the reply")


class World:
    def __init__(self, lab, build):
        self.milter = free_port()
        self.posternd = lab.posternd(os.path.join(build, "posternd"), SETTINGS % {
            "milter": self.milter, "dns": lab.dns([]).port} + matrix.rules() + CURIOUS)


def main():
    build = need("posternd", "miltertest", "nsd", root=False)
    tap = Tap()
    with Lab() as lab:
        w = World(lab, build)
        tap.on_failure = lambda: w.posternd.text()[-6000:]
        for part in (conformance, abilities, macros, disorder):
            part(tap, w)
        with tap.case("it ends with exit code 0"):
            equal(w.posternd.stop(), 0, "the exit code")
            equal(w.posternd.faults(), "", "the faults in the log")
    tap.finish()


if __name__ == "__main__":
    main()
