"""Clients that take their time, in every phase of a session. Whoever drips octets in gets no more time
than whoever is silent, and nobody else waits for either."""

import re
import socket
import threading
import time

import play
from play import Client, MTA, Postern, stuffed

BEGIN = b"From: a@example.net\r\nSubject: x\r\n\r\n"
MESSAGE = stuffed(BEGIN + b"Hello\r\n")
CASES = []


def case(settings="", logged=(), quiet=False, threads=1):
    """logged: the limits that the log tells of at the end, and no others."""
    def decorate(function):
        def run():
            mta = MTA()
            postern = Postern(mta.port, settings, threads=threads)
            try:
                function(mta, postern)
            finally:
                text = postern.stop()
                mta.stop()
            told = set(re.findall(r'event=limit limit="limit: ([^"]*)"', text))
            assert told == set(logged), (told, text)
        CASES.append((function.__doc__, run))
        return function
    return decorate


def drip(c, octets, pause, seconds=play.WAIT):
    """Sends an octet, or one of a list of pieces, at a time, over and over, until there is a reply; returns it."""
    pieces = octets if isinstance(octets, list) else [bytes([o]) for o in octets]
    start = time.monotonic()
    n = 0
    c.socket.settimeout(pause)
    while time.monotonic() - start < seconds:
        try:
            c.send(pieces[n % len(pieces)])
        except OSError:
            pass
        n += 1
        try:
            return c.reply()
        except socket.timeout:
            pass
    raise AssertionError("no reply in %d s" % seconds)


def expect_drip(begin, octets, text, least, pause=0.05):
    """A client, made by begin(), that drips until it is told so, which takes `least` seconds: no longer than drip() waits."""
    start = time.monotonic()
    c = begin()
    code, got = drip(c, octets, pause)
    took = time.monotonic() - start
    assert code == 421 and text in got, (code, got)
    assert took >= least - play.EARLY, took
    c.socket.settimeout(play.WAIT)
    c.expect_end()
    c.close()


def in_data(postern, octets=b""):
    c = Client(postern)
    c.hello()
    c.envelope()
    c.say("DATA", 354)
    c.send(octets)
    return c


@case("timeout greeting 1s", logged=["command time"])
def greeting(mta, postern):
    "before HELO: silence, and a first command octet by octet"
    c = Client(postern)
    c.expect(421, b"4.4.2")
    c.expect_end()
    expect_drip(lambda: Client(postern), b"EHLO client.example", b"4.4.2 Timeout", 1)


@case("timeout command 3s", logged=["command time"])
def command(mta, postern):
    "a command octet by octet; RCPT within a transaction"
    def begin():
        c = Client(postern)
        c.hello()
        c.say("MAIL FROM:<a@example.net>", 250)
        return c
    expect_drip(begin, b"RCPT TO:<b@example.org>", b"4.4.2 Timeout", 3)


@case("timeout command 3s")
def silence(mta, postern):
    "between commands: silence is told 421, and is no limit met"
    c = Client(postern)
    c.hello()
    c.expect(421, b"4.4.2 Timeout")
    c.expect_end()


@case("timeout data block 1s", logged=["pause in a message"])
def pause(mta, postern):
    "a pause inside of a message"
    c = in_data(postern)
    c.send(BEGIN)
    c.expect(421, b"4.4.2 Timeout")
    c.expect_end()
    assert mta.taken == []


@case("timeout data block 20s\ndata_rate 1000\ndata_rate_over 1s", logged=["data rate"])
def rate(mta, postern):
    "a message octet by octet, faster than any pause but below the rate"
    expect_drip(lambda: in_data(postern, BEGIN), b"a", b"4.4.2 The message comes too slowly", 1)
    assert mta.taken == []


@case("timeout data block 20s\ndata_rate 1000\ndata_rate_over 1s", logged=["data rate"])
def rate_credit(mta, postern):
    "many octets at first are no credit for later"
    expect_drip(lambda: in_data(postern, BEGIN + (b"a" * 70 + b"\r\n") * 4000), b"a", b"4.4.2 The message comes too slowly", 1)


