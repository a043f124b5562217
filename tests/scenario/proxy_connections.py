"""How many connections a mail server gets at a time, from all loops together; who waits for one, in which order, for
how long, and what happens meanwhile."""

import json
import os
import signal
import sqlite3
import time

import play
from play import Client, MTA, Postern

MESSAGE = b"A: b\r\n\r\nx\r\n.\r\n"
SETTINGS = "backend timeout connect 20s\n"
CASES = []


def case(function):
    CASES.append((function.__doc__, function))
    return function


def run(function, mtas, words, settings="", threads=1, wait="20s", every="1d"):
    """The words are those behind each mail server's line."""
    lines = "".join("backend 127.0.0.1 port %d %s\n" % (m.port, w) for m, w in zip(mtas[1:], words[1:]))
    settings += "backend timeout wait %s\nprobe every %s\n" % (wait, every)
    p = Postern(mtas[0].port, settings + SETTINGS + lines, handoff=words[0], threads=threads)
    try:
        for m in mtas:
            m.probed(threads)
        function(p, *mtas)
    finally:
        text = p.stop()
        for m in mtas:
            m.stop()
    return text


def heard(mta, verb):
    return sum(line.startswith(verb) for line in mta.all_lines)


def ask(p):
    """A client whose RCPT is under way."""
    c = Client(p)
    c.hello()
    c.say("MAIL FROM:<a@example.net>", 250)
    c.send(b"RCPT TO:<b@example.org>\r\n")
    return c


def hold(p, n=1):
    clients = [ask(p) for _ in range(n)]
    for c in clients:
        c.expect(250)
    return clients if n > 1 else clients[0]


def silent(c):
    """Nothing has come, nor does within a moment."""
    if c.input:
        return False
    c.socket.settimeout(0.02)
    try:
        c.input += c.socket.recv(65536)
        return False
    except TimeoutError:
        return True
    finally:
        c.socket.settimeout(play.WAIT)


def leave(c):
    c.say("QUIT", 221)
    c.close()


def refusals(p):
    db = sqlite3.connect("file:%s/journal.db?mode=ro" % p.folder, uri=True)
    found = db.execute("SELECT code, rule, text FROM entry WHERE verdict <> 'accept'").fetchall()
    db.close()
    return found


@case
def in_turn():
    "who finds all connections in use waits, and they are served in the order in which they came"
    def play_it(p, mta):
        first = hold(p, 2)
        waiting = [ask(p) for _ in range(4)]
        assert all(silent(c) for c in waiting)
        assert heard(mta, b"MAIL") == 2 and mta.open == 2
        for gone, (n, next_one) in zip(first + waiting, enumerate(waiting, 3)):
            leave(gone)
            next_one.expect(250)
            assert heard(mta, b"MAIL") == n, (heard(mta, b"MAIL"), n)
            assert all(silent(c) for c in waiting[n - 2:])
        for c in waiting[2:]:
            assert c.data(MESSAGE) == 250
            leave(c)
        assert len(mta.taken) == 2
    run(play_it, [MTA()], ["connections 2"])


@case
def all_loops():
    "the limit holds for all loops together, and whichever is free serves those that wait in any of them"
    def play_it(p, mta):
        clients = [ask(p) for _ in range(24)]
        while clients:
            ready = [c for c in clients if not silent(c)]
            # None of these has gone yet.
            assert len(ready) <= 3, len(ready)
            for c in ready:
                c.expect(250)
                assert c.data(MESSAGE) == 250
                leave(c)
                clients.remove(c)
        assert len(mta.taken) == 24
        play.until(lambda: mta.open == 0, "the connections to close")
        held = hold(p, 3)
        more = [ask(p) for _ in range(6)]
        assert all(silent(c) for c in more)
        assert mta.open == 3, mta.open
        for c in held:
            leave(c)
        play.until(lambda: sum(not silent(c) for c in more) == 3, "three to be served")
        for c in more:
            c.close()
    run(play_it, [MTA()], ["connections 3"], threads=4)


@case
def too_long():
    "who waits too long hears 421 4.3.2, journalled before, and the connection ends"
    def play_it(p, mta):
        c1 = hold(p)
        began = time.monotonic()
        c2 = ask(p)
        c2.expect(421, b"4.3.2 The mail server behind is busy")
        c2.expect_end()
        assert 0.3 - play.EARLY <= time.monotonic() - began < 20
        said = refusals(p)
        assert [s[:2] for s in said] == [(421, "limit: connections of backend")], said
        assert c1.data(MESSAGE) == 250
        leave(c1)
        c3 = hold(p)
        leave(c3)
    text = run(play_it, [MTA()], ["connections 1"], wait="300ms")
    assert "waited in vain for a connection" in text, text


