"""One transaction, several policies: recipients whom the rules of message tell apart do not get into one, and
each of them gets its own verdict when the client comes again at once."""

import json

import play
from play import Client, stuffed
from world import Cases

# Who is strict takes nothing from evil.example; the others do.
RULES = """list strict { "strict@example.org", "strict.example" }
at message { reject 550 5.7.1 "Not to them" if recipient in strict and from.domain contains "evil.example" }
"""
EVIL = b"From: a@evil.example\r\nSubject: x\r\n\r\nHello\r\n"
GOOD = b"From: a@example.net\r\nSubject: x\r\n\r\nHello\r\n"
DIFFERS = b"452 4.5.3 This recipient's policy differs, send again for it ["

CASES = Cases()


def with_rules(rules, settings=""):
    return CASES.with_world(settings, rules)


case = with_rules(RULES)


def asked(mta):
    return [line for line in mta.lines if line.startswith(b"RCPT")]


def goodbye(c):
    c.say("QUIT", 221)
    c.expect_end()
    c.close()


@case
def two(mta, postern):
    "who differs is deferred without being asked of the mail server, and gets its own verdict in the next transaction"
    c = Client(postern)
    c.hello()
    c.envelope(rcpts=("lax@example.org",))
    assert c.say("RCPT TO:<strict@example.org>", 452).startswith(DIFFERS)
    c.say("RCPT TO:<b@strict.example>", 452, DIFFERS)
    c.say("RCPT TO:<other@example.org>", 250)
    assert asked(mta) == [b"RCPT TO:<lax@example.org>", b"RCPT TO:<other@example.org>"]
    c.data(stuffed(EVIL), 250)
    assert len(mta.taken) == 1 and mta.taken[0].rcpts == asked(mta)
    # At once, on the same connection: together, for they are alike.
    c.envelope(rcpts=("strict@example.org", "b@strict.example"))
    c.say("RCPT TO:<lax@example.org>", 452, DIFFERS)
    c.data(stuffed(EVIL), 550)
    c.envelope(rcpts=("strict@example.org",))
    c.data(stuffed(GOOD), 250)
    assert len(mta.taken) == 2
    goodbye(c)
    play.until(lambda: len(postern.entries()) == 6, "the journal")
    rows = postern.entries()
    assert [r["verdict"] for r in rows] == ["defer", "defer", "accept", "defer", "reject", "accept"], rows
    first = rows[0]
    assert (first["step"], first["code"], first["rule"]) == ("rcpt", 452, "policy")
    assert json.loads(first["recipients"]) == ["strict@example.org"]
    last = postern.trace(first)[-1]
    assert last["hit"] and last["action"] == "defer", last
    assert last["source"].endswith("of message asks recipient: yes here, no for lax@example.org"), last
    assert last["facts"][0]["value"] == "strict@example.org", last
    # What the verdict at message came from.
    assert json.loads(rows[4]["facts"])["recipient"] == "strict@example.org"
    assert "verdict=defer code=452" in postern.log_text()
    # A deferral is held against nobody.
    play.until(lambda: "accepted=2 refused=1 errors=0" in postern.log_text(), "the client's end in the log")


@case
def pipelined(mta, postern):
    "in one packet: the replies keep their order, and the message goes to those who are alike"
    c = Client(postern)
    c.hello()
    c.send(b"MAIL FROM:<a@example.net>\r\nRCPT TO:<lax@example.org>\r\nRCPT TO:<strict@example.org>\r\n"
           b"RCPT TO:<other@example.org>\r\nDATA\r\n")
    for code in (250, 250, 452, 250, 354):
        c.expect(code)
    c.send(stuffed(EVIL) + b"MAIL FROM:<a@example.net>\r\nRCPT TO:<strict@example.org>\r\nDATA\r\n")
    for code in (250, 250, 250, 354):
        c.expect(code)
    c.send(stuffed(EVIL) + b"QUIT\r\n")
    c.expect(550, b"Not to them")
    c.expect(221)
    c.close()
    assert [t.rcpts for t in mta.taken] == [[b"RCPT TO:<lax@example.org>", b"RCPT TO:<other@example.org>"]]


