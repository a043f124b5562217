"""Connections to a mail server that serve one client after the other: each client under its own name and address,
and a new connection wherever there is the least doubt."""

import os
import signal
import tempfile

import certificates
import play
from play import Client, DIE, MTA, Postern

MESSAGE = b"A: b\r\n\r\nx\r\n.\r\n"
SETTINGS = "trust 127.0.0.1\nprobe every 1d\nprobe retry 200ms\nbackend timeout connect 20s\n"
WORDS = b"NAME ADDR PORT PROTO HELO LOGIN"
CASES = []


def case(function):
    CASES.append((function.__doc__, function))
    return function


def run(function, words="xclient reuse 20s", settings="", threads=1, tls=None, **options):
    mta = MTA(xclient=True, words=WORDS, **options)
    mta.tls = tls
    p = Postern(mta.port, SETTINGS + settings, handoff=words, threads=threads)
    try:
        mta.probed(threads)
        mta.connections = 0
        mta.all_lines.clear()
        function(p, mta)
    finally:
        text = p.stop()
        mta.stop()
    return text


def client(p, n=1, hello="EHLO"):
    """One that has its own address, name and account."""
    c = Client(p)
    c.say("XCLIENT ADDR=192.0.2.%d PORT=%d NAME=c%d.example LOGIN=%s" %
          (n, 1000 + n, n, "user%d" % n if n % 2 else "[UNAVAILABLE]"), 220)
    c.say("%s c%d.example" % (hello, n), 250)
    return c


def leave(c):
    c.say("QUIT", 221)
    c.close()


def send(p, n=1, hello="EHLO"):
    c = client(p, n, hello)
    c.envelope()
    assert c.data(MESSAGE) == 250
    leave(c)


def told(mta, verb):
    return [line for line in mta.all_lines if line.startswith(verb)]


def handed_over(n, proto="ESMTP"):
    return (b"XCLIENT NAME=c%d.example ADDR=192.0.2.%d PORT=%d PROTO=%s HELO=c%d.example LOGIN=%s" %
            (n, n, 1000 + n, proto.encode(), n, b"user%d" % n if n % 2 else b"[UNAVAILABLE]"))


@case
def in_turn():
    "clients in turn share a connection, and each is told of with all that there is, or is not, to be said"
    def play_it(p, mta):
        for n in (1, 2, 3, 2, 1):
            send(p, n, "HELO" if n == 3 else "EHLO")
        assert mta.connections == 1 and len(mta.taken) == 5
        assert told(mta, b"XCLIENT") == [handed_over(n, "SMTP" if n == 3 else "ESMTP") for n in (1, 2, 3, 2, 1)], \
            told(mta, b"XCLIENT")
        assert [line[5:] for line in told(mta, b"EHLO")] == [
            b"mx.example.org"] + [b"c%d.example" % n for n in (1, 2, 3, 2, 1)]
        for n, t in zip((1, 2, 3, 2, 1), mta.taken):
            assert b"192.0.2.%d" % n in t.octets, t.octets
        assert not told(mta, b"QUIT") and not told(mta, b"RSET")
    text = run(play_it)
    assert text.count("connection=new") == 1 and text.count("connection=reused") == 4, text
    assert "event=backend-lost" not in text, text


@case
def off():
    "without `reuse`, each client has a connection of its own"
    def play_it(p, mta):
        for n in (1, 2):
            send(p, n)
        assert mta.connections == 2
        play.until(lambda: len(told(mta, b"QUIT")) == 2, "QUIT")
    run(play_it, "xclient")


@case
def at_once():
    "clients at the same time never share one"
    def play_it(p, mta):
        a, b = client(p, 1), client(p, 2)
        a.envelope()
        b.envelope()
        assert mta.connections == 2
        for c in (a, b):
            assert c.data(MESSAGE) == 250
            leave(c)
        c, d, e = client(p, 3), client(p, 4), client(p, 5)
        for each in (c, d, e):
            each.envelope()
        assert mta.connections == 3
        assert sorted(told(mta, b"XCLIENT")) == sorted(handed_over(n) for n in (1, 2, 3, 4, 5))
    run(play_it)


@case
def unfinished():
    "a transaction that was left open ends by RSET before the next client comes, however its client went"
    def play_it(p, mta):
        c = client(p, 1)
        c.envelope()
        leave(c)
        play.until(lambda: told(mta, b"RSET"), "RSET")
        send(p, 2)
        c = client(p, 3)
        c.envelope(rcpts=("x@example.org", "y@example.org"))
        c.close()
        play.until(lambda: len(told(mta, b"RSET")) == 2, "RSET")
        send(p, 4)
        assert mta.connections == 1
        assert [len(t.rcpts) for t in mta.taken] == [1, 1]
        lines = [line.split(b" ")[0].split(b":")[0] for line in mta.all_lines]
        assert lines == (b"EHLO XCLIENT EHLO MAIL RCPT RSET XCLIENT EHLO MAIL RCPT DATA "
                         b"XCLIENT EHLO MAIL RCPT RCPT RSET XCLIENT EHLO MAIL RCPT DATA").split(), lines
    run(play_it)


