"""Promise 1: a client is told 250 for a message if and only if the MTA said 250 for it, whatever the MTA does:
dies, hangs or talks nonsense at every command and within the message. And the session goes on after it."""

import concurrent.futures
import sys

import play
from play import Client, DIE, HANG, MTA, Postern, stuffed

MESSAGE = b"From: a@example.net\r\nTo: b@example.org\r\nSubject: x\r\n\r\nHello\r\n"
LONG = b"From: a@example.net\r\n\r\n" + b"".join(b"%06d\r\n" % i for i in range(200000))


def patience(of=None, short="2s"):
    """Settings: how long the MTA may take in each phase. Only where it hangs it is short: else a busy machine would be
    taken for a bad MTA, and at the end of a message it would have taken what the client is told is not taken."""
    return "\n".join("backend timeout %s %s" % (phase, short if phase == of else "60s")
                     for phase in ("connect", "command", "data", "end"))


BAD = {
    "dies": DIE,
    "hangs": HANG,
    "garbage": b"hello there\r\n",
    "half a reply": b"250 o",
    "half of many lines": b"250-ok\r\n",
    "two codes": b"250-a\r\n550 b\r\n",
    "no line end": b"250 ok\n",
    "octets": b"\0\xff\x16\x03\x01\r\n",
    "421": b"421 4.3.2 closing\r\n",
    "450": b"450 4.2.0 later\r\n",
    "550": b"550 5.7.1 no\r\n",
    "354": b"354 what\r\n",
    "220": b"220 again\r\n",
    "longest": b"250 " + b"x" * 10000 + b"\r\n",
    "endless": b"250-x\r\n" * 5000,
    "doubled": b"250 ok\r\n250 ok\r\n",
}

CASES = []


def case(function):
    CASES.append((function.__doc__, function))
    return function


def transaction(c, message=MESSAGE):
    """One attempt to send: the code that the client takes for the message, or that stopped it."""
    return c.attempt(stuffed(message))


def recovered(c):
    """Sends until it succeeds: on a busy machine an MTA that is well can be too slow all the same."""
    def sent():
        code = transaction(c)
        assert code in (250, 451), code
        return code == 250
    play.until(sent, "the MTA to be well")


def c_say(c, line):
    c.send(line + b"\r\n")
    return c.reply()


def accounted(mta, told, what):
    if told != len(mta.taken):
        raise AssertionError("%s: the client was told 250 for %d messages, the MTA took %d" %
                             (what, told, len(mta.taken)))


def one_bad(mta, postern, verb, name):
    """A transaction while the MTA misbehaves, then one of the same session when it is well again."""
    what = "%s at %s" % (name, verb)
    del mta.taken[:]
    c = Client(postern)
    c.hello()
    if verb == "RSET":
        c_say(c, b"MAIL FROM:<a@example.net>")
        c_say(c, b"RCPT TO:<b@example.org>")
    mta.says[verb] = BAD[name]
    code = transaction(c)
    if code is None or (code != 250 and not 400 <= code <= 599) or code == 421:
        raise AssertionError("%s gives the client %s" % (what, code))
    told = int(code == 250)
    accounted(mta, told, what)
    if verb in ("MAIL", "RCPT", "DATA", "DOT") and name in ("450", "550"):
        assert code == int(name), (what, code)
    del mta.says[verb]
    recovered(c)
    accounted(mta, told + 1, what + ", then well")
    c.say("QUIT", 221)
    c.close()


PHASES = {"CONNECT": "connect", "DOT": "end"}


def bad_at(verb):
    def run():
        mta = MTA(xclient=verb == "XCLIENT")
        postern = Postern(mta.port, patience(PHASES.get(verb, "command"), "4s" if verb == "DOT" else "2s"),
                          handoff="xclient" if verb == "XCLIENT" else "")
        try:
            mta.probed()
            for name in BAD:
                one_bad(mta, postern, verb, name)
        finally:
            postern.stop()
            mta.stop()
    run.__doc__ = "the MTA misbehaves at %s in %d ways" % (verb, len(BAD))
    return run


for _verb in ("CONNECT", "EHLO", "XCLIENT", "MAIL", "RCPT", "DATA", "DOT", "RSET"):
    case(bad_at(_verb))


@case
def dies_within():
    "the MTA dies in the middle of a message"
    for after in (0, 1000, 500000):
        mta = MTA()
        mta.die_after = after
        postern = Postern(mta.port, patience())
        try:
            c = Client(postern)
            c.hello()
            assert transaction(c, LONG) == 451
            mta.die_after = None
            assert transaction(c, LONG) == 250
            accounted(mta, 1, "died after %d" % after)
            assert mta.taken[0].ours() == LONG
            c.close()
        finally:
            postern.stop()
            mta.stop()


