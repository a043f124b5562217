"""Every way in which a client is turned away, or goes away, has its entry in the journal, alone or counted with others of its
kind; and the journal of all that is whole."""

import os
import socket
import sqlite3
import struct
import subprocess
import tempfile
import time

import play
from certificates import Authority, setting
from play import Client, MTA, Postern

FOLDER = tempfile.mkdtemp(prefix="postern-entries-")
AUTHORITY = Authority(FOLDER)
OURS = AUTHORITY.sign("ours", "mx.example.org")
CASES = []


def entries(postern):
    """What is in the journal once posternd has ended: (rule, step, verdict, code) -> times."""
    postern.process.terminate()
    postern.process.wait(30)
    command = os.path.join(os.path.dirname(os.path.abspath(play.posternd())), "postern")
    verified = subprocess.run([command, "-c", postern.conf, "log", "--verify"], stdout=subprocess.PIPE)
    assert verified.returncode == 0, verified.stdout
    db = sqlite3.connect(os.path.join(postern.folder, "journal.db"))
    rows = db.execute("SELECT rule, step, verdict, code, sum(times), min(serial), max(serial), count(*)"
                      " FROM entry GROUP BY 1, 2, 3, 4").fetchall()
    db.close()
    assert sum(r[7] for r in rows) == max((r[6] for r in rows), default=0), rows
    return {r[:4]: r[4] for r in rows}


def case(name, want, settings="", rules="at connect { }", mta_says=None, tls=False):
    """want: (rule, step, verdict, code, times), each of which has to be there."""
    def decorate(function):
        def run():
            mta = MTA()
            mta.says = mta_says or {}
            postern = Postern(mta.port, settings + (setting(OURS) if tls else ""), rules)
            try:
                function(postern, mta)
                found = entries(postern)
                for *key, times in want:
                    assert found.get(tuple(key)) == times, (key, times, found)
                others = set(found) - {tuple(w[:4]) for w in want}
                assert not others, others
            finally:
                postern.stop()
                mta.stop()
        CASES.append((name, run))
        return function
    return decorate


def gone(postern):
    """All connections were seen to end."""
    play.until(lambda: postern.log_text().count("event=connect ") <= postern.log_text().count("event=disconnect"),
               "them to be gone")
    time.sleep(0.1)


def reset(c):
    """Ends it with RST."""
    c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    c.socket.close()


@case("commands that are none, or have nothing to say here",
      [("reply: UNKNOWN_COMMAND", "helo", "reject", 500, 2), ("reply: UNKNOWN_COMMAND", "mail", "reject", 500, 1),
       ("reply: RCPT_ORDER", "mail", "reject", 503, 1), ("reply: HELO_NAME", "helo", "reject", 501, 1),
       ("reply: SENDER_SYNTAX", "mail", "reject", 501, 1), ("reply: RECIPIENT_SYNTAX", "rcpt", "reject", 501, 1),
       ("reply: NOT_OFFERED", "mail", "reject", 502, 1), ("reply: NO_RECIPIENT", "rcpt", "reject", 554, 1)])
def _(postern, mta):
    c = Client(postern)
    c.say("NONSENSE", 500)
    c.say("MORE", 500)
    c.say("EHLO not_a_name!", 501)
    c.hello()
    c.say("NONSENSE", 500)
    c.say("RCPT TO:<b@example.org>", 503)
    c.say("MAIL FROM:a@", 501)
    c.say("STARTTLS", 502)
    c.say("MAIL FROM:<a@example.net>", 250)
    c.say("RCPT TO:<b@@example.org>", 501)
    c.say("DATA", 554)
    c.close()


@case("too many errors", [("limit: errors", "helo", "tempfail", 421, 1), ("reply: UNKNOWN_COMMAND", "helo", "reject", 500, 9)])
def _(postern, mta):
    c = Client(postern)
    for _ in range(9):
        c.say("NONSENSE", 500)
    c.say("NONSENSE", 421)
    c.expect_end()


