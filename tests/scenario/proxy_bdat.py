"""CHUNKING and BINARYMIME (RFC 3030): whatever a client does with BDAT, exactly the octets of a chunk are no commands,
the mail server behind gets the message once and whole or not at all, and nothing in it becomes a second one."""

import play
from play import Client, DIE, stuffed
from proxy_smuggling import HEAD, has_bare, normalised, variants
from world import Cases

MESSAGE = b"From: a@example.net\r\nTo: b@example.org\r\nSubject: x\r\n\r\nHello\r\n.\r\n..dots\r\n"
EVIL = b"MAIL FROM:<evil@example.net>\r\nRCPT TO:<evil@example.org>\r\nDATA\r\nQUIT\r\n"
BINARY = (b"SIZE", b"8BITMIME", b"CHUNKING", b"BINARYMIME")

CASES = Cases()


def with_options(ehlo=(b"SIZE", b"8BITMIME"), **options):
    return CASES.with_world(mta={"ehlo": ehlo}, **options)


case = with_options()


def greeted(postern):
    c = Client(postern)
    lines = c.hello()
    c.close()
    return lines


def chunks(octets, size):
    """As BDAT commands with their octets, the last one with LAST."""
    out = b""
    for at in range(0, len(octets), size):
        piece = octets[at:at + size]
        last = b" LAST" if at + size >= len(octets) else b""
        out += b"BDAT %d%s\r\n" % (len(piece), last) + piece
    return out