@case
def reset_refused():
    "where RSET is refused, or not answered, the connection ends and is nobody's any more"
    def play_it(p, mta):
        for says in (b"550 5.0.0 no\r\n", b"250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n", DIE, play.HANG):
            mta.says["RSET"] = says
            c = client(p, 1)
            c.envelope()
            leave(c)
            play.until(lambda: told(mta, b"RSET"), "RSET")
            send(p, 2)
            assert mta.connections == 2 and len(told(mta, b"XCLIENT")) == 2, (says, mta.all_lines)
            # The second one is kept, until a reload.
            os.kill(p.process.pid, signal.SIGHUP)
            play.until(lambda: mta.connections == 3 and mta.open <= (says is play.HANG), "the connections to end")
            mta.connections = 0
            mta.all_lines.clear()
    run(play_it, settings="backend timeout command 5s\n")


@case
def refused():
    "after any refusal the connection is not used again, so that nobody inherits a count of errors"
    def play_it(p, mta):
        for verb, says in (("RCPT", b"550 5.1.1 nobody\r\n"), ("MAIL", b"451 4.3.0 later\r\n"),
                           ("DATA", b"554 5.5.1 no\r\n"), ("DOT", b"552 5.3.4 no\r\n")):
            before = mta.connections
            mta.says[verb] = says
            c = client(p, 1)
            c.send(b"MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n")
            for _ in range(3):
                code, text = c.reply()
            if code == 354:
                c.send(MESSAGE)
                c.reply()
            leave(c)
            del mta.says[verb]
            send(p, 2)
            assert mta.connections == before + 2, (verb, mta.all_lines)
            c = client(p, 3)
            c.send(b"MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\n")
            c.expect(250)
            c.expect(250)
            assert mta.connections == before + 2, verb
            mta.says["RSET"] = b"550 5.0.0 no\r\n"
            leave(c)
            play.until(lambda: mta.open == 0, "its end")
            del mta.says["RSET"]
    run(play_it)


@case
def authenticated():
    "a connection on which somebody has said AUTH is nobody else's, whether he was let in or not"
    def play_it(p, mta):
        for says, code in ((b"235 2.7.0 Ok\r\n", 235), (b"535 5.7.8 no\r\n", 535), (b"454 4.7.0 later\r\n", 454)):
            before = mta.connections
            mta.says["AUTH"] = says
            c = client(p, 2)
            c.say("AUTH PLAIN AGpvZQB4", code)
            c.envelope()
            assert c.data(MESSAGE) == 250
            leave(c)
            assert mta.connections == before + 1
            send(p, 4)
            assert mta.connections == before + 2, says
            assert len(told(mta, b"AUTH")) == 1
            mta.all_lines.clear()
            # The second one is kept, until a reload; then there is a probe.
            os.kill(p.process.pid, signal.SIGHUP)
            play.until(lambda: mta.connections == before + 3 and mta.open == 0, "the connections to end")
            mta.all_lines.clear()
    run(play_it, settings="auth in clear on\n", ehlo=(b"SIZE 1000", b"AUTH PLAIN"))


@case
def ended_while_idle():
    "one that the mail server ends or speaks on while it is idle goes without a word"
    def play_it(p, mta):
        for farewell in (b"", b"421 4.4.2 Idle for too long\r\n", b"250 2.0.0 Ok\r\n"):
            conns = []
            mta.says["DOT"] = lambda d, line: conns.append(d.conn) or b"250 2.0.0 Ok\r\n"
            before = mta.connections
            send(p, 1)
            assert mta.connections == before + 1
            conns[0].sendall(farewell) if farewell else conns[0].shutdown(play.socket.SHUT_RDWR)
            play.until(lambda: mta.open == 0, "the end of the connection")
            send(p, 2)
            assert mta.connections == before + 2
            conns[1].shutdown(play.socket.SHUT_RDWR)
            play.until(lambda: mta.open == 0, "the end of the connection")
    text = run(play_it)
    assert "event=backend-lost" not in text and "event=backend-away" not in text, text


@case
def stale():
    "one that is of no use at the next client's first words is replaced, and the client notices nothing"
    def play_it(p, mta):
        n = [0]

        def second(says):
            def answer(dialogue, line):
                n[0] += 1
                return says if n[0] == 1 else None
            return answer
        for verb, says in (("XCLIENT", DIE), ("XCLIENT", b"421 4.4.2 too long\r\n"), ("XCLIENT", b"550 5.7.0 no\r\n"),
                           ("EHLO", DIE), ("EHLO", b"421 4.4.2 bye\r\n"), ("MAIL", DIE), ("MAIL", b"421 4.4.2 bye\r\n")):
            send(p, 1)
            before = mta.connections
            n[0] = 0
            mta.says[verb] = second(says)
            send(p, 2)
            assert mta.connections == before + 1, (verb, says)
            del mta.says[verb]
        assert len(mta.taken) == 14
        assert all(b"192.0.2.%d" % (1 + i % 2) in t.octets for i, t in enumerate(mta.taken))
    text = run(play_it)
    assert "event=backend-away" not in text and "event=backend-lost" not in text, text


