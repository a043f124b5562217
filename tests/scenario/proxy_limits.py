"""Limits that hold for the whole worker, however many loops it has: connections of all, of a client, of a
network; what a client may do in a minute; room for messages; stress; and a journal that is slower than the
mail. Clients come from addresses of their own in 127.0.0.0/8: the one that looked whether posternd
listens came from 127.0.0.1."""

import re
import socket
import sqlite3

import play
from play import Client, MTA, Postern, stuffed

MESSAGE = stuffed(b"From: a@example.net\r\nSubject: x\r\n\r\nHello\r\n")
CASES = []


def case(settings="", rules="at connect { }", threads=1, logged=(), mta_says=None):
    """logged: limits that the log has to tell of at the end, with how often they were met."""
    def decorate(function):
        def run():
            mta = MTA()
            mta.says = mta_says or {}
            postern = Postern(mta.port, settings, rules, threads=threads)
            try:
                # The one that looked whether posternd listens has to be gone.
                play.until(lambda: "event=disconnect" in postern.log_text(), "the first disconnect")
                function(mta, postern)
            finally:
                text = postern.stop()
                mta.stop()
            for limit, times in logged:
                told = re.findall(r'event=limit limit="limit: %s" times=(\d+)' % limit, text)
                assert sum(map(int, told)) == times, (limit, told, text)
        CASES.append((function.__doc__, run))
        return function
    return decorate


def greetings(postern, n, source):
    """n connections at a time, each greeted or turned away; who was greeted stays."""
    clients = [Client(postern, greet=False, source=source(i)) for i in range(n)]
    let_in = []
    for c in clients:
        code, text = c.reply()
        if code == 220:
            let_in.append(c)
            continue
        assert text.startswith(b"421 4.7.0 Too many connections"), text
        c.expect_end()
        c.close()
    return let_in


def leave(clients, postern):
    before = postern.log_text().count("event=disconnect")
    for c in clients:
        c.say("QUIT", 221)
        c.expect_end()
        c.close()
    play.until(lambda: postern.log_text().count("event=disconnect") == before + len(clients), "them to be gone")


# ---- connections at a time ----

@case("sessions 7", threads=4, logged=[("sessions", 66)])
def sessions(mta, postern):
    "sessions holds for all loops together"
    for again in range(2):
        let_in = greetings(postern, 40, lambda i: "127.0.1.%d" % (i + 1))
        assert len(let_in) == 7, len(let_in)
        leave(let_in, postern)


@case("sessions_per_client 3", threads=4, logged=[("sessions per client", 34)])
def per_client(mta, postern):
    "sessions_per_client too, and is each client's own"
    for again in range(2):
        let_in = greetings(postern, 20, lambda i: "127.0.1.1")
        assert len(let_in) == 3, len(let_in)
        other = greetings(postern, 3, lambda i: "127.0.1.2")
        assert len(other) == 3
        leave(let_in + other, postern)


@case("sessions_per_network 5\nnetwork ipv4 24", threads=4, logged=[("sessions per network", 15)])
def per_network(mta, postern):
    "sessions_per_network counts all clients of a network together"
    let_in = greetings(postern, 20, lambda i: "127.0.1.%d" % (i + 1))
    assert len(let_in) == 5, len(let_in)
    other = greetings(postern, 5, lambda i: "127.0.2.%d" % (i + 1))
    assert len(other) == 5, len(other)
    leave(let_in + other, postern)


@case("sessions_per_network 2\nnetwork ipv4 30\ntrust 127.0.2.0/24")
def width(mta, postern):
    "how wide a network is can be set; who is trusted is not held to it"
    let_in = greetings(postern, 4, lambda i: "127.0.1.%d" % (i * 4))
    assert len(let_in) == 4
    trusted = greetings(postern, 9, lambda i: "127.0.2.1")
    assert len(trusted) == 9
    leave(let_in + trusted, postern)


# ---- in a minute ----

@case("connections_per_minute 4", threads=4, logged=[("connections per minute", 7)])
def connections(mta, postern):
    "connections_per_minute: 421, and when it is over"
    play.early_in_a_minute()
    codes = []
    for i in range(10):
        c = Client(postern, greet=False, source="127.0.1.1")
        code, text = c.reply()
        codes.append(code)
        if code != 220:
            assert re.fullmatch(rb"421 4\.7\.0 Too many connections from your address in a minute, "
                                rb"try again in [0-9]+ s\r\n", text), text
            c.expect_end()
        c.close()
    assert codes[:4] == [220] * 4, codes
    # A minute of the clock may have begun meanwhile.
    late = codes.count(220) - 4
    assert late <= 1, codes
    Client(postern, source="127.0.1.2").close()
    if late == 0:
        c = Client(postern, greet=False, source="127.0.1.1")
        c.expect(421)
        c.close()


