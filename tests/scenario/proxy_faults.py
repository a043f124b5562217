"""The mail server behind dies, hangs, or closes half of a connection, instead of each of its replies, in the middle of
each, behind each, and within the message. Counted at both ends: the client is always told something, 250 for as
many messages as the mail server took and said 250 for, and those are the ones that were sent, octet for octet."""

import concurrent.futures
import hashlib
import socket
import struct
import sys

import play
from certificates import Authority
from play import Client, MTA, Postern, stuffed

# The last is longer, wherever that costs no time: on a busy machine this mail server could need so long for a yes, which
# would count here alone.
SETTINGS = "backend timeout connect 2s\nbackend timeout command %s\nbackend timeout data 600ms\nbackend timeout end %s\n"
LONG = b"".join(b"%06d\r\n" % i for i in range(100000))

CASES = []


# ---- what the mail server does ----

def half_write(dialogue):
    """It says nothing more, but listens."""
    dialogue.conn.shutdown(socket.SHUT_WR)
    dialogue.hang()


def half_read(dialogue):
    """It does not listen any more, and says nothing."""
    dialogue.conn.shutdown(socket.SHUT_RD)
    while dialogue.mta.held:
        dialogue.mta.wake.wait(play.WAIT)
    raise EOFError


def close(dialogue):
    raise EOFError


def reset(dialogue):
    """The connection is not ended but broken."""
    dialogue.conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise EOFError


def hang(dialogue):
    dialogue.hang()


ENDS = {"dies": close, "hangs": hang, "closes its write side": half_write, "closes its read side": half_read,
        "resets": reset}

# What comes out of a reply before that: its beginning, cut.
PIECES = {
    "instead of its reply": lambda reply: b"",
    "within the code": lambda reply: reply[:2],
    "within a line": lambda reply: reply[:-3],
    "before the LF": lambda reply: reply[:-1],
    "within the second of two lines": lambda reply: reply[:3] + b"-first\r\n" + reply[:6],
    "between two lines": lambda reply: reply[:3] + b"-first\r\n",
}

REPLIES = {"CONNECT": b"220 mta.example ESMTP\r\n", "EHLO": b"250 mta.example\r\n", "STARTTLS": b"220 2.0.0 Go\r\n",
           "XCLIENT": b"220 mta.example ESMTP\r\n", "DATA": b"354 go on\r\n", "DOT": b"250 2.0.0 Ok: queued as 1\r\n",
           "BDAT": b"250 2.0.0 Ok: queued as 1\r\n", "PROXY": b""}


def instead(piece, end):
    """As an entry of MTA.says."""
    def act(dialogue, line):
        dialogue.conn.sendall(piece)
        end(dialogue)
    return act


# ---- the account ----

class World:
    """posternd before a mail server, one client at a time, and what it was told."""

    def __init__(self, handoff="", command="600ms", end="60s", **more):
        self.mta = MTA(**more)
        self.mta.held = True
        self.mta.wake = play.threading.Event()
        if "starttls" in handoff:
            self.mta.tls = AUTHORITY.server(CERTIFICATE)
        self.postern = Postern(self.mta.port, SETTINGS % (command, end), handoff=handoff)
        self.serial = 0
        self.told = []

    def __enter__(self):
        self.mta.probed()
        return self

    def __exit__(self, *what):
        self.mta.held = False
        self.mta.wake.set()
        self.postern.stop()
        self.mta.stop()

    def send(self, c, chunk=False, body=b"x\r\n"):
        """A message that is unlike any other; the code that came of it."""
        self.serial += 1
        message = b"Subject: %d\r\n\r\n" % self.serial + body
        code = c.attempt(message if chunk else stuffed(message), chunk)
        if code == 250:
            self.told.append(hashlib.sha256(message).hexdigest())
        return code

    def deliver(self, c, what, chunk=False):
        """It takes the message; a busy machine may need more than one attempt."""
        def sent():
            code = self.send(c, chunk)
            assert code in (250, 451), (what, code)
            self.compare(what)
            return code == 250
        play.until(sent, what)

    def recover(self, c, what):
        """Well again, it takes the next message of the same session."""
        self.mta.says.clear()
        self.mta.after.clear()
        self.mta.die_after = self.mta.dying = None
        self.deliver(c, what + ", then well")

    def compare(self, what):
        taken = [hashlib.sha256(t.ours()).hexdigest() for t in self.mta.taken]
        assert taken == self.told, "%s: told of %d messages, %d were taken" % (what, len(self.told), len(taken))


def refused(code, what):
    assert code is not None and 400 <= code <= 499 and code != 421, (what, code)


# ---- the cases ----

# Said once a connection.
FIRST = ("CONNECT", "EHLO", "STARTTLS", "XCLIENT", "PROXY")


def ready(world, verb, c):
    """A client at whose next transaction the verb is said; c: the one so far, or None."""
    if c is None or verb in FIRST:
        if c:
            c.say("QUIT", 221)
            c.close()
        c = Client(world.postern)
        c.hello()
    if verb == "RSET":
        # A transaction that is left open there.
        c.say("MAIL FROM:<a@example.net>", 250)
        c.send(b"RCPT TO:<b@example.org>\r\n")
        c.reply()
    return c


