"""Mail servers that take mail for some recipients only: which transaction goes where, and what becomes of recipients
that cannot go together."""

import os
import signal
import sqlite3

import play
from play import Client, MTA, Postern

MESSAGE = b"A: b\r\n\r\nx\r\n.\r\n"
SETTINGS = "probe every 200ms\nprobe retry 200ms\nbackend timeout connect 20s\n"
CASES = []


def case(function):
    CASES.append((function.__doc__, function))
    return function


def run(function, mtas, routes, settings=""):
    """The first mail server takes what the others do not; `routes` are what is behind the lines of these."""
    lines = "".join("backend 127.0.0.1 port %d %s\n" % (m.port, words)
                    for m, words in zip(mtas[1:], routes))
    p = Postern(mtas[0].port, SETTINGS + settings + lines)
    try:
        for m in mtas:
            m.probed()
        function(p, *mtas)
    finally:
        text = p.stop()
        for m in mtas:
            m.stop()
    return text


def refusals(p):
    db = sqlite3.connect("file:%s/journal.db?mode=ro" % p.folder, uri=True)
    found = db.execute("SELECT code, rule, recipients FROM entry WHERE verdict <> 'accept'").fetchall()
    db.close()
    return found


def send(c, rcpts):
    """A client that comes again with whom it was told to: how many transactions it took."""
    left, n = list(rcpts), 0
    while left:
        n += 1
        c.say("MAIL FROM:<a@example.net>", 250)
        again = []
        for r in left:
            c.send(b"RCPT TO:<" + r + b">\r\n")
            code, text = c.reply()
            assert code == 250 or (code == 452 and b"4.5.3 This recipient goes another way" in text), text
            if code == 452:
                again.append(r)
        assert len(again) < len(left), again
        assert c.data(MESSAGE) == 250
        left = again
    return n


def got(mta):
    return [[r[9:-1] for r in t.rcpts] for t in mta.taken]


@case
def apart():
    "recipients of another route get 452 4.5.3 and are journalled; they come again, and all arrive where they belong"
    def play_it(p, a, b, c):
        client = Client(p)
        client.hello()
        rcpts = [b"1@example.com", b"2@example.org", b"3@Example.COM", b"4@sub.example.org", b"5@example.net",
                 b"6@x.example.net", b"postmaster"]
        assert send(client, rcpts) == 3
        assert got(a) == [[b"1@example.com", b"3@Example.COM", b"5@example.net", b"postmaster"]], got(a)
        assert got(b) == [[b"2@example.org", b"4@sub.example.org"]], got(b)
        assert got(c) == [[b"6@x.example.net"]], got(c)
        client.say("QUIT", 221)
        client.close()
        said = refusals(p)
        assert len(said) == 4 and all(s[:2] == (452, "limit: recipients of one route") for s in said), said
        assert "2@example.org" in said[0][2], said
    text = run(play_it, [MTA(), MTA(), MTA()], ['for "example.org"', 'for ".example.net"'])
    assert 'event=backend backend="127.0.0.1 port' in text, text


@case
def spellings():
    "a domain is the same in capitals, as A-labels and as U-labels"
    def play_it(p, a, b):
        client = Client(p)
        client.hello()
        client.say(b"MAIL FROM:<a@example.net> SMTPUTF8", 250)
        for r in (b"x@XN--bcher-KVA.example", "x@b\u00fccher.example".encode(), b"y@list.example", b"Z@LIST.example"):
            client.say(b"RCPT TO:<" + r + b">", 250)
        client.say(b"RCPT TO:<x@bucher.example>", 452)
        assert client.data(MESSAGE) == 250
        assert len(b.taken[0].rcpts) == 4 and not a.taken
        client.close()
    ehlo = (b"SIZE 1000", b"8BITMIME", b"SMTPUTF8")
    run(play_it, [MTA(ehlo=ehlo), MTA(ehlo=ehlo)], ['for "b\u00fccher.example", ours'],
        settings='list ours { file "ours.list", 192.0.2.1 }\n'.replace("ours.list", OURS))


@case
def closest():
    "of several routes the closest one counts, a mailbox being closer than its domain"
    def play_it(p, a, b, c):
        client = Client(p)
        client.hello()
        assert send(client, [b"x@example.org", b"x@lists.example.org", b"jane@example.org"]) == 2
        assert got(b) == [[b"x@example.org"]] and not a.taken
        assert got(c) == [[b"x@lists.example.org", b"jane@example.org"]], got(c)
        client.close()
    run(play_it, [MTA(), MTA(), MTA()], ['for "example.org"', 'for "lists.example.org", "jane@example.org"'])


