"""Clients that do not wait for their turn: strangers are held before the greeting, and seen when they speak."""

import time

import play
from play import EARLY, WAIT, Client
from world import Cases

HOLD = 3.0  # longer than a busy machine takes for a greeting
RULES = """
at connect { delay %dms if not client.passed }
at helo { reject 554 5.5.1 "too early" if client.early }
""" % (HOLD * 1000)
CASES = Cases()
case = CASES.with_world(rules=RULES)


def greeted(postern, early=b"", source="127.0.0.1"):
    """A client, and after how long it was greeted."""
    began = time.monotonic()
    c = Client(postern, greet=False, source=source)
    if early:
        c.send(early)
    c.expect(220)
    return c, time.monotonic() - began


@case
def held_and_remembered(_, postern):
    "A stranger is held once; who waited is greeted at once from then on, its neighbour is not"
    c, waited = greeted(postern)
    assert waited >= HOLD - EARLY, waited
    c.say("EHLO client.example", 250)
    c.close()
    c, waited = greeted(postern)
    assert waited < HOLD, waited
    c.say("EHLO client.example", 250)
    c.close()
    c, waited = greeted(postern, source="127.0.0.2")
    assert waited >= HOLD - EARLY, waited
    c.close()


@case
def early(_, postern):
    "Who speaks before the greeting is told so at EHLO and HELO, however often, and is not remembered"
    for _ in range(2):
        c, waited = greeted(postern, b"EHLO client.example\r\n")
        assert waited >= HOLD - EARLY, waited
        c.expect(554, b"too early")
        c.say("HELO client.example", 554)
        c.say("EHLO client.example", 554)
        c.say("QUIT", 221)
        c.expect_end()


@CASES.with_world(rules="at helo { reject 554 5.5.1 \"too early\" if client.early }")
def before_the_answer(_, postern):
    "Who goes on before EHLO was answered is seen; who does so before HELO was answered has broken no rule of ours"
    c = Client(postern)
    c.send(b"EHLO client.example\r\nMAIL FROM:<a@example.net>\r\n")
    c.expect(554, b"too early")
    c.expect(503)
    c.close()
    c = Client(postern)
    c.say("EHLO client.example", 250)
    c.send(b"MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\n")
    c.expect(250)
    c.expect(250)
    c.close()


@CASES.with_world(rules="at connect { }")
def not_asked(_, postern):
    "While no rule asks, nobody is judged"
    c = Client(postern, greet=False)
    c.send(b"EHLO client.example\r\nMAIL FROM:<a@example.net>\r\n")
    c.expect(220)
    c.expect(250)
    c.expect(250)
    c.close()


@case
def many(_, postern):
    "Ninety are held at the same time, by no thread"
    began = time.monotonic()
    held = [Client(postern, greet=False) for _ in range(90)]
    for c in held:
        c.expect(220)
    assert HOLD - EARLY <= time.monotonic() - began < WAIT
    for c in held:
        c.close()


if __name__ == "__main__":
    play.main(CASES)
