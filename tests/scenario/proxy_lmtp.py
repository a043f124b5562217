"""A server behind that speaks LMTP (RFC 2033): it answers a message once for each recipient, a client hears one
answer, and no recipient is lost between the two."""

import play
from play import Client, DIE, stuffed
from world import Cases

MESSAGE = b"From: a@example.net\r\nTo: b@example.org\r\nSubject: x\r\n\r\nHello\r\n"

CASES = Cases()


def with_options(xclient=False, handoff="lmtp", lmtp=True):
    return CASES.with_world(handoff=handoff, mta={"xclient": xclient, "lmtp": lmtp})


case = with_options()


@case
def one(mta, postern):
    "a message for one recipient reaches it, after LHLO"
    c = Client(postern)
    assert b"LIMITS RCPTMAX=1\r\n" in c.hello()
    c.envelope()
    assert c.data(stuffed(MESSAGE)) == 250
    c.say("QUIT", 221)
    c.close()
    assert [t.ours() for t in mta.taken] == [MESSAGE]
    assert not [line for line in mta.all_lines if line.startswith((b"EHLO", b"HELO"))], mta.all_lines


@case
def several(mta, postern):
    "the second recipient is told to come again, and gets its message then"
    c = Client(postern)
    c.hello()
    left = [b"b1@example.org", b"b2@example.org", b"b3@example.org"]
    for _ in range(3):
        c.say("MAIL FROM:<a@example.net>", 250)
        got = []
        for address in left:
            c.send(b"RCPT TO:<" + address + b">\r\n")
            code, text = c.reply()
            assert code == 250 or (code == 452 and b"4.5.3" in text), text
            if code == 250:
                got.append(address)
        assert got == left[:1], got
        assert c.data(stuffed(MESSAGE)) == 250
        left.remove(got[0])
    c.close()
    assert [t.rcpts for t in mta.taken] == [[b"RCPT TO:<b%d@example.org>" % i] for i in (1, 2, 3)]


@case
def refusals(mta, postern):
    "what it says to a recipient or a message is what the client hears"
    c = Client(postern)
    c.hello()
    c.say("MAIL FROM:<a@example.net>", 250)
    mta.says["RCPT"] = b"550 5.1.1 no such user\r\n"
    c.say("RCPT TO:<nobody@example.org>", 550, b"no such user")
    # None was taken yet, so the next one may come.
    del mta.says["RCPT"]
    c.say("RCPT TO:<b@example.org>", 250)
    c.say("RCPT TO:<c@example.org>", 452)
    for said, code in ((b"552 5.2.2 full\r\n", 552), (b"452 4.2.2 later\r\n", 452), (DIE, 451),
                       (b"250 a\r\n250 b\r\n", 250)):
        mta.says["DOT"] = said
        c.say("RSET", 250)
        c.envelope()
        assert c.data(stuffed(MESSAGE)) == code
    del mta.says["DOT"]
    c.envelope()
    assert c.data(stuffed(MESSAGE)) == 250
    c.close()


@with_options(xclient=True, handoff="lmtp xclient")
def xclient(mta, postern):
    "XCLIENT goes with it"
    c = Client(postern)
    c.hello()
    c.envelope()
    assert c.data(stuffed(MESSAGE)) == 250
    c.close()
    assert mta.lines[0].startswith(b"XCLIENT "), mta.lines
    assert mta.all_lines.count(b"LHLO client.example") == 1, mta.all_lines


@with_options(lmtp=False)
def smtp_only(mta, postern):
    "a server that knows no LHLO gets no mail"
    c = Client(postern)
    c.hello()
    c.say("MAIL FROM:<a@example.net>", 250)
    c.say("RCPT TO:<b@example.org>", 451)
    c.close()
    assert "LHLO was answered by 502" in postern.log_text()
    assert not [line for line in mta.all_lines if line.startswith((b"EHLO", b"HELO", b"MAIL"))], mta.all_lines


if __name__ == "__main__":
    play.main(CASES)