@case
def switches():
    "while no recipient was taken, the transaction can go another way"
    def play_it(p, a, b):
        b.says["RCPT"] = b"550 5.1.1 nobody\r\n"
        client = Client(p)
        client.hello()
        client.say("MAIL FROM:<a@example.net>", 250)
        client.say("RCPT TO:<x@example.org>", 550)
        client.say("RCPT TO:<y@example.org>", 550)
        client.say("RCPT TO:<z@example.com>", 250)
        client.say("RCPT TO:<x@example.org>", 452, b"4.5.3")
        assert client.data(MESSAGE) == 250
        assert got(a) == [[b"z@example.com"]] and not b.taken
        del b.says["RCPT"]
        assert send(client, [b"x@example.org"]) == 1
        assert got(b) == [[b"x@example.org"]]
        client.say("QUIT", 221)
        client.close()
        play.until(lambda: a.open == b.open == 0, "the connections to close")
    run(play_it, [MTA(), MTA()], ['for "example.org"'])


@case
def lost():
    "a server that is lost with a recipient takes the whole transaction with it, whatever its route"
    def play_it(p, a, b):
        client = Client(p)
        client.hello()
        client.say("MAIL FROM:<a@example.net>", 250)
        client.say("RCPT TO:<x@example.org>", 250)
        b.says["RCPT"] = play.DIE
        client.say("RCPT TO:<y@example.org>", 451)
        client.say("RCPT TO:<z@example.com>", 451)
        client.say("DATA", 451)
        assert send(client, [b"z@example.com"]) == 1
        assert got(a) == [[b"z@example.com"]] and not b.taken
        client.close()
    run(play_it, [MTA(), MTA()], ['for "example.org"'])


@case
def several():
    "the servers of one route share it; those of another never stand in for them"
    def play_it(p, a, b, c):
        for _ in range(6):
            client = Client(p)
            client.hello()
            assert send(client, [b"x@example.org"]) == 1
            client.close()
        assert (len(a.taken), len(b.taken), len(c.taken)) == (0, 3, 3)
        b.stop()
        c.stop()
        client = Client(p)
        client.hello()
        client.say("MAIL FROM:<a@example.net>", 250)
        client.say("RCPT TO:<x@example.org>", 451, b"4.3.0")
        client.say("RCPT TO:<x@example.com>", 250)
        assert client.data(MESSAGE) == 250
        client.close()
        assert len(a.taken) == 1
    run(play_it, [MTA(), MTA(), MTA()], ['for "example.org"'] * 2)


@case
def offers():
    "a client is offered what the servers of all routes can do"
    def play_it(p, a, b):
        client = Client(p)
        said = client.hello()
        assert b"DSN" not in said and b"8BITMIME" in said and b"SIZE 1000\r\n" in said, said
        client.close()
    run(play_it, [MTA(ehlo=(b"SIZE 2000", b"8BITMIME", b"DSN")), MTA(ehlo=(b"SIZE 1000", b"8BITMIME"))],
        ['for "example.org"'])


@case
def authenticated():
    "an authenticated session stays with the server that authenticated it, wherever its recipients are"
    def play_it(p, a, b):
        for m in (a, b):
            m.says["AUTH"] = b"235 2.7.0 Ok\r\n"
        client = Client(p)
        assert b"AUTH PLAIN" in client.hello()
        client.say("AUTH PLAIN AGpvZQB4", 235)
        assert send(client, [b"x@example.org", b"y@example.com"]) == 1
        assert got(a) == [[b"x@example.org", b"y@example.com"]] and not b.taken
        client.close()
        other = Client(p)
        other.hello()
        assert send(other, [b"x@example.org"]) == 1
        assert got(b) == [[b"x@example.org"]]
        other.close()
    ehlo = (b"SIZE 1000", b"AUTH PLAIN")
    run(play_it, [MTA(ehlo=ehlo), MTA(ehlo=ehlo)], ['for "example.org"'], settings="auth in clear on\n")


@case
def reload():
    "after a reload the new routes apply, also within sessions"
    def play_it(p, a, b):
        client = Client(p)
        client.hello()
        assert send(client, [b"x@example.org", b"x@example.com"]) == 2
        assert (len(a.taken), len(b.taken)) == (1, 1)
        with open(p.conf) as f:
            text = f.read().replace('for "example.org"', 'for "example.com"')
        with open(p.conf, "w") as f:
            f.write(text)
        probes = len(b.all_lines)
        os.kill(p.process.pid, signal.SIGHUP)
        play.until(lambda: "event=reload result=ok" in p.log_text() and len(b.all_lines) > probes, "the reload")
        other = Client(p)
        other.hello()
        assert send(other, [b"x@example.org", b"x@example.com"]) == 2
        assert got(a)[1:] == [[b"x@example.org"]] and got(b)[1:] == [[b"x@example.com"]]
        other.close()
        client.close()
    run(play_it, [MTA(), MTA()], ['for "example.org"'])


FOLDER = None
OURS = None

if __name__ == "__main__":
    import tempfile
    FOLDER = tempfile.mkdtemp(prefix="postern-scenario-")
    OURS = os.path.join(FOLDER, "ours.list")
    with open(OURS, "w") as f:
        f.write("# ours\nlist.example\n")
    play.main(CASES, FOLDER)
