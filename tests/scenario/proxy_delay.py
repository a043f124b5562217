"""`delay`: replies that rules hold back. What comes behind keeps its order, nobody else waits, and neither the mail server
nor the end of the daemon does."""

import json
import re
import signal
import socket
import struct
import time

import play
from play import Client, stuffed
from world import Cases

MESSAGE = stuffed(b"From: a@example.net\r\nSubject: x\r\n\r\nHello\r\n")

# A delay at each step for whoever says "slow" there, and one without end for "endless".
RULES = """
at helo { delay 400ms if helo starts with "slow"; delay 5m if helo starts with "endless"
          tempfail 450 4.7.1 "Not now" if helo ends with ".bad" }
at mail { delay 400ms if sender.local is "slow"; delay 5m if sender.local is "endless"
          reject 550 5.7.1 "No" if sender.domain is "bad.example" }
at rcpt { delay 400ms if recipient starts with "slow"; delay 5m if recipient starts with "endless"
          observe delay 5m if recipient starts with "seen"
          reject 550 5.7.1 "No" if recipient ends with "bad.example" }
at message { delay 400ms if from.domain contains "slow.example"; delay 5m if from.domain contains "endless.example"
             reject 550 5.7.1 "No" if from.count is 2 }
"""
LONG = "delay budget 5m"

CASES = Cases()


def with_rules(rules=RULES, settings=LONG):
    return CASES.with_world(settings, rules)


case = with_rules()


class Timed:
    """What is in it takes `least` seconds, and less than what is endless."""

    def __init__(self, least):
        self.least = least

    def __enter__(self):
        self.began = time.monotonic()

    def __exit__(self, kind, what, where):
        took = time.monotonic() - self.began
        assert kind or self.least - play.EARLY <= took < play.WAIT, "it took %.3f s" % took


def fields(domain, n=1):
    return stuffed(b"From: a@%s\r\n" % domain.encode() * n + b"Subject: x\r\n\r\nHello\r\n")


@with_rules("at connect { delay 400ms }")
def greeting(mta, postern):
    "at connect the greeting is held back"
    with Timed(0.4):
        c = Client(postern)
    with Timed(0):
        c.hello()
    c.close()


@case
def steps(mta, postern):
    "at every step the reply is held back, whether it lets pass or refuses, and the mail server is asked after that"
    asked = {}

    def note(dialogue, line):
        asked.setdefault(line.split(b" ")[0], time.monotonic())
    mta.says.update(MAIL=note, RCPT=note, DATA=note)
    c = Client(postern)
    with Timed(0.4):
        c.say("EHLO slow.bad", 450)
    with Timed(0.4):
        c.say("EHLO slow.example", 250)
    with Timed(0.4):
        c.say("MAIL FROM:<slow@bad.example>", 550)
    with Timed(0.4):
        c.say("MAIL FROM:<slow@example.net>", 250)
    with Timed(0.4):
        c.say("RCPT TO:<slow@bad.example>", 550)
    assert not asked
    began = time.monotonic()
    with Timed(0.4):
        c.say("RCPT TO:<slow@example.org>", 250)
    assert asked[b"MAIL"] - began >= 0.4 - play.EARLY and asked[b"RCPT"] - began >= 0.4 - play.EARLY
    with Timed(0):
        c.say("RCPT TO:<quick@example.org>", 250)
    began = time.monotonic()
    with Timed(0.4):
        c.data(fields("slow.example"), 250)
    assert asked[b"DATA"] - began >= 0.4 - play.EARLY
    c.envelope()
    with Timed(0.4):
        c.data(fields("slow.example", 2), 550)
    c.say("QUIT", 221)
    c.close()


@case
def pipelined(mta, postern):
    "a delay within commands that came together keeps their replies in order"
    c = Client(postern)
    c.hello()
    with Timed(0.8):
        c.send(b"MAIL FROM:<a@example.net>\r\nRCPT TO:<slow1@example.org>\r\nRCPT TO:<x@bad.example>\r\n"
               b"RCPT TO:<slow2@example.org>\r\nRCPT TO:<c@example.org>\r\nDATA\r\n")
        for code in (250, 250, 550, 250, 250, 354):
            c.expect(code)
    with Timed(0.4):
        c.send(fields("slow.example") + b"NOOP\r\nMAIL FROM:<slow@bad.example>\r\nQUIT\r\n")
        for code in (250, 250, 550, 221):
            c.expect(code)
    c.close()
    assert [len(t.rcpts) for t in mta.taken] == [3]


@case
def chunks(mta, postern):
    "the same with BDAT"
    c = Client(postern)
    c.hello()
    message = b"From: a@slow.example\r\n\r\nHello\r\n"
    with Timed(0.8):
        c.send(b"MAIL FROM:<a@example.net>\r\nRCPT TO:<slow@example.org>\r\nBDAT %d LAST\r\n" % len(message) +
               message + b"QUIT\r\n")
        for code in (250, 250, 250, 221):
            c.expect(code)
    c.close()
    assert len(mta.taken) == 1


@with_rules("at helo { delay 5m; delay 5m }", "delay budget 400ms")
def budget(mta, postern):
    "the delays of a step end with the budget"
    c = Client(postern)
    with Timed(0.4):
        c.hello()
    c.close()


@case
def others(mta, postern):
    "while one is delayed all others go on"
    c = Client(postern)
    c.send(b"EHLO endless\r\n")
    with Timed(0):
        for _ in range(5):
            d = Client(postern)
            d.hello()
            d.envelope()
            d.data(MESSAGE, 250)
            d.close()
    c.close()


