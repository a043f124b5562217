"""Greylisting in a running posternd: who waits, who is let in, and what the command line does to it meanwhile."""

import json

import play
from play import Client
from world import Cases

RULES = """
greylist { %s use spf off; use name off; network ipv4 32 }
at rcpt { tempfail 451 4.7.1 "wait ${greylist.wait}" if greylist is waiting }
"""
MESSAGE = play.stuffed(b"Subject: x\r\n\r\nHello\r\n")
CASES = Cases()


def attempt(postern, source, sender="a@example.net", recipient="b@example.org"):
    """A message, or what its recipient was told: the code that decided."""
    c = Client(postern, source=source)
    c.hello()
    c.say("MAIL FROM:<%s>" % sender, 250)
    c.send(b"RCPT TO:<%s>\r\n" % recipient.encode())
    code = c.reply()[0]
    if code == 250:
        code = c.data(MESSAGE)
    c.say("QUIT", 221)
    c.close()
    return code


@CASES.with_world(rules=RULES % "delay 2s; longest 2s;")
def bound(_, postern):
    "A retry after the bound is let in from any address, which proves none; stats tell how long it took"
    assert attempt(postern, "127.0.0.2") == 451
    n = [2]

    def from_elsewhere():
        n[0] += 1
        return attempt(postern, address()) == 250

    def address():
        """Each in a network of its own."""
        return "127.%d.%d.2" % divmod(n[0], 250)
    play.until(from_elsewhere, "the bound")
    assert attempt(postern, address(), "x@example.net") == 451

    def told():
        stats = json.loads(postern.command("stats", "--json")[1])
        return stats["delayed"]["n"] == 1 and stats["delayed"]["p99"] >= 2
    play.until(told, "the entry")


@CASES.with_world("trust 127.0.0.9", RULES % "delay 1h;")
def correspondents(_, postern):
    "Whom a trusted client wrote to is not delayed, from anywhere"
    assert attempt(postern, "127.0.0.2", "friend@example.net") == 451
    assert attempt(postern, "127.0.0.9", "b@example.org", "Friend+x@example.net") == 250
    play.until(lambda: attempt(postern, "127.0.0.3", "friend@example.net") == 250, "the row")
    assert attempt(postern, "127.0.0.3", "stranger@example.net") == 451


@CASES.with_world(rules=RULES % "delay 1h;")
def by_hand(_, postern):
    "postern greylist lists, allows and removes while posternd runs; the next question sees it"
    assert attempt(postern, "127.0.0.2") == 451
    code, text, _ = postern.command("greylist", "list", "--json")
    rows = [json.loads(line) for line in text.splitlines()]
    assert code == 0 and {(r["kind"], r["what"]) for r in rows} == {
        ("pair", "a@example.net:b@example.org"),
        ("triplet", "127.0.0.2/32:a@example.net:b@example.org")}, text
    assert postern.command("greylist", "allow", "example.net", "--for", "1d")[0] == 0
    assert attempt(postern, "127.0.0.2") == 250
    assert attempt(postern, "127.0.0.3") == 250
    assert postern.command("greylist", "remove", "example.net")[0] == 0
    assert attempt(postern, "127.0.0.3") == 451
    assert postern.command("greylist", "allow", "127.0.0.3")[0] == 0
    assert attempt(postern, "127.0.0.3") == 250


if __name__ == "__main__":
    play.main(CASES)