@case
def once_only():
    "a new connection is tried once, and none within a transaction"
    def play_it(p, mta):
        send(p, 1)
        mta.says["MAIL"] = DIE
        c = client(p, 2)
        c.say("MAIL FROM:<a@example.net>", 250)
        c.say("RCPT TO:<b@example.org>", 451)
        assert len(told(mta, b"MAIL")) == 3 and mta.connections == 2, mta.all_lines
        leave(c)
        del mta.says["MAIL"]
        send(p, 1)
        mta.says["RCPT"] = DIE
        before = mta.connections
        c = client(p, 2)
        c.say("MAIL FROM:<a@example.net>", 250)
        c.say("RCPT TO:<b@example.org>", 451)
        assert mta.connections == before
        leave(c)
    run(play_it)


@case
def not_offered_again():
    "a server that offers less after XCLIENT than before is not told of a second client on that connection"
    def play_it(p, mta):
        def less(dialogue, line):
            if line == b"EHLO mx.example.org":
                return None
            return b"250-mta.example\r\n250 XCLIENT ADDR\r\n"
        mta.says["EHLO"] = less
        send(p, 1)
        send(p, 2)
        assert mta.connections == 2
        mta.says["EHLO"] = lambda d, line: None if line == b"EHLO mx.example.org" else b"250 mta.example\r\n"
        send(p, 1)
        send(p, 2)
        assert mta.connections == 4
    run(play_it)


@case
def expires():
    "it is closed with QUIT after its time, and after a reload"
    def play_it(p, mta):
        send(p, 1)
        play.until(lambda: told(mta, b"QUIT") and mta.open == 0, "QUIT")
        send(p, 1)
        assert mta.connections == 2
        play.until(lambda: len(told(mta, b"QUIT")) == 2, "QUIT")
    run(play_it, "xclient reuse 200ms")

    def reload_it(p, mta):
        send(p, 1)
        os.kill(p.process.pid, signal.SIGHUP)
        play.until(lambda: b"XCLIENT" in mta.all_lines[1] and len(told(mta, b"QUIT")) == 2 and mta.open == 0, "QUIT")
        send(p, 2)
        assert mta.connections == 3, mta.connections  # one of them the probe's
    run(reload_it)


@case
def worn_out():
    "it serves a hundred transactions"
    def play_it(p, mta):
        c = client(p, 1)
        for _ in range(99):
            c.envelope()
            assert c.data(MESSAGE) == 250
        leave(c)
        send(p, 2)
        assert mta.connections == 1
        play.until(lambda: told(mta, b"QUIT"), "QUIT")
        send(p, 3)
        assert mta.connections == 2
    run(play_it, settings="sessions_per_client 1000\n")


@case
def with_a_limit():
    "idle ones count in the limit, and make room: for a client of this loop by serving it, for others by ending"
    def play_it(p, mta):
        clients = []
        for n in range(1, 13):
            c = client(p, n)
            c.say("MAIL FROM:<a@example.net>", 250)
            c.send(b"RCPT TO:<b@example.org>\r\n")
            clients.append(c)
        left = dict(enumerate(clients, 1))
        while left:
            for n, c in list(left.items()):
                c.socket.settimeout(0.02)
                try:
                    c.input += c.socket.recv(65536)
                except TimeoutError:
                    continue
                finally:
                    c.socket.settimeout(play.WAIT)
                c.expect(250)
                assert c.data(MESSAGE) == 250
                leave(c)
                del left[n]
        assert len(mta.taken) == 12 and sorted(told(mta, b"XCLIENT")) == sorted(handed_over(n) for n in range(1, 13))
        play.until(lambda: mta.open <= 2, "no more than two")
        assert mta.connections == 2 or threads > 1, mta.connections
    for threads in (1, 3):
        run(play_it, "xclient connections 2 reuse 20s", settings="backend timeout wait 20s\n", threads=threads)


@case
def in_tls():
    "with TLS it goes on inside of it; in the clear, where TLS was only not to be had, it is not used again"
    def inside(p, mta):
        before = mta.handshakes
        send(p, 1)
        send(p, 2)
        assert mta.connections == 1 and mta.handshakes == before + 1
        assert told(mta, b"XCLIENT") == [handed_over(1), handed_over(2)]

    def outside(p, mta):
        send(p, 1)
        send(p, 2)
        assert mta.connections == 2
    ca = certificates.Authority(FOLDER)
    run(inside, "xclient starttls required reuse 20s", tls=ca.server(ca.sign("mta", "mta.example")))
    run(outside, "xclient starttls opportunistic reuse 20s")


FOLDER = tempfile.mkdtemp(prefix="postern-reuse-")

if __name__ == "__main__":
    play.main(CASES, FOLDER)
