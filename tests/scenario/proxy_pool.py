"""Several mail servers behind one proxy: which of them gets a connection, what happens while one is away, and what
a client is offered then."""

import os
import signal

import play
from play import Client, MTA, Postern

SETTINGS = "probe every 200ms\nprobe retry 200ms\nbackend timeout connect 20s\n"
MESSAGE = b"A: b\r\n\r\nx\r\n.\r\n"
CASES = []


def case(function):
    CASES.append((function.__doc__, function))
    return function


def run(function, mtas, more=None, first="", settings=SETTINGS):
    """The first mail server is the one of play.Postern's own line, with `first` behind it."""
    more = more or [""] * (len(mtas) - 1)
    lines = "".join("backend 127.0.0.1 port %d %s\n" % (m.port, words)
                    for m, words in zip(mtas[1:], more))
    p = Postern(mtas[0].port, settings + lines, handoff=first)
    try:
        for m in mtas:
            if not m.stopping:
                m.probed()
        function(p, *mtas)
    finally:
        text = p.stop()
        for m in mtas:
            m.stop()
    return text


def heard(mta):
    return b"\n".join(mta.all_lines).decode("latin-1")


def send(p, n=1):
    for _ in range(n):
        c = Client(p)
        c.hello()
        c.envelope()
        assert c.data(MESSAGE) == 250
        c.say("QUIT", 221)
        c.close()


def hold(p, n):
    """Clients with a recipient each, so that their connections to the mail servers are open."""
    clients = []
    for _ in range(n):
        c = Client(p)
        c.hello()
        c.envelope()
        clients.append(c)
    return clients


def mails(mta):
    return sum(line.startswith(b"MAIL") for line in mta.lines)


@case
def turns():
    "equals take turns, and open connections are spread evenly"
    def play_it(p, a, b):
        send(p, 6)
        assert (len(a.taken), len(b.taken)) == (3, 3), (len(a.taken), len(b.taken))
        hold(p, 6)
        assert (mails(a), mails(b)) == (6, 6), (mails(a), mails(b))
    run(play_it, [MTA(), MTA()])


@case
def weights():
    "a server of weight 3 has three times as many connections"
    def play_it(p, a, b):
        hold(p, 8)
        assert (mails(a), mails(b)) == (6, 2), (mails(a), mails(b))
    run(play_it, [MTA(), MTA()], first="weight 3")


@case
def standby():
    "a server on standby gets mail only while no other is well"
    def play_it(p, a, b):
        send(p, 4)
        assert (len(a.taken), len(b.taken)) == (4, 0)
        a.says["CONNECT"] = b"421 4.3.2 not now\r\n"
        play.until(lambda: "event=backend-away" in p.log_text(), "the probe")
        send(p, 2)
        assert (len(a.taken), len(b.taken)) == (4, 2)
        del a.says["CONNECT"]
        play.until(lambda: "event=backend-back" in p.log_text(), "the probe")
        send(p, 2)
        assert (len(a.taken), len(b.taken)) == (6, 2)
    run(play_it, [MTA(), MTA()], ["standby"])


@case
def over():
    "a server that cannot be connected, or that fails before it knows the client, costs no recipient"
    def play_it(p, a, b):
        a.says["CONNECT"] = lambda dialogue, line: play.DIE
        send(p, 2)
        a.stop()
        send(p, 4)
        assert len(b.taken) == 6 and not a.taken
    text = run(play_it, [MTA(), MTA()], settings="backend timeout connect 20s\n")
    assert "event=backend-away" in text, text


@case
def within():
    "a server that is lost with a transaction is not replaced within it"
    def play_it(p, a, b):
        for m in (a, b):
            m.says["RCPT"] = play.DIE
        c = Client(p)
        c.hello()
        c.say("MAIL FROM:<a@example.net>", 250)
        c.say("RCPT TO:<b@example.org>", 451, b"4.3.0")
        c.say("RCPT TO:<c@example.org>", 451, b"4.3.0")
        assert mails(a) + mails(b) == 1
        for m in (a, b):
            del m.says["RCPT"]
        c.say("RSET", 250)
        c.envelope()
        assert c.data(MESSAGE) == 250
        c.close()
    run(play_it, [MTA(), MTA()])


@case
def nowhere():
    "when none is there, recipients get 451 at once; the first that is back gets mail"
    def play_it(p, a, b):
        for m in (a, b):
            m.says["CONNECT"] = b"554 5.3.2 no\r\n"
        play.until(lambda: p.log_text().count("event=backend-away") == 2, "the probes")
        c = Client(p)
        c.hello()
        c.say("MAIL FROM:<a@example.net>", 250)
        c.say("RCPT TO:<b@example.org>", 451, b"4.3.0")
        c.close()
        del b.says["CONNECT"]
        play.until(lambda: "event=backend-back" in p.log_text(), "the probe")
        send(p, 3)
        assert len(b.taken) == 3
    run(play_it, [MTA(), MTA()])


@case
def offers():
    "a client is offered what all that are well can do"
    def play_it(p, a, b):
        def offered():
            c = Client(p)
            said = c.hello()
            c.close()
            return said
        said = offered()
        assert b"8BITMIME" not in said and b"SIZE 1000\r\n" in said, said
        b.says["CONNECT"] = b"421 4.3.2 not now\r\n"
        play.until(lambda: "event=backend-away" in p.log_text(), "the probe")
        said = offered()
        assert b"8BITMIME" in said and b"SIZE 2000\r\n" in said, said
    run(play_it, [MTA(ehlo=(b"SIZE 2000", b"8BITMIME")), MTA(ehlo=(b"SIZE 1000",))])


@case
def reload():
    "a reload changes the servers; sessions go on with the one they have"
    def play_it(p, a, b):
        held = hold(p, 2)
        new = MTA()
        with open(p.conf) as f:
            text = f.read().replace("port %d " % a.port, "port %d " % new.port)
        with open(p.conf, "w") as f:
            f.write(text)
        os.kill(p.process.pid, signal.SIGHUP)
        play.until(lambda: "event=reload result=ok" in p.log_text() and new.all_lines, "the reload")
        for c in held:
            assert c.data(MESSAGE) == 250
        assert (len(a.taken), len(b.taken)) == (1, 1)
        send(p, 4)
        assert (len(a.taken), len(b.taken), len(new.taken)) == (1, 3, 2)
        new.stop()
    run(play_it, [MTA(), MTA()])


if __name__ == "__main__":
    play.main(CASES)