def at_reply(world, verb, chunk=False):
    """All pieces and ends, in place of one reply."""
    reply = REPLIES.get(verb, b"250 2.0.0 Ok\r\n")
    c = None
    for where, cut in PIECES.items():
        for how, end in ENDS.items():
            # A reply cut to nothing is the same as none. Two ways to say nothing more take their time.
            if where != "instead of its reply" and (not reply or (end is half_read and where != "within a line")):
                continue
            what = "it %s %s at %s" % (how, where, verb)
            c = ready(world, verb, c)
            world.mta.says[verb] = instead(cut(reply), end)
            code = world.send(c, chunk)
            refused(code, what)
            world.compare(what)
            world.recover(c, what)
    c.say("QUIT", 221)
    c.close()


def behind_reply(world, verb, chunk=False):
    """The reply comes whole, and then the end."""
    c = None
    for how, end in ENDS.items():
        what = "it %s behind its reply to %s" % (how, verb)
        c = ready(world, verb, c)
        world.mta.after[verb] = end
        # Its own yes to the message is the client's; all else came to nothing.
        if verb in ("DOT", "BDAT"):
            world.deliver(c, what, chunk)
        else:
            refused(world.send(c, chunk), what)
            world.compare(what)
        world.recover(c, what)
    c.say("QUIT", 221)
    c.close()


def case(name, handoff, verbs, chunk=False, **more):
    def run():
        with World(handoff, **more) as world:
            for verb in verbs:
                at_reply(world, verb, chunk)
                behind_reply(world, verb, chunk)
    CASES.append((name, run))


CHUNKING = (b"SIZE", b"8BITMIME", b"CHUNKING", b"BINARYMIME")
case("at the greeting and EHLO", "", ("CONNECT", "EHLO"))
case("at STARTTLS", "starttls required", ("STARTTLS",))
case("at XCLIENT", "xclient", ("XCLIENT",), xclient=True)
case("at PROXY", "proxy-protocol", ("PROXY",))
case("at the greeting behind PROXY of version 2", "proxy-protocol v2", ("CONNECT",))
case("at MAIL and RCPT", "", ("MAIL", "RCPT"))
case("at DATA", "", ("DATA",), end="20s")  # less than the client waits
case("at the final dot", "", ("DOT",), end="3s")
case("at BDAT", "", ("BDAT",), chunk=True, ehlo=CHUNKING, end="3s")
case("at RSET", "", ("RSET",))


def within(chunk):
    def run():
        with World(end="3s", **({"ehlo": CHUNKING} if chunk else {})) as world:
            c = Client(world.postern)
            c.hello()
            for how, end in ENDS.items():
                for octets in (0, 1000, 300000):
                    # It may have said something by then, which is no reply to the message.
                    for early in (b"", b"250 2.0.0 Ok: queu", b"451 4.3.0 Dying\r\n"):
                        what = "it %s after %d octets, having said %r" % (how, octets, early)
                        world.mta.die_after = octets

                        def dying(dialogue, early=early, end=end):
                            dialogue.conn.sendall(early)
                            end(dialogue)
                        world.mta.dying = dying
                        refused(world.send(c, chunk, LONG), what)
                        world.compare(what)
                        world.recover(c, what)
            c.close()
    CASES.append(("within a message by " + ("BDAT" if chunk else "DATA"), run))


within(False)
within(True)


def at_quit():
    "at QUIT, and between two messages"
    with World() as world:
        for how, end in ENDS.items():
            world.mta.says["QUIT"] = instead(b"", end)
            c = Client(world.postern)
            c.hello()
            world.deliver(c, how)
            c.say("QUIT", 221)
            c.expect_end()
            c.close()
            world.mta.says.clear()
            # The end of the connection comes between two messages of one client.
            c = Client(world.postern)
            c.hello()
            world.mta.after["DOT"] = end
            world.deliver(c, how)
            world.recover(c, how)
            c.close()


CASES.append((at_quit.__doc__, at_quit))


def many_recipients():
    "at one of many recipients: those before it are not delivered to"
    with World(command="4s") as world:
        for how, end in ENDS.items():
            world.mta.says["RCPT"] = lambda dialogue, line, end=end: end(dialogue) if b"<3@" in line else None
            c = Client(world.postern)
            c.hello()
            c.say("MAIL FROM:<a@example.net>", 250)
            for i, code in enumerate((250, 250, 250, 451, 451)):
                c.say("RCPT TO:<%d@example.org>" % i, code)
            c.say("DATA", 451)
            world.compare(how)
            world.recover(c, how)
            c.close()


CASES.append((many_recipients.__doc__, many_recipients))


if __name__ == "__main__":
    FOLDER = play.tempfile.mkdtemp(prefix="postern-faults-")
    AUTHORITY = Authority(FOLDER)
    CERTIFICATE = AUTHORITY.sign("mta", "mta.example")
    # Most of the time is waiting for timeouts, so some cases are played at once.
    POOL = concurrent.futures.ThreadPoolExecutor(8)
    play.main([(name, POOL.submit(function).result) for name, function in CASES
               if len(sys.argv) == 1 or name in sys.argv[1:]], FOLDER)