def mails(c, n):
    """n times MAIL and RSET; the codes."""
    codes = []
    for i in range(n):
        c.send(b"MAIL FROM:<a@example.net>\r\n")
        code, text = c.reply()
        codes.append(code)
        if code != 250:
            assert re.fullmatch(rb"450 4\.7\.1 Too many messages in a minute, more than 5 from your address; "
                                rb"try again in [0-9]+ s\r\n", text), text
        c.say("RSET", 250)
    return codes


@case("messages_per_minute 5\ntrust 127.0.2.1", logged=[])
def messages(mta, postern):
    "messages_per_minute: 450 at MAIL, over all connections of a client; the trusted have no limit"
    play.early_in_a_minute()
    a, b = (Client(postern, source="127.0.1.1") for i in range(2))
    for c in (a, b):
        c.hello()
    codes = mails(a, 3) + mails(b, 10)
    assert codes[:5] == [250] * 5 and codes.count(450) >= 7, codes
    for source in ("127.0.1.2", "127.0.2.1"):
        c = Client(postern, source=source)
        c.hello()
        n = 5 if source == "127.0.1.2" else 50
        assert mails(c, n) == [250] * n
        c.close()
    assert postern.log_text().count('event=limited ip=127.0.1.1 limit="limit: messages per minute"') == 1
    a.close()
    b.close()


@case("messages_per_minute 5", "at connect { accept session if client.ip = 127.0.1.1 }")
def messages_exempt(mta, postern):
    "who was let in by accept session has no limit either"
    c = Client(postern, source="127.0.1.1")
    c.hello()
    assert mails(c, 20) == [250] * 20
    c.close()


@case("recipients_per_minute 8")
def recipients(mta, postern):
    "recipients_per_minute: 450 at RCPT; those before are delivered to"
    play.early_in_a_minute()
    c = Client(postern, source="127.0.1.1")
    c.hello()
    c.say("MAIL FROM:<a@example.net>", 250)
    codes = []
    for i in range(20):
        c.send(b"RCPT TO:<b%d@example.org>\r\n" % i)
        code, text = c.reply()
        codes.append(code)
        assert code == 250 or b"450 4.7.1 Too many recipients in a minute" in text, text
    assert codes[:8] == [250] * 8 and codes.count(450) >= 11, codes
    c.data(MESSAGE, 250)
    assert len(mta.taken[0].rcpts) == codes.count(250)
    c.close()


@case("errors_per_minute 4\nerrors 1000")
def errors(mta, postern):
    "errors_per_minute: the connection is closed, and the next ones are refused"
    play.early_in_a_minute()
    a, b = (Client(postern, source="127.0.1.1") for i in range(2))
    for i in range(2):
        a.say("WHAT", 500)
        b.say("WHAT", 500)
    for i in range(2):
        # Only if a minute of the clock has just begun.
        a.send(b"WHAT\r\n")
        code, text = a.reply()
        if code != 500:
            break
    assert text.startswith(b"421 4.7.0 Too many errors in a minute, more than 4 from your address"), text
    a.expect_end()
    c = Client(postern, greet=False, source="127.0.1.1")
    c.expect(421, b"4.7.0 Too many errors from your address in a minute, try again in ")
    c.expect_end()
    c.close()
    Client(postern, source="127.0.1.2").close()
    b.say("NOOP", 250)
    b.close()


# ---- room for messages ----

def delivers(c):
    """Once there is room."""
    c.envelope()
    c.send(b"DATA\r\n")
    if c.reply()[0] != 354:
        return False
    c.send(MESSAGE)
    return c.reply()[0] == 250


@case("memory_held 0\ndisk_held 20k")
def no_room(mta, postern):
    "without room: 452 before 354, or at the end if it ran out within; and then there is room again"
    a, b = Client(postern), Client(postern)
    for c in (a, b):
        c.hello()
    # As it was declared, it has no room.
    a.say("MAIL FROM:<a@example.net> SIZE=30000", 250)
    a.say("RCPT TO:<b@example.org>", 250)
    a.say("DATA", 452, b"4.3.1 There is no room for the message now, try again later")
    # It ran out within; what is lost anyway leaves its room to others at once.
    a.envelope()
    a.say("DATA", 354)
    a.send(b"Subject: x\r\n\r\n" + b"a" * 30000 + b"\r\n")
    play.until(lambda: delivers(b), "room")
    a.send(b".\r\n")
    a.expect(452, b"4.3.1")
    # The session goes on.
    a.envelope()
    a.data(MESSAGE, 250)
    # In chunks.
    a.say("MAIL FROM:<a@example.net> SIZE=30000", 250)
    a.say("RCPT TO:<b@example.org>", 250)
    a.send(b"BDAT 10\r\n0123456789")
    a.expect(452, b"4.3.1")
    a.say("NOOP", 250)
    assert len(mta.taken) == 2
    a.close()
    b.close()




