"""SMTP smuggling: whatever sequence of line ends and dots a client sends, the MTA behind takes exactly the
messages that the client was told 250 for, with equal octets, and nothing of a message is ever a command."""

import itertools

import play
from play import Client, MTA, Postern

HEAD = b"From: a@example.net\r\nSubject: outer\r\n\r\nouter\r\n"
SECOND = (b"MAIL FROM:<evil@example.net>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\n"
          b"From: evil@example.net\r\n\r\ninner")
ENDS = (b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n\n", b"\0\r\n", b"\r\0\n", b"\n\n", b"")
TRUE_END = b"\r\n.\r\n"

CASES = []


def variants():
    for before, after in itertools.product(ENDS, ENDS):
        fake = before + b"." + after
        yield fake
        if before and after:
            yield before + b".." + after
    for fake in (b"\r\n. \r\n", b"\r\n.\t\r\n", b"\r\n.\r\n.", b"\r\n.\x85", b"\r\n.\xe2\x80\xa8",
                 b"\r\n\x2e\x0b", b"\r\n.\x0c\r\n", b"\r\n.\r"):
        yield fake


def end_of_first(octets):
    """Where a strict reader ends the first message: (message, rest)."""
    at = (b"\r\n" + octets).find(TRUE_END)
    return octets[:at], octets[at + 3:]


def unstuffed(octets):
    return (b"\r\n" + octets).replace(b"\r\n.", b"\r\n")[2:]


def has_bare(octets):
    return b"\r" in octets.replace(b"\r\n", b"") or b"\n" in octets.replace(b"\r\n", b"")


def normalised(octets):
    """As bare_newline normalise says: a bare LF becomes CR LF, a bare CR a blank."""
    out = bytearray()
    for i, o in enumerate(octets):
        if o == 13 and octets[i + 1:i + 2] != b"\n":
            out += b" "
        elif o == 10 and octets[i - 1:i] != b"\r":
            out += b"\r\n"
        else:
            out.append(o)
    return bytes(out)


def play_variant(mta, postern, fake, mode, split):
    """Sends a message with `fake` in it; returns what of it the MTA must have taken first."""
    c = Client(postern)
    c.hello()
    c.envelope()
    c.say("DATA", 354)
    octets = HEAD + b"last line" + fake + SECOND + TRUE_END
    first, rest = end_of_first(octets)
    for at in range(0, len(octets), split):
        c.send(octets[at:at + split])
    code, _ = first_reply = c.reply()
    refused = mode == "refuse" and has_bare(first)
    assert code == (550 if refused else 250), (fake, first_reply)
    if not rest:
        c.say("NOOP", 250)
    # Behind a true end in the middle, what follows are the client's own commands, good or bad.
    try:
        c.send(b"QUIT\r\n")
    except OSError:
        pass
    told = b"queued as" in first_reply[1]
    while True:
        code, text = c.reply()
        told += text.count(b"queued as")
        if code is None:
            break
    c.close()
    taken = [t.ours() for t in mta.taken]
    assert told == len(taken), (fake, told, taken)
    assert len(taken) <= (2 if rest else 1), (fake, taken)
    if not refused:
        want = unstuffed(first)
        assert taken[0] == (normalised(want) if mode == "normalise" else want), (fake, taken)
    for t in taken:
        assert not has_bare(t), (fake, t)


def run_mode(mode, split):
    mta = MTA()
    postern = Postern(mta.port, "bare_newline " + mode)
    try:
        for fake in variants():
            del mta.taken[:]
            play_variant(mta, postern, fake, mode, split)
    finally:
        postern.stop()
        mta.stop()


for _mode in ("refuse", "normalise"):
    for _split in (100000, 1):
        CASES.append(("%d ends that are none, %s, in pieces of %d" %
                      (len(list(variants())), _mode, _split),
                      lambda mode=_mode, split=_split: run_mode(mode, split)))


def header_edges():
    "what stands first in a message cannot become part of our fields, nor of the dialogue"
    mta = MTA()
    postern = Postern(mta.port)
    try:
        for message, code in ((b"From nobody Thu Jan  1\r\nA: 1\r\n\r\nx\r\n", 250),
                              (b"From a\r\n>>From b\r\nA: 1\r\n\r\nx\r\n", 250),
                              (b"From a\r\n", 250),
                              (b"From a\r\n A: continued\r\n\r\n", 550),
                              (b">From " + b"x" * 5000 + b"\r\nA: 1\r\n\r\n", 250),
                              (b".hidden: 1\r\n\r\nx\r\n", 250),
                              (b"..\r\n", 250),
                              (b"\r\nMAIL FROM:<x@example.net>\r\n", 250),
                              (b":\r\n\r\n", 250),
                              (b"\tcontinued\r\n\r\n", 550),
                              (b" \r\n", 550)):
            c = Client(postern)
            c.hello()
            c.envelope()
            del mta.taken[:]
            c.data(play.stuffed(message), code)
            assert [t.ours() for t in mta.taken] == [message] * (code == 250), mta.taken[0].ours()
            c.close()
    finally:
        postern.stop()
        mta.stop()


CASES.append((header_edges.__doc__, header_edges))


def address_octets():
    "nothing in an address can become a second command at the MTA"
    mta = MTA()
    postern = Postern(mta.port)
    try:
        for path in (b"<a@example.net\r>", b"<a@example.net\n>", b"<a\0@example.net>",
                     b"<a@example.net>\rRCPT TO:<x@example.org>", b"<\"a\rb\"@example.net>",
                     b"<a@exam\x7fple.net>", b"<a b@example.net>", b"<a@example.net> X\r",
                     b"<a@example.net>>", b"<<a@example.net>"):
            c = Client(postern)
            c.hello()
            c.send(b"MAIL FROM:" + path + b"\r\n")
            code, _ = c.reply()
            assert 500 <= code <= 599, (path, code)
            c.close()
            c = Client(postern)
            c.hello()
            c.say("MAIL FROM:<>", 250)
            c.send(b"RCPT TO:" + path + b"\r\n")
            code, _ = c.reply()
            assert 500 <= code <= 599, (path, code)
            c.close()
        c = Client(postern)
        c.hello()
        c.say('MAIL FROM:<"a b\\"<>"@example.net>', 250)
        c.say("RCPT TO:<b@example.org>", 250)
        c.close()
        assert mta.lines[-2:] == [b'MAIL FROM:<"a b\\"<>"@example.net>', b"RCPT TO:<b@example.org>"]
    finally:
        postern.stop()
        mta.stop()


CASES.append((address_octets.__doc__, address_octets))


if __name__ == "__main__":
    play.main(CASES)