@case
def chunks(mta, postern):
    "the same with BDAT"
    c = Client(postern)
    c.hello()
    for first, second, code in (("lax@example.org", "strict@example.org", 250),
                                ("strict@example.org", "lax@example.org", 550)):
        c.send(b"MAIL FROM:<a@example.net>\r\nRCPT TO:<%s>\r\nRCPT TO:<%s>\r\nBDAT %d LAST\r\n"
               % (first.encode(), second.encode(), len(EVIL)) + EVIL)
        for got in (250, 250, 452, code):
            c.expect(got)
    goodbye(c)
    assert [t.rcpts for t in mta.taken] == [[b"RCPT TO:<lax@example.org>"]]


@case
def refused_by_the_server(mta, postern):
    "whom the mail server refuses fixes nothing: the first it takes does"
    mta.says["RCPT"] = lambda dialogue, line: b"550 5.1.1 Who?\r\n" if b"nobody" in line else None
    c = Client(postern)
    c.hello()
    c.say("MAIL FROM:<a@example.net>", 250)
    c.say("RCPT TO:<nobody@example.org>", 550)
    c.say("RCPT TO:<strict@example.org>", 250)
    c.say("RCPT TO:<lax@example.org>", 452, DIFFERS)
    c.say("RCPT TO:<nobody@strict.example>", 550)
    c.say("RCPT TO:<b@strict.example>", 250)
    c.data(stuffed(EVIL), 550)
    # All that was fixed ends with the transaction.
    c.envelope(rcpts=("strict@example.org",))
    c.say("RSET", 250)
    c.envelope(rcpts=("lax@example.org",))
    c.data(stuffed(EVIL), 250)
    goodbye(c)


@case
def nobody_left(mta, postern):
    "whom the rules let pass and the mail server refuses is no recipient, nor is who is deferred"
    mta.says["RCPT"] = lambda dialogue, line: b"450 4.2.1 Later\r\n" if b"strict" in line else None
    c = Client(postern)
    c.hello()
    c.envelope(rcpts=("lax@example.org",))
    c.say("RCPT TO:<strict@example.org>", 452, DIFFERS)
    c.say("RSET", 250)
    c.say("MAIL FROM:<a@example.net>", 250)
    c.say("RCPT TO:<strict@example.org>", 450)
    c.say("DATA", 554)
    goodbye(c)


@with_rules(RULES + 'at rcpt { tempfail 451 4.7.1 "Greylisted" if greylist is waiting }\ngreylist { delay 1s; use spf off }\n')
def greylisted(mta, postern):
    "who came back in time and is then deferred is not made to wait again"
    c = Client(postern)
    c.hello()
    c.say("MAIL FROM:<a@example.net>", 250)
    c.say("RCPT TO:<lax@example.org>", 451)
    c.say("RCPT TO:<strict@example.org>", 451)

    # Each in a transaction of its own, as an answer stands for all of one; and strict came a moment later.
    def deferred():
        c.say("RSET", 250)
        c.say("MAIL FROM:<a@example.net>", 250)
        c.send(b"RCPT TO:<lax@example.org>\r\n")
        if c.reply()[0] != 250:
            return False
        c.send(b"RCPT TO:<strict@example.org>\r\n")
        code, lines = c.reply()
        assert code == 451 or lines.startswith(DIFFERS), (code, lines)
        return code == 452
    play.until(deferred, "the end of the delay")
    c.data(stuffed(EVIL), 250)
    c.envelope(rcpts=("strict@example.org",))
    c.data(stuffed(EVIL), 550)
    goodbye(c)


@with_rules(RULES + "at rcpt { accept session if recipient is \"postmaster@example.org\" }\n")
def rules_over(mta, postern):
    "where the rules are over nobody is told apart"
    c = Client(postern)
    c.hello()
    c.envelope(rcpts=("postmaster@example.org", "strict@example.org", "lax@example.org"))
    c.data(stuffed(EVIL), 250)
    goodbye(c)


@with_rules(RULES, "mode observe")
def observed(mta, postern):
    "in mode observe nobody is deferred, and the journal says who would have been"
    c = Client(postern)
    c.hello()
    c.envelope(rcpts=("lax@example.org", "strict@example.org"))
    c.data(stuffed(EVIL), 250)
    goodbye(c)
    play.until(lambda: len(postern.entries()) == 2, "the journal")
    rows = postern.entries()
    assert [(r["verdict"], r["observed"]) for r in rows] == [("accept", "defer"), ("accept", "")]
    assert len(mta.taken[0].rcpts) == 2


if __name__ == "__main__":
    play.main(CASES)