@case
def stalls_within():
    "the MTA stops reading in the middle of a message"
    mta = MTA()
    postern = Postern(mta.port, patience("data"))
    try:
        c = Client(postern)
        c.hello()
        mta.reading = False
        assert transaction(c, LONG * 8) == 451
        mta.reading = True
        assert transaction(c) == 250
        accounted(mta, 1, "stalled")
        c.close()
    finally:
        postern.stop()
        mta.stop()


@case
def early():
    "a reply to the message that comes before its end counts for nothing"
    for early in (b"354 go\r\n250 2.0.0 queued\r\n", b"354 go\r\n354 go\r\n"):
        mta = MTA()
        mta.says["DATA"] = early
        postern = Postern(mta.port, patience())
        try:
            c = Client(postern)
            c.hello()
            assert transaction(c, MESSAGE) == 451
            accounted(mta, 0, "early")
            del mta.says["DATA"]
            assert transaction(c, MESSAGE) == 250
            accounted(mta, 1, "early, then well")
            c.close()
        finally:
            postern.stop()
            mta.stop()


@case
def interrupts():
    "a 552 in the middle of a long message is a 451, and the next one goes through"
    mta = MTA()
    postern = Postern(mta.port, patience())

    def interrupt(dialogue, line):
        # Behind the 354, while the message is still coming.
        dialogue.conn.sendall(b"354 go\r\n")
        while not dialogue.input:
            dialogue.more()
        dialogue.conn.sendall(b"552 too much\r\n")
        return b""

    mta.says["DATA"] = interrupt
    try:
        c = Client(postern)
        c.hello()
        assert transaction(c, LONG * 4) == 451
        del mta.says["DATA"]
        assert transaction(c) == 250
        c.close()
    finally:
        postern.stop()
        mta.stop()


@case
def goes_while_client_sends():
    "the MTA goes away while the client is still sending its message"
    for octets in (b"", b"421 4.3.2 shutting down\r\n", b"junk"):
        mta = MTA()
        conns = []
        mta.says["RCPT"] = lambda dialogue, line: conns.append(dialogue.conn)
        postern = Postern(mta.port, patience())
        try:
            c = Client(postern)
            c.hello()
            c.envelope()
            c.say("DATA", 354)
            c.send(b"A: 1\r\n\r\n")
            if octets:
                conns[0].sendall(octets)
            else:
                conns[0].shutdown(2)
            play.until(lambda: "event=backend-lost" in postern.log_text(), "the loss to be seen")
            c.send(b"more\r\n.\r\n")
            c.expect(451)
            assert transaction(c) == 250
            accounted(mta, 1, "went away")
            c.close()
        finally:
            postern.stop()
            mta.stop()


@case
def goes_between():
    "the MTA goes away between RCPT and DATA, and between messages"
    mta = MTA()
    conns = []
    mta.says["RCPT"] = lambda dialogue, line: conns.append(dialogue.conn)
    postern = Postern(mta.port, patience())
    try:
        c = Client(postern)
        c.hello()
        c.envelope()
        conns[-1].shutdown(2)
        play.until(lambda: "event=backend-lost" in postern.log_text(), "the loss to be seen")
        c.say("RCPT TO:<c@example.org>", 451)
        c.say("DATA", 451, b"4.3.0")
        c.say("DATA", 503)
        assert transaction(c) == 250
        conns[-1].shutdown(2)
        play.until(lambda: mta.open == 0, "the connection to end")
        assert transaction(c) == 250
        c.close()
        accounted(mta, 2, "between")
    finally:
        postern.stop()
        mta.stop()


@case
def not_there():
    "without an MTA clients come in, and recipients get 451"
    port = play.free_port()
    postern = Postern(port, patience())
    try:
        c = Client(postern)
        assert b"8BITMIME" not in c.hello()
        for i in range(2):
            c.say("MAIL FROM:<a@example.net>", 250)
            c.say("RCPT TO:<b@example.org>", 451, b"4.3.0")
            c.say("RSET", 250)
        c.close()
    finally:
        postern.stop()


if __name__ == "__main__":
    # Most of the time is waiting for timeouts, so some cases are played at once.
    POOL = concurrent.futures.ThreadPoolExecutor(4)
    play.main([(name, POOL.submit(function).result) for name, function in CASES
               if len(sys.argv) == 1 or name in sys.argv[1:]])