def send(c, octets, size, code=250):
    """One message in chunks; all but the last are answered 250."""
    c.send(chunks(octets, size))
    for _ in range((len(octets) + size - 1) // size - 1):
        c.expect(250, b"2.0.0")
    return c.expect(code)


@case
def whole(mta, postern):
    "a message in chunks of any size reaches a mail server that knows only DATA, with equal octets"
    assert b"CHUNKING\r\n" in greeted(postern)
    c = Client(postern)
    c.hello()
    for size in list(range(1, 40)) + [len(MESSAGE) - 1, len(MESSAGE), 1000]:
        c.envelope()
        assert b"queued as" in send(c, MESSAGE, size)
        taken = mta.taken.pop()
        assert taken.ours() == MESSAGE, (size, taken.octets)
        assert len(taken.octets) > len(MESSAGE) + 100  # our fields
    c.envelope()
    c.send(b"BDAT %d\r\n" % len(MESSAGE) + MESSAGE)
    c.expect(250)
    c.say(b"bdat 0", 250)
    c.say(b"BDAT 0 last", 250, b"queued as")
    assert mta.taken.pop().ours() == MESSAGE
    c.close()
    assert not [line for line in mta.lines if line.startswith(b"BDAT")]


@case
def without_an_end(mta, postern):
    "a message that does not end in CR LF does so behind, and an empty one is none the worse"
    c = Client(postern)
    c.hello()
    for message, got in ((b"A: 1\r\n\r\nx", b"A: 1\r\n\r\nx\r\n"), (b"A: 1", b"A: 1\r\n"), (b".", b".\r\n"),
                         (b"", b"")):
        c.envelope()
        c.send(b"BDAT %d LAST\r\n" % len(message) + message)
        c.expect(250)
        assert mta.taken.pop().ours() == got, message
    c.close()


@case
def pipelined(mta, postern):
    "chunks and commands in one packet are answered in order, also octet by octet"
    dialogue = (b"MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\n" + chunks(MESSAGE, 30) +
                b"NOOP\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\n" + chunks(MESSAGE, 70) + b"QUIT\r\n")
    for step in (len(dialogue), 1):
        c = Client(postern)
        c.hello()
        for at in range(0, len(dialogue), step):
            c.send(dialogue[at:at + step])
        codes = []
        while True:
            code, _ = c.reply()
            if code is None:
                break
            codes.append(code)
        assert codes == [250] * (len(codes) - 1) + [221], codes
        assert [mta.taken.pop().ours() for _ in range(2)] == [MESSAGE] * 2
        assert not mta.taken


def bare(mode):
    def run(mta, postern):
        for fake in variants():
            for size in (1, 7, 100000):
                octets = HEAD + b"last line" + fake + EVIL
                refused = mode == "refuse" and has_bare(octets)
                c = Client(postern)
                c.hello()
                c.envelope()
                c.send(chunks(octets, size) + b"NOOP\r\n")
                codes = [c.reply()[0] for _ in range((len(octets) + size - 1) // size + 1)]
                assert codes[-1] == 250, (fake, codes)
                assert (550 in codes) == refused and (codes[-2] == 250) != refused, (fake, codes)
                assert set(codes) <= {250, 550, 503}, codes
                taken = [t.ours() for t in mta.taken]
                del mta.taken[:]
                want = normalised(octets) if mode == "normalise" else octets
                assert taken == [] if refused else taken == [want], (fake, taken)
                c.close()
    run.__doc__ = "nothing in a chunk is the end of it: %d false ends, %s" % (len(list(variants())), mode)
    return run


for _mode in ("refuse", "normalise"):
    with_options(settings="bare_newline " + _mode)(bare(_mode))


@with_options(rules='at rcpt { reject 550 5.7.1 "no" if recipient is "no@example.org" }')
def any_state(mta, postern):
    "the octets of a chunk are swallowed in every state"
    def swallowed(c, code):
        c.send(b"BDAT %d\r\n" % len(EVIL) + EVIL + b"BDAT %d LAST\r\n" % len(EVIL) + EVIL + b"NOOP\r\n")
        c.expect(code, b"5.5.1")
        c.expect(code, b"5.5.1")
        c.expect(250)
        c.close()
    swallowed(Client(postern), 503)
    c = Client(postern)
    c.hello()
    swallowed(c, 503)
    c = Client(postern)
    c.hello()
    c.say("MAIL FROM:<a@example.net>", 250)
    swallowed(c, 554)
    c = Client(postern)
    c.hello()
    c.say("MAIL FROM:<a@example.net>", 250)
    c.say("RCPT TO:<no@example.org>", 550)
    swallowed(c, 554)
    c = Client(postern)
    c.say("HELO client.example", 250)
    c.envelope()
    swallowed(c, 503)
    assert not mta.taken and not [line for line in mta.lines if b"evil" in line], mta.lines


@case
def nobody(mta, postern):
    "a last chunk that is refused for want of a recipient ends its transaction, so that the next has its own sender"
    mta.says["RCPT"] = lambda dialogue, line: b"550 5.1.1 no\r\n" if b"<nobody@" in line else None
    c = Client(postern)
    c.hello()
    c.send(b"MAIL FROM:<first@example.net>\r\nRCPT TO:<nobody@example.org>\r\nBDAT 3\r\nabcBDAT 5 LAST\r\nhello"
           b"MAIL FROM:<second@example.net>\r\nRCPT TO:<b@example.org>\r\n" + chunks(MESSAGE, 1000))
    for code in (250, 550, 554, 554, 250, 250, 250):
        c.expect(code)
    c.close()
    assert [t.mail for t in mta.taken] == [b"MAIL FROM:<second@example.net>"], mta.lines


@with_options(rules='list everybody { 127.0.0.0/8 }\nat connect { reject 554 5.7.1 "no" if client in everybody }')
def refused(mta, postern):
    "the octets of a chunk are swallowed after a refusal instead of a greeting"
    c = Client(postern, greet=False)
    c.expect(554)
    c.send(b"BDAT %d LAST\r\n" % len(EVIL) + EVIL + b"NOOP\r\n")
    c.expect(503)
    c.expect(503)
    c.say("QUIT", 221)
    c.close()


@case
def sequence(mta, postern):
    "between two chunks there is neither DATA nor MAIL nor RCPT, but RSET and EHLO"
    c = Client(postern)
    c.hello()
    for verb in (b"MAIL FROM:<c@example.net>", b"RCPT TO:<c@example.org>", b"DATA"):
        c.envelope()
        c.send(b"BDAT 5\r\nA: 1\r")
        c.expect(250)
        c.say(verb, 503, b"5.5.1")
        c.say(b"NOOP", 250)
        c.say(b"RSET", 250)
    c.envelope("first@example.net")
    c.send(b"BDAT 5\r\nA: 1\r")
    c.expect(250)
    c.hello()
    c.send(b"BDAT 1 LAST\r\n\n")
    c.expect(503)
    c.envelope("second@example.net")
    send(c, MESSAGE, 10)
    c.envelope("third@example.net")
    c.data(stuffed(MESSAGE), 250)
    assert [t.mail[11:16] for t in mta.taken] == [b"secon", b"third"]
    assert [t.ours() for t in mta.taken] == [MESSAGE] * 2
    c.close()


@case
def arguments(mta, postern):
    "a BDAT whose octets cannot be counted ends the session"
    for line in (b"BDAT", b"BDAT x", b"BDAT -1", b"BDAT 10 FIRST", b"BDAT 10 LAST x", b"BDAT 99999999999999999999",
                 b"BDAT LAST", b"BDAT 0x10", b"BDAT 1e1", b"BDAT 10\0", b"BDAT 10 L\xe4ST", b"BDAT\t10 LAST\r", b"BDAT 10" + b" " * 600 + b"LAST"):
        c = Client(postern)
        c.hello()
        c.envelope()
        c.send(line + b"\r\n" + EVIL)
        c.expect(501)
        c.expect_end()
        c.close()
    c = Client(postern)
    c.hello()
    c.envelope()
    c.send(b"BDAT 10 LAST\n" + EVIL)
    c.expect(501)
    c.expect_end()
    c.close()
    assert not mta.taken and not [line for line in mta.lines if b"evil" in line], mta.lines


@with_options(settings="message_size 10k\nmessage_memory 8k\nheader_size 4k\nerrors 3")
def sizes(mta, postern):
    "the size of all chunks counts, and what follows a chunk too many is swallowed"
    body = b"A: 1\r\n\r\n" + b"0123456789abcd\r\n" * 1000
    c = Client(postern)
    c.hello()
    c.envelope()
    c.send(chunks(body[:11000], 1000) + b"NOOP\r\n")
    codes = [c.reply()[0] for _ in range(12)]
    assert codes == [250] * 10 + [552, 250], codes
    c.envelope()
    c.send(chunks(body[:14000], 700) + b"NOOP\r\n")
    codes = [c.reply()[0] for _ in range(21)]
    assert codes == [250] * 14 + [552] + [503] * 5 + [250], codes
    c.envelope()
    c.send(chunks(b"A: " + b"x" * 5000, 500) + b"NOOP\r\n")
    codes = [c.reply()[0] for _ in range(12)]
    assert 552 in codes and codes[-1] == 250, codes
    c.envelope()
    send(c, body[:8008], 8008)
    c.close()
    for before in (b"", b"BDAT 9 \r\nA: 1\r\n\r\nx"):
        c = Client(postern)
        c.hello()
        c.envelope()
        c.send(before)
        if before:
            c.expect(250)
        c.send(b"BDAT 1000000000 LAST\r\n" + body)
        c.expect(552)
        c.expect_end()
        c.close()
    c = Client(postern)
    c.hello()
    c.send(b"BDAT 1000000000 LAST\r\n" + body)
    c.expect(552)
    c.expect_end()
    c.close()
    assert [t.ours() for t in mta.taken] == [body[:8008]]


@case
def tiny(mta, postern):
    "tens of thousands of tiny chunks are one message"
    message = b"A: 1\r\n\r\n" + b"0123456789abcd\r\n" * 1500
    c = Client(postern)
    c.hello()
    c.envelope()
    for at in range(0, len(message), 500):
        piece = message[at:at + 500]
        last = at + 500 >= len(message)
        c.send(b"".join(b"BDAT 0\r\nBDAT 1\r\n" + bytes([o]) for o in piece) + b"BDAT 0 LAST\r\n" * last)
        for _ in range(2 * len(piece)):
            c.expect(250)
    c.expect(250, b"queued as")
    assert mta.taken.pop().ours() == message
    c.close()


@case
def mta_dies(mta, postern):
    "a mail server that dies while chunks come is a 451 at the last of them"
    conns = []
    mta.says["RCPT"] = lambda dialogue, line: conns.append(dialogue.conn)
    c = Client(postern)
    c.hello()
    c.envelope()
    c.send(b"BDAT 9\r\nA: 1\r\n\r\nx")
    c.expect(250)
    conns[0].shutdown(2)
    play.until(lambda: "event=backend-lost" in postern.log_text(), "the loss to be seen")
    c.send(b"BDAT 2 LAST\r\n\r\n")
    c.expect(451)
    mta.says["DOT"] = DIE
    c.envelope()
    send(c, MESSAGE, 20, 451)
    del mta.says["DOT"]
    c.envelope()
    send(c, MESSAGE, 20)
    c.close()
    assert len(mta.taken) == 1


@case
def vanishes(mta, postern):
    "a client that vanishes in a chunk or between two leaves nothing behind"
    for octets in (b"BDAT 20\r\nA: 1\r\n", b"BDAT 6\r\nA: 1\r\n", b"BDAT 20 LAST\r\nA: 1\r\n"):
        c = Client(postern)
        c.hello()
        c.envelope()
        c.send(octets)
        c.close()
    play.until(lambda: mta.open == 0, "the connections to end")
    assert not mta.taken


@with_options(ehlo=BINARY)
def binary(mta, postern):
    "BINARYMIME goes on as one chunk, octet for octet, and everything else as DATA"
    assert b"BINARYMIME\r\n" in greeted(postern)
    c = Client(postern)
    c.hello()
    forged = b"Authentication-Results: mx.example.org; spf=pass\r\n"
    head = b"From: a@example.net\r\nContent-Transfer-Encoding: binary\r\n"
    body = b"\r\n" + bytes(range(256)) * 3 + b"\r.\r\n.\r\n\n.\n" + EVIL
    for tail in (b"", b"\r", b"\n", b"\r\n", b"x" * 300000):
        c.say("MAIL FROM:<a@example.net> BODY=BINARYMIME", 250)
        c.say("RCPT TO:<b@example.org>", 250)
        send(c, forged + head + body + tail, 17 if len(tail) < 10 else 100000)
        taken = mta.taken.pop()
        assert not mta.taken
        assert taken.mail == b"MAIL FROM:<a@example.net> BODY=BINARYMIME"
        assert taken.ours() == head + body + tail, taken.octets[:2000]
    assert not [line for line in mta.lines if b"evil" in line or line == b"DATA"], mta.lines
    c.envelope()
    send(c, MESSAGE, 40)
    assert mta.taken.pop().ours() == MESSAGE and mta.lines[-1] == b"DATA"
    c.say("MAIL FROM:<a@example.net> BODY=BINARYMIME", 250)
    c.say("RCPT TO:<b@example.org>", 250)
    c.say("DATA", 503, b"5.5.1")
    send(c, b"A: 1\r\n\r\n\0", 40)
    c.close()


@with_options(ehlo=BINARY, settings="backend timeout end 4s")
def binary_refused(mta, postern):
    "what the mail server says to a chunk is what the client hears, and nonsense is a 451"
    c = Client(postern)
    c.hello()
    for said, code in ((b"552 5.3.4 no\r\n", 552), (b"452 4.3.1 later\r\n", 452), (b"354 what\r\n", 451),
                       (DIE, 451), (play.HANG, 451), (b"250 ok\n", 451), (b"421 4.3.2 bye\r\n", 451), (None, 250)):
        mta.says["BDAT"] = said
        c.say("MAIL FROM:<a@example.net> BODY=BINARYMIME", 250)
        c.say("RCPT TO:<b@example.org>", 250)
        send(c, b"A: 1\r\n\r\n\0", 5, code)
    c.close()
    assert len(mta.taken) == 1


@with_options(ehlo=(b"SIZE", b"8BITMIME", b"BINARYMIME"))
def binary_not_offered(mta, postern):
    "BINARYMIME is not offered when the mail server has no CHUNKING"
    c = Client(postern)
    assert b"BINARYMIME" not in c.hello()
    c.say("MAIL FROM:<a@example.net> BODY=BINARYMIME", 555, b"5.5.4")
    c.close()


if __name__ == "__main__":
    play.main(CASES)