@case
def leaves():
    "a client that leaves while it waits is out of the queue, and costs the mail server nothing"
    def play_it(p, mta):
        c1 = hold(p)
        gone = [ask(p) for _ in range(3)]
        c3 = ask(p)
        assert silent(c3)
        gone[0].close()
        gone[1].socket.setsockopt(play.socket.SOL_SOCKET, play.socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        gone[1].close()
        gone[2].send(b"QUIT\r\n")
        play.until(lambda: p.log_text().count("left while it waited for the mail server") == 2, "them to be gone")
        leave(c1)
        # This one may have meant to stay: it is served, and leaves then.
        gone[2].expect(250)
        gone[2].expect(221)
        c3.expect(250)
        assert heard(mta, b"MAIL") == 3
        leave(c3)
    run(play_it, [MTA()], ["connections 1"])


@case
def others_first():
    "another server that would do is asked before anybody waits, also one on standby; but none that is away"
    def play_it(p, a, b, c):
        c.stop()
        clients = hold(p, 3)
        assert (heard(a, b"MAIL"), heard(b, b"MAIL")) == (1, 2)
        c4 = ask(p)
        assert silent(c4)
        leave(clients[0])
        c4.expect(250)
        assert heard(a, b"MAIL") + heard(b, b"MAIL") == 4
        for each in clients[1:] + [c4]:
            leave(each)
    run(play_it, [MTA(), MTA(), MTA()], ["connections 1", "standby connections 2", "connections 1"])


@case
def lost_while_full():
    "a connection that the mail server ends makes room too, and one that cannot be made leaves the next server"
    def play_it(p, mta):
        c1 = hold(p)
        c2 = ask(p)
        assert silent(c2)
        mta.says["NOOP"] = play.DIE
        mta.says["RCPT"] = play.DIE
        c1.send(b"RCPT TO:<c@example.org>\r\n")
        c1.expect(451)
        c2.expect(451)
        leave(c1)
        leave(c2)
    run(play_it, [MTA()], ["connections 1"])


@case
def asked_to_verify():
    "other commands that need a connection wait for it as well"
    def play_it(p, mta):
        c1 = hold(p)
        c2 = Client(p)
        c2.hello()
        c2.send(b"VRFY joe\r\n")
        c2.expect(421, b"4.3.2")
        c2.expect_end()
        leave(c1)
    run(play_it, [MTA()], ["connections 1"], settings="vrfy relay\n", wait="100ms")


@case
def reload():
    "connections from before a reload count, and those who wait go on waiting"
    def play_it(p, mta):
        c1 = hold(p)
        c2 = ask(p)
        assert silent(c2)
        os.kill(p.process.pid, signal.SIGHUP)
        play.until(lambda: "event=reload result=ok" in p.log_text(), "the reload")
        c3 = ask(p)
        assert silent(c2) and silent(c3)
        leave(c1)
        # Each waits in the queue of its own configuration, and these look in turn.
        play.until(lambda: not silent(c2) or not silent(c3), "one to be served")
        first, second = (c2, c3) if c2.input else (c3, c2)
        first.expect(250)
        assert silent(second)
        leave(first)
        second.expect(250)
        leave(second)
    run(play_it, [MTA()], ["connections 1"])


@case
def seen_from_outside():
    "`postern backends` tells of connections and of who waits, as counts of all loops, and that nobody runs any more"
    def play_it(p, a, b):
        def look():
            code, said, _ = p.command("backends", "--json")
            found = json.loads(said)
            assert (code == 0) == found["running"]
            return {each["backend"].split()[-1]: each for each in found["backends"]}
        b.stop()
        clients = hold(p, 2)
        c3 = ask(p)
        name = str(a.port)
        play.until(lambda: look().get(name, {}).get("waiting") == 1, "the report")
        found = look()[name]
        assert (found["state"], found["loops"], found["connections"], found["limit"], found["delivered"]) == (
            "well", 2, 2, 2, 0), found
        assert found["offers"] == "ESMTP SIZE 52428800 8BITMIME PIPELINING" and found["since"], found
        play.until(lambda: look()[str(b.port)]["state"] == "failing", "the other to fail")
        found = look()[str(b.port)]
        assert found["why"].startswith("cannot connect: ") and found["for"] == "example.com", found
        assert clients[0].data(MESSAGE) == 250
        leave(clients[0])
        c3.expect(250)
        play.until(lambda: look()[name]["delivered"] == 1 and look()[name]["waiting"] == 0, "the report")
        leave(c3)
        leave(clients[1])
        p.process.terminate()
        p.process.wait(play.WAIT)
        assert look() == {}
    run(play_it, [MTA(), MTA()], ["connections 2", 'for "example.com"'], settings="probe retry 200ms\n", threads=2,
        every="200ms")


@case
def ends():
    "when posternd stops, those who wait are told"
    def play_it(p, mta):
        c1 = hold(p)
        c2 = ask(p)
        assert silent(c2)
        p.process.terminate()
        c1.expect(421, b"4.3.2")
        c2.expect(421, b"4.3.2")
        p.process.wait(play.WAIT)
    run(play_it, [MTA()], ["connections 1"])


if __name__ == "__main__":
    play.main(CASES)