@case("lines that are too long", [("limit: line length", "helo", "reject", 500, 2)])
def _(postern, mta):
    c = Client(postern)
    for _ in range(2):
        c.say("X" * 20000, 500)
    c.close()


@case("a browser, and a TLS handshake in the clear", [("reply: FOREIGN", "helo", "reject", 554, 2)])
def _(postern, mta):
    for text in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"):
        c = Client(postern)
        c.send(text)
        c.expect(554)
        c.close()


@case("connections over a limit", [("limit: sessions per client", "connect", "tempfail", 421, 3)],
      "sessions_per_client 2\n")
def _(postern, mta):
    gone(postern)
    held = [Client(postern) for _ in range(2)]
    for _ in range(3):
        c = Client(postern, greet=False)
        c.expect(421)
        c.close()
    for c in held:
        c.close()


@case("who is silent", [("limit: command time", "helo", "tempfail", 421, 1), ("limit: command time", "mail", "tempfail", 421, 1)],
      "timeout greeting 1s\ntimeout command 1s\n")
def _(postern, mta):
    a, b = Client(postern), Client(postern)
    b.hello()
    a.expect(421)
    b.expect(421)


@case("a message that stalls", [("limit: pause in a message", "message", "tempfail", 421, 1)],
      "timeout data block 1s\n")
def _(postern, mta):
    c = Client(postern)
    c.hello()
    c.envelope()
    c.say("DATA", 354)
    c.send(b"Subject: x\r\n\r\nhalf of")
    c.expect(421)


@case("clients that vanish within a message", [("left", "message", "left", 0, 3)])
def _(postern, mta):
    for how in (Client.close, reset, Client.close):
        c = Client(postern)
        c.hello()
        c.envelope()
        c.say("DATA", 354)
        c.send(b"Subject: x\r\n\r\nhalf of")
        time.sleep(0.2)
        how(c)
    gone(postern)


@case("TLS handshakes that fail", [("limit: TLS handshake", "helo", "tempfail", 421, 2)],
      tls=True)
def _(postern, mta):
    for text in (b"no handshake at all\r\n", b"\x16\x03\x01\xff\xff"):
        c = Client(postern)
        c.hello()
        c.say("STARTTLS", 220)
        c.send(text)
        c.close()
    gone(postern)


@case("octets in the clear behind STARTTLS", [("limit: plaintext after STARTTLS", "helo", "reject", 554, 1)], tls=True)
def _(postern, mta):
    c = Client(postern)
    c.hello()
    c.send(b"STARTTLS\r\nNOOP\r\n")
    c.expect(554)


@case("rules, at each step",
      [("postern.conf:%d" % (10 + i), step, "reject", 550, 1) for i, step in enumerate(("mail", "rcpt", "message"))],
      rules='at mail { reject 550 5.7.1 "no" if sender is "no@example.net" }\n'
            'at rcpt { reject 550 5.7.1 "no" if recipient is "no@example.org" }\n'
            'at message { reject 550 5.7.1 "no" if sender is "a@example.net" }')
def _(postern, mta):
    c = Client(postern)
    c.hello()
    c.say("MAIL FROM:<no@example.net>", 550)
    c.say("MAIL FROM:<a@example.net>", 250)
    c.say("RCPT TO:<no@example.org>", 550)
    c.say("RCPT TO:<b@example.org>", 250)
    c.data(b"Subject: x\r\n\r\nx\r\n.\r\n", 550)
    c.close()


@case("what the mail server refuses", [("backend", "rcpt", "reject", 550, 1)], mta_says={"RCPT": b"550 5.1.1 nobody\r\n"})
def _(postern, mta):
    c = Client(postern)
    c.hello()
    c.say("MAIL FROM:<a@example.net>", 250)
    c.say("RCPT TO:<b@example.org>", 550)
    c.close()


@case("who is there when posternd stops", [("reply: SHUTDOWN", "mail", "tempfail", 421, 1)])
def _(postern, mta):
    c = Client(postern)
    c.hello()
    postern.process.terminate()
    c.expect(421)


if __name__ == "__main__":
    play.main(CASES, FOLDER)
