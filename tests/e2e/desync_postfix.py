"""Where messages end and commands begin, with Postfix behind: the streams of tests/scenario/streams.py. What its mailboxes
hold is what is in the streams by the letter of the standards, and as much as the client was told of."""

import collections
import os
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "scenario")]

import streams  # noqa: E402
from client import Client  # noqa: E402
from lab import Lab, free_port, until  # noqa: E402
from tap import Tap, equal, need  # noqa: E402
from transparency import mailboxes  # noqa: E402

CONFIG = """hostname "mx.example.org"
database "{folder}"
listen proxy 127.0.0.1 port %(port)d
backend 127.0.0.1 port %(backend)d xclient
resolver forward 127.0.0.1 port 9
errors 1000
deliver once off
at connect { }
"""

POSTFIX = """local_header_rewrite_clients =
file_destination_recipient_limit = 1
smtpd_error_sleep_time = 0
"""


def offers_chunks(postfix):
    with Client(postfix.port) as c:
        return "CHUNKING" in c.ehlo.text


def play(port, stream, how, r):
    """How many messages the client is told of."""
    told = 0
    with Client(port) as c:
        mine = c.socket.getsockname()[1]
        try:
            for piece in streams.pieces(stream, how, r):
                c.write(piece)
                if how == "cut":
                    until(lambda: streams.consumed(port, mine), what="it to be read", pause=0.001)
        except OSError:
            pass  # sent away
        c.end_output()
        try:
            while True:
                told += "queued as" in c.reply().text
        except ConnectionError:
            return told


def in_it(stream):
    """The messages, by mailbox, with line ends as they are stored."""
    found = collections.defaultdict(collections.Counter)
    for rcpts, octets in streams.expected(stream):
        for rcpt in rcpts:
            found[rcpt[9:-1].decode()][octets.replace(b"\r\n", b"\n")] += 1
    return found


def main():
    build = need("posternd", "postfix")
    tap = Tap()
    with Lab() as lab:
        postfix = lab.postfix(extra=POSTFIX)
        port = free_port()
        posternd = lab.posternd(os.path.join(build, "posternd"), CONFIG % {"port": port, "backend": postfix.port})
        tap.on_failure = lambda: posternd.text()[-2000:]
        with tap.case("Postfix offers CHUNKING"):
            assert offers_chunks(postfix)
        wanted, told, promised = {}, 0, 0
        for how, seed, number in (("joined", 20000, 80), ("cut", 30000, 50), ("single octets", 40000, 20)):
            with tap.case(f"{number} streams, {how}: as many messages are told of as are in them"):
                r = random.Random(seed)
                for stream in streams.streams(seed, number):
                    now = play(port, stream, how, r)
                    equal(now, len(streams.expected(stream)), f"told of {stream!r}")
                    told += now
                    for box, messages in in_it(stream).items():
                        wanted[box] = messages
                        promised += sum(messages.values())
        with tap.case("those are in the mailboxes, octet for octet, and nothing else is"):
            got = mailboxes(postfix)
            equal(sorted(got), sorted(wanted), "the mailboxes")
            for box, messages in wanted.items():
                # What does not begin with a field gets an empty line from Postfix.
                plain = collections.Counter({m if not m or m.startswith(b"Subject:") else b"\n" + m: n for m, n in messages.items()})
                equal(got[box], plain, box)
            tap.say(f"{told} messages, {promised} copies")
            assert told > 30
        with tap.case("nothing of it was a fault"):
            equal(posternd.faults(), "", "the faults in the log")
    tap.finish()


if __name__ == "__main__":
    main()