@case("data_rate 1000\ndata_rate_over 1s")
def rate_kept(mta, postern):
    "who keeps the rate is let finish, however long it takes"
    c = in_data(postern)
    c.send(BEGIN)
    for i in range(40):
        c.send((b"a" * 250 + b"\r\n") * 20)
        time.sleep(0.08)
    c.send(b".\r\n")
    c.expect(250)
    assert len(mta.taken) == 1
    c.close()


@case("timeout data block 20s\ndata_rate 1000\ndata_rate_over 1s", logged=["data rate"])
def chunks(mta, postern):
    "a chunk octet by octet"
    def begin():
        c = Client(postern)
        c.hello()
        c.envelope()
        c.send(b"BDAT 100000\r\n")
        return c
    expect_drip(begin, b"a", b"4.4.2 The message comes too slowly", 1)


@case("timeout message 1s\ndata_rate 0", logged=["message time"])
def message(mta, postern):
    "a message that does not come to its end, fast"
    expect_drip(lambda: in_data(postern, BEGIN), [b"a" * 900 + b"\r\n"], b"4.4.2 The message takes too long", 1, pause=0.01)


@case("timeout message 1s", logged=["message time"])
def small_chunks(mta, postern):
    "a message in tiny chunks without end"
    c = Client(postern)
    c.hello()
    c.envelope()
    start = time.monotonic()
    while True:
        c.send(b"BDAT 1\r\na")
        code, text = c.reply()
        if code != 250:
            break
        assert time.monotonic() - start < play.WAIT
        time.sleep(0.01)
    assert code == 421 and b"4.4.2 The message takes too long" in text, text
    c.close()


@case("timeout session 2s", logged=["session time"])
def session(mta, postern):
    "a session that does not end, busy as it may be"
    start = time.monotonic()
    c = Client(postern)
    c.hello()
    while True:
        c.send(b"NOOP\r\n")
        code, text = c.reply()
        if code != 250:
            break
        assert time.monotonic() - start < play.WAIT
        time.sleep(0.02)
    assert code == 421 and b"4.4.2 The session lasts too long" in text, text
    assert time.monotonic() - start >= 2 - play.EARLY
    c.close()


@case("sessions 4\nstress sessions 75 timeout 1s\ndata_rate 0", logged=["pause in a message"])
def stressed(mta, postern):
    "who was slow before stress began is told when it begins"
    slow = [in_data(postern), Client(postern)]
    slow[0].send(BEGIN)
    last = Client(postern)
    for c in slow:
        c.expect(421, b"4.4.2 Timeout")
        c.expect_end()
        c.close()
    last.close()


@case("timeout command 10m\ntimeout data block 10m\nsessions_per_client 1000", threads=2)
def others(mta, postern):
    "200 that drip in every phase keep nobody else waiting"
    def deliveries():
        """How long each of some messages takes, sorted."""
        took = []
        for _ in range(20):
            start = time.monotonic()
            c = Client(postern)
            c.hello()
            c.envelope()
            c.data(MESSAGE, 250)
            c.close()
            took.append(time.monotonic() - start)
        return sorted(took)
    alone = deliveries()
    slow = []
    for i in range(200):
        c = Client(postern)
        if i % 4 > 0:
            c.hello()
        if i % 4 > 1:
            c.envelope()
        if i % 4 > 2:
            c.say("DATA", 354)
        slow.append(c)
    over = threading.Event()

    def drip_on():
        while not over.wait(0.1):
            for c in slow:
                c.send(b"X")
    dripping = threading.Thread(target=drip_on)
    dripping.start()
    took = deliveries()
    over.set()
    dripping.join()
    # What the machine does else slows both down.
    assert took[10] < 1 + 10 * alone[10], (alone, took)
    assert len(mta.taken) == 40
    for c in slow:
        c.close()


play.main(CASES)