@case
def gives_up(mta, postern):
    "who closes the connection during a delay is noticed, and journalled as one that gave up"
    said = (b"EHLO endless\r\n", b"EHLO x\r\nMAIL FROM:<endless@example.net>\r\n",
            b"EHLO x\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<endless@example.org>\r\n")
    for octets in said:
        c = Client(postern)
        c.send(octets)
        for _ in range(octets.count(b"\r\n") - 1):
            c.expect(250)
        c.close()
    # Cut off, what was said to it unread.
    c = Client(postern)
    c.hello()
    c.envelope()
    c.say("DATA", 354)
    c.send(fields("endless.example", 2))
    play.until(lambda: len([e for e in postern.entries() if e["verdict"] == "reject"]) == 1, "the refusal")
    c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    c.close()
    play.until(lambda: len(postern.entries()) == 5, "the journal")
    rows = {e["step"]: e for e in postern.entries() if e["verdict"] == "left"}
    assert sorted(rows) == ["helo", "mail", "message", "rcpt"], list(rows)
    for row in rows.values():
        assert row["rule"] == "delay" and re.match(r"gave up after \d\.\d s of a delay of 300\.0 s$", row["text"]), \
            row["text"]
    trace = postern.trace(rows["rcpt"])
    assert [t["step"] for t in trace if t["action"] == "delay" and t["hit"]] == ["rcpt"], trace
    assert json.loads(rows["rcpt"]["recipients"]) == ["endless@example.org"]
    play.until(lambda: postern.log_text().count('why="gave up during a delay"') == 4, "the log")
    assert not mta.taken


@case
def half_closed(mta, postern):
    "who has said all there is, and waits for the replies, gets them"
    c = Client(postern)
    c.send(b"EHLO slow\r\nMAIL FROM:<slow@example.net>\r\nRCPT TO:<slow@example.org>\r\nQUIT\r\n")
    c.socket.shutdown(socket.SHUT_WR)
    for code in (250, 250, 250, 221):
        c.expect(code)
    c.expect_end()
    c.close()


@case
def drained(mta, postern):
    "the end of the daemon cuts delays short, and is not held up by them"
    waiting = []
    for octets, replies in ((b"EHLO endless\r\n", 0), (b"EHLO x\r\nMAIL FROM:<endless@example.net>\r\n", 1)):
        c = Client(postern)
        c.send(octets)
        for _ in range(replies):
            c.expect(250)
        waiting.append(c)
    # Both are delayed when a third, that came later, has been heard.
    Client(postern).say("NOOP", 250)
    with Timed(0):
        postern.process.send_signal(signal.SIGTERM)
        for c in waiting:
            c.expect(250)
        waiting[0].expect(421)
        waiting[1].say("RSET", 250)
        waiting[1].expect(421)
        postern.process.wait(play.WAIT)


@with_rules(RULES, LONG + "\nsessions 10")
def stressed(mta, postern):
    "when sessions run short delays are cut short"
    c = Client(postern)
    c.send(b"EHLO endless\r\n")
    with Timed(0):
        more = [Client(postern) for _ in range(8)]
        c.expect(250)
    for d in more:
        d.close()
    c.close()


@case
def mail_server_is_spared(mta, postern):
    "between transactions, and for a message that is refused, a delay keeps no connection to the mail server"
    for n, last in ((1, b"MAIL FROM:<endless@example.net>\r\n"), (2, None)):
        c = Client(postern)
        c.hello()
        c.envelope()
        c.data(MESSAGE, 250)
        if last is None:
            c.envelope()
            c.say("DATA", 354)
            last = fields("endless.example", 2)
        assert mta.open > 0
        c.send(last)
        play.until(lambda: mta.open == 0, "the end of the connection to the mail server")
        c.close()
        play.until(lambda: postern.log_text().count("event=gave-up") == n, "the client's end")


@case
def told(mta, postern):
    "postern why and postern test show the delay; one that is only observed delays nobody"
    c = Client(postern)
    c.hello()
    with Timed(0):
        c.envelope(rcpts=("seen@example.org",))
        c.data(MESSAGE, 250)
    c.say("MAIL FROM:<a@example.net>", 250)
    with Timed(0.4):
        said = c.say("RCPT TO:<slow@bad.example>", 550)
    c.close()
    entry = said.rsplit(b"[", 1)[1].split(b"]")[0].decode()
    why = postern.command("why", entry)[1]
    assert re.search(r"postern.conf:\d+ +yes +delay 400ms if recipient starts with", why), why
    play.until(lambda: [e for e in postern.entries() if e["verdict"] == "accept"], "the journal")
    trace = postern.trace([e for e in postern.entries() if e["verdict"] == "accept"][0])
    assert [t["observed"] for t in trace if t["action"] == "delay" and t["hit"]] == [True], trace
    test = postern.command("test", "--ip", "192.0.2.1", "--helo", "slow")[1]
    assert "the reply is held back for 0.4 s" in test, test


@with_rules(RULES, LONG + "\nmode observe")
def observed(mta, postern):
    "in mode observe nobody is delayed"
    c = Client(postern)
    with Timed(0):
        c.say("EHLO endless", 250)
        c.envelope("endless@example.net", ("endless@example.org",))
        c.data(fields("endless.example"), 250)
    c.close()


@with_rules(RULES, "delay budget 0")
def none(mta, postern):
    "without a budget there is no delay"
    c = Client(postern)
    with Timed(0):
        c.say("EHLO endless", 250)
    c.close()


if __name__ == "__main__":
    play.main(CASES)