@case("memory_held 1M\ndisk_held 1M\nmessage_memory 1M")
def crowd(mta, postern):
    "messages beyond what memory holds go to files, and arrive as they came"
    octets = b"Subject: x\r\n\r\n" + b"".join(b"%06d\r\n" % i for i in range(37000))
    clients = [Client(postern) for i in range(6)]
    for c in clients:
        c.hello()
        c.envelope()
        c.say("DATA", 354)
        c.send(octets)
    for c in clients:
        c.send(b".\r\n")
    codes = sorted(c.reply()[0] for c in clients)
    assert codes.count(250) >= 5 and set(codes) <= {250, 452}, codes
    assert len(mta.taken) == codes.count(250)
    for t in mta.taken:
        assert t.ours() == octets
    for c in clients:
        c.close()


# ---- stress ----

@case("sessions 10\nstress sessions 50 timeout 1s errors 1\nerrors 10\ntrust 127.0.2.1")
def stress(mta, postern):
    "under stress idle clients have less time, and one error is one too many; but not for the trusted"
    trusted = Client(postern, source="127.0.2.1")
    calm = [Client(postern) for i in range(3)]
    for c in calm:
        c.hello()
        c.say("WHAT", 500)
    # The fifth of ten.
    last = Client(postern, greet=False)
    last.expect(220)
    assert "event=stress state=on sessions=5 of=10" in postern.log_text()
    last.say("WHAT", 421, b"4.7.0 Too many errors")
    last.expect_end()
    for c in calm:
        c.expect(421, b"4.4.2")
        c.expect_end()
        c.close()
    play.until(lambda: "event=stress state=off" in postern.log_text(), "the end of stress")
    trusted.say("WHAT", 500)
    after = Client(postern)
    after.say("WHAT", 500)
    after.close()
    trusted.close()
    assert postern.log_text().count("event=stress") == 2


@case("sessions 4\nstress sessions 50", 'at connect { tempfail 421 4.7.0 "Busy" if stress }')
def stress_fact(mta, postern):
    "rules can ask whether there is stress"
    a = Client(postern)
    b = Client(postern, greet=False)
    b.expect(421, b"4.7.0 Busy")
    b.expect_end()
    b.close()
    a.close()


# ---- a journal that is slower than the mail ----

@case("backlog 40", mta_says={"RCPT": b"550 5.1.1 Nobody\r\n"})
def backlog(mta, postern):
    "when too much waits for the journal no more is taken in; nothing is lost, and it all goes on"
    n = 400
    path = postern.folder + "/journal.db"
    c = Client(postern)
    c.hello()
    c.say("MAIL FROM:<a@example.net>", 250)
    asked = lambda: sum(line.startswith(b"RCPT") for line in mta.lines)
    lock = sqlite3.connect(path, isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    c.send(b"".join(b"RCPT TO:<b%d@example.org>\r\n" % i for i in range(n)))
    play.until(lambda: "event=backlog state=full" in postern.log_text(), "the backlog")
    # It is the client's command that waits, and who comes anew.
    d = Client(postern, greet=False)
    d.socket.settimeout(0.2)
    try:
        d.reply()
        raise AssertionError("it was greeted")
    except socket.timeout:
        pass
    d.socket.settimeout(play.WAIT)
    # What posternd itself asks of the databases meanwhile waits too.
    assert 30 <= asked() <= 45, asked()
    lock.execute("ROLLBACK")
    lock.close()
    for i in range(n):
        c.expect(550, b"5.1.1 Nobody")
    d.expect(220)
    text = postern.log_text()
    assert "event=backlog state=good" in text
    assert asked() == n

    def written():
        db = sqlite3.connect("file:%s?mode=ro" % path, uri=True)
        rows = db.execute("SELECT count(*) FROM entry").fetchone()[0]
        db.close()
        return rows
    play.until(lambda: written() == n, "all entries")
    c.close()
    d.close()


play.main(CASES)
