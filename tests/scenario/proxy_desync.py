"""Where messages end and commands begin: streams made from a seed, each in one packet, octet by octet, and cut near dots and
line ends. The messages that the mail server takes are those that the client is told 250 for, by hash, and those that
are in the stream by the letter of the standards, however it comes."""

import hashlib
import random
import socket
import tempfile

import play
import streams
from certificates import Authority, setting
from play import Client, MTA, Postern

STREAMS = 100
CASES = []


def hashes(messages):
    return [hashlib.sha256(m).hexdigest() for m in messages]


def everything(c):
    """How many messages the client is told of, until the end."""
    told = 0
    while True:
        code, text = c.reply()
        told += text.count(b"queued as")
        if code is None:
            return told


def send(postern, c, stream, how, r):
    """False: the other side has closed before all was sent."""
    try:
        for piece in streams.pieces(stream, how, r):
            c.send(piece)
            if how == "cut":
                play.until(lambda: streams.consumed(postern.port, c.socket.getsockname()[1]), "it to be read")
        c.socket.shutdown(socket.SHUT_WR)
    except OSError:
        return False
    return True


def play_stream(mta, postern, stream, how, r):
    del mta.taken[:]
    c = Client(postern)
    c.hello()
    send(postern, c, stream, how, r)
    told = everything(c)
    c.close()
    want = [octets for _, octets in streams.expected(stream)]
    what = "%s: %r" % (how, stream)
    got = [t.ours() for t in mta.taken]
    assert told == len(got), (what, "told of %d, taken %d" % (told, len(got)))
    assert hashes(got) == hashes(want), (what, got, want)
    return told


def case(how, binary):
    def run():
        mta = MTA(ehlo=(b"SIZE", b"8BITMIME") + ((b"CHUNKING", b"BINARYMIME") if binary else ()))
        mta.says["RCPT"] = lambda dialogue, line: b"550 5.1.1 no\r\n" if b"<nobody" in line else None
        postern = Postern(mta.port, "errors 1000\nmessage_size 100k\ndeliver once off")
        try:
            mta.probed()
            r = random.Random(1)
            told = sum(play_stream(mta, postern, stream, how, r)
                       for stream in streams.streams(5000 if binary else 1000, STREAMS, binary))
            assert told > STREAMS // 4, told
        finally:
            postern.stop()
            mta.stop()
    CASES.append(("%d streams, %s, %s" % (STREAMS, how, "BINARYMIME" if binary else "DATA"), run))


for _binary in (False, True):
    for _how in ("joined", "single octets", "cut"):
        case(_how, _binary)


def past_starttls():
    "nothing sent past STARTTLS is run, in whatever packets"
    folder = tempfile.mkdtemp(prefix="postern-desync-")
    authority = Authority(folder)
    mta = MTA()
    postern = Postern(mta.port, setting(authority.sign("ours", "mx.example.org")))
    evil = (b"STARTTLS\r\n" + b"EHLO a.test\r\nMAIL FROM:<evil@smuggled.test>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\n"
            b"Subject: inner\r\n\r\nx\r\n.\r\nBDAT 3 LAST\r\nabc")
    r = random.Random(2)
    try:
        mta.probed()
        for how in ("joined", "single octets") + ("cut",) * 20:
            for before in (b"", b"MAIL FROM:<a@other.test>\r\nRCPT TO:<b@example.org>\r\nRSET\r\n"):
                c = Client(postern)
                c.hello()
                del mta.lines[:]
                send(postern, c, before + evil, how, r)
                assert everything(c) == 0
                c.close()
                assert not [line for line in mta.lines if b"smuggled" in line or b"victim" in line], (how, mta.lines)
        assert not mta.taken
    finally:
        postern.stop()
        mta.stop()
        play.shutil.rmtree(folder)


CASES.append((past_starttls.__doc__, past_starttls))


if __name__ == "__main__":
    play.main(CASES)
