"""Subjects of messages in the journal: not unless it is said, and then of every entry that was made when the
header had been read, through both fronts."""

import csv
import glob
import io
import json
import os

import play
from play import MTA, Client, Milter, Postern, free_port, stuffed, until

RULES = """at rcpt {
    reject 550 5.1.1 "Nobody"             if recipient = "nobody@example.org"
}
at message {
    reject 550 5.7.1 "Not that"           if message.size > 5000
}
"""
# As in the message, as in the journal.
SUBJECTS = (
    (b"Nothing special", "Nothing special"),
    (b"=?utf-8?B?R3LDvMOfZQ==?= =?iso-8859-1?Q?_aus_K=F6ln?=", "Grüße aus Köln"),
    (b"one\r\n  of two lines", "one  of two lines"),
    ("Привет мир".encode(), "Привет мир"),
    (b"x" * 390 + "éèàçùâêîôû".encode(), "x" * 390 + "éèàçù"),
    (b"", ""),
)
CASES = []


def case(settings):
    def with_settings(function):
        def run():
            mta = MTA()
            try:
                milter = free_port()
                postern = Postern(mta.port, settings + '\nlisten milter "inet:%d@127.0.0.1"' % milter, RULES)
                postern.milter = milter
                try:
                    until(lambda: "event=listening front=milter" in postern.log_text(), "the milter")
                    function(mta, postern)
                finally:
                    postern.stop()
            finally:
                mta.stop()
        CASES.append((function.__doc__, run))
        return function
    return with_settings


def both(postern, *words):
    """What `postern` says, and what it complains of."""
    return postern.command(*words)[1:]


def ask(postern, *words):
    said, complaint = both(postern, *words)
    assert complaint == "", complaint
    return said


def await_entries(postern, n):
    """Accepted mail is journalled a little behind the reply."""
    until(lambda: len(entries(postern)) == n, "the entries")


def entries(postern, *words):
    return [json.loads(line) for line in ask(postern, "log", "--json", *words).splitlines()]


def send(postern, subject, code=250, body=b"Hello\r\n"):
    c = Client(postern)
    c.hello()
    c.envelope()
    c.data(stuffed(b"From: a@example.net\r\nSubject: " + subject + b"\r\n\r\n" + body), code)
    c.say("QUIT", 221)
    c.close()


def hand(postern, *fields, verdict=b"c"):
    m = Milter(postern.milter)
    m.begin()
    m.finish(b"From\0 a@example.net", *fields, verdict=verdict)
    m.close()


@case("")
def off(mta, postern):
    "by itself the journal holds no subject, nor do its files"
    send(postern, b"a very secret word")
    send(postern, b"a very secret word", 550, b"x\r\n" * 3000)
    hand(postern, b"Subject\0 a very secret word")
    await_entries(postern, 3)
    assert [e["subject"] for e in entries(postern)] == [""] * 3
    assert entries(postern, "--text", "secret") == []
    _, complaint = both(postern, "log", "--subject", "secret")
    assert "journal subject on" in complaint, complaint
    for name in glob.glob(os.path.join(postern.folder, "**"), recursive=True):
        if os.path.isfile(name):
            with open(name, "rb") as f:
                assert b"secret" not in f.read().lower(), name


@case("journal subject on")
def kept(mta, postern):
    "with `journal subject on` it is there as rules see it, through the proxy and the milter"
    for octets, _ in SUBJECTS:
        send(postern, octets)
    for octets, _ in SUBJECTS:
        hand(postern, b"subject\0 " + octets, b"Subject\0 another")
    hand(postern)
    await_entries(postern, 2 * len(SUBJECTS) + 1)
    found = [e["subject"] for e in entries(postern)]
    assert found == [s for _, s in SUBJECTS] * 2 + [""], found
    assert [e["front"] for e in entries(postern, "--subject", "köln")] == ["proxy", "milter"]
    assert len(entries(postern, "--text", "SPECIAL")) == 2
    assert len(entries(postern, "--subject", "привет")) == 0  # without case: of ASCII only
    assert len(entries(postern, "--text", "ривет")) == 2
    assert entries(postern, "--subject", "example.net") == []
    assert "the chain is whole" in ask(postern, "log", "--verify")


@case("journal subject on")
def refused(mta, postern):
    "of a message that rules or the mail server refuse too, but of nothing before the header"
    c = Client(postern)
    c.hello()
    c.say("MAIL FROM:<a@example.net>", 250)
    c.say("RCPT TO:<nobody@example.org>", 550)
    c.close()
    send(postern, b"too large", 550, b"x\r\n" * 3000)
    mta.says["DOT"] = b"554 5.6.0 I do not like it\r\n"
    send(postern, b"not liked", 554)
    mta.says["DOT"] = b"452 4.3.1 Later\r\n"
    send(postern, b"not now", 452)
    await_entries(postern, 4)
    found = [(e["step"], e["code"], e["subject"]) for e in entries(postern)]
    assert found == [("rcpt", 550, ""), ("message", 550, "too large"), ("message", 554, "not liked"),
                     ("message", 452, "not now")], found


@case("journal subject on")
def hostile(mta, postern):
    "eight bits that are no characters, and controls, reach no terminal as they are"
    send(postern, b"bad \xff\xc3 \x1b[31m =?utf-8?Q?=1B[2J=E2=80=AE=C2=9B?= end")
    await_entries(postern, 1)
    for words in (("log",), ("log", "--json"), ("log", "--csv")):
        said = ask(postern, *words)
        assert "bad " in said and " end" in said, repr(said)
        assert not [c for c in said if c in "\x1b\x9b\u202e\0"], repr(said)
    entry, = entries(postern, "--subject", "BAD ")
    said = ask(postern, "why", entry["id"])
    assert "subject     bad " in said and not [c for c in said if c in "\x1b\x9b\u202e\0"], repr(said)
    row = next(csv.DictReader(io.StringIO(ask(postern, "log", "--csv"))))
    assert row["subject"].startswith("bad "), row


@case("journal subject on")
def forgotten(mta, postern):
    "an address in a subject is forgotten with the entry it stands in"
    send(postern, b"about person@example.com and others")
    send(postern, b"about otherperson@example.com")
    await_entries(postern, 2)
    ask(postern, "forget", "person@example.com")
    assert [e["subject"] for e in entries(postern, "--verdict", "accept")] == ["", "about otherperson@example.com"]


if __name__ == "__main__":
    play.main(CASES)
