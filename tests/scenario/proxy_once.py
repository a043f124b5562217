"""A message that the mail server took is delivered once, even if the client went away before it heard so; and
whoever sends the same message twice on purpose has it delivered twice."""

import os
import shutil
import socket
import sqlite3
import struct
import subprocess
import threading

import play
from play import Client, MTA, Postern, stuffed

MESSAGE = b"From: a@example.net\r\nTo: b@example.org\r\nSubject: x\r\n\r\nHello\r\n..\r\n"

CASES = []


class Slow(MTA):
    """Counts what it takes, and says 250 only when it may."""

    def __init__(self):
        super().__init__()
        self.may = threading.Event()
        self.may.set()
        self.at_dot = 0
        self.says["DOT"] = self.dot

    def dot(self, dialogue, line):
        self.at_dot += 1
        n = self.at_dot
        assert self.may.wait(play.WAIT)
        return b"250-2.0.0 Ok\r\n250 2.0.0 queued as M%d\r\n" % n


def with_options(settings=""):
    def decorate(function):
        def run():
            mta = Slow()
            postern = Postern(mta.port, settings)
            try:
                function(mta, postern)
            finally:
                mta.may.set()
                postern.stop()
                mta.stop()
        CASES.append((function.__doc__, run))
        return function
    return decorate


def store(postern, sql):
    db = sqlite3.connect("file:%s/store.db?mode=ro" % postern.folder, uri=True)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def remembered(postern):
    return store(postern, "SELECT count(*) FROM delivered")[0][0]


def reset(c):
    """Ends the connection so that nothing of ours arrives any more."""
    c.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    c.close()


def vanish(mta, postern, message=MESSAGE, **envelope):
    """Sends a message, and is gone before the mail server has taken it."""
    before = mta.at_dot
    mta.may.clear()
    c = Client(postern)
    c.hello()
    c.envelope(**envelope)
    c.say("DATA", 354)
    c.send(stuffed(message))
    play.until(lambda: mta.at_dot == before + 1, "the message to reach the mail server")
    reset(c)
    mta.may.set()
    play.until(lambda: "event=untold" in postern.log_text(), "the end of the session")


def again(postern, message=MESSAGE, **envelope):
    """Sends it once more, in order; the reply."""
    c = Client(postern)
    c.hello()
    c.envelope(**envelope)
    c.say("DATA", 354)
    c.send(stuffed(message))
    code, text = c.reply()
    assert code == 250
    # The session goes on as after any message.
    c.say("NOOP", 250)
    c.say("QUIT", 221)
    c.expect_end()
    c.close()
    return text


@with_options()
def vanished(mta, postern):
    "who was gone before 250 and comes again is told the first reply, and nothing is delivered twice"
    vanish(mta, postern)
    for _ in range(2):
        text = again(postern)
        assert text == b"250-2.0.0 Ok\r\n250 2.0.0 queued as M1\r\n", text
    assert len(mta.taken) == 1
    db = sqlite3.connect("file:%s/journal.db?mode=ro" % postern.folder, uri=True)
    play.until(lambda: db.execute("SELECT count(*) FROM entry WHERE rule = 'delivered before'"
                                  " AND verdict = 'accept'").fetchone()[0] == 2, "the entries")
    db.close()


@with_options()
def others(mta, postern):
    "another message, sender or recipient is another message; the order of recipients is none"
    two = ("b@example.org", "c@example.org")
    vanish(mta, postern, rcpts=two)
    assert b"M2" in again(postern)
    assert b"M3" in again(postern, rcpts=two, sender="x@example.net")
    assert b"M4" in again(postern, MESSAGE + b"\r\n", rcpts=two)
    assert b"M5" in again(postern, rcpts=two + ("d@example.org",))
    assert b"M6" in again(postern, rcpts=two[1:])
    assert b"M1" in again(postern, rcpts=two[::-1])
    assert len(mta.taken) == 6


@with_options()
def heard(mta, postern):
    "who heard and sends the same again has it delivered again, and nothing stays remembered"
    for n in (1, 2):
        assert b"M%d" % n in again(postern)
    c = Client(postern)
    c.hello()
    for n in (3, 4):
        c.envelope()
        c.say("DATA", 354)
        c.send(stuffed(MESSAGE))
        c.expect(250, b"M%d" % n)
    c.say("QUIT", 221)
    c.close()
    assert len(mta.taken) == 4
    play.until(lambda: remembered(postern) == 0, "all to be forgotten")


@with_options()
def quit_at_once(mta, postern):
    "QUIT right behind the dot, as Postfix does it, counts as heard once all was acknowledged"
    for n in (1, 2):
        c = Client(postern)
        c.hello()
        c.envelope()
        c.say("DATA", 354)
        c.send(stuffed(MESSAGE) + b"QUIT\r\n")
        c.expect(250, b"M%d" % n)
        c.expect(221)
        c.expect_end()
        c.close()
        play.until(lambda: remembered(postern) == 0, "it to be forgotten")
    assert len(mta.taken) == 2


@with_options()
def not_waiting(mta, postern):
    "of several messages that were sent without waiting for replies, all are forgotten when the last was heard"
    c = Client(postern)
    c.hello()
    c.send(b"".join(b"MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n" +
                    stuffed(MESSAGE + b"%d\r\n" % n) for n in range(3)) + b"QUIT\r\n")
    for n in range(3):
        for code in (250, 250, 354):
            c.expect(code)
        c.expect(250, b"M%d" % (n + 1))
    c.expect(221)
    c.close()
    play.until(lambda: remembered(postern) == 0, "all to be forgotten")
    assert len(mta.taken) == 3


def sent(postern, octets):
    """A client that has sent a message and waits for the reply."""
    c = Client(postern)
    c.hello()
    c.envelope()
    c.say("DATA", 354)
    c.send(octets)
    return c


@with_options()
def closed(mta, postern):
    "who reads 250 and closes without a word has heard it"
    for n in (1, 2):
        c = sent(postern, stuffed(MESSAGE))
        c.expect(250, b"M%d" % n)
        c.close()
        play.until(lambda: remembered(postern) == 0, "it to be forgotten")
    assert len(mta.taken) == 2


@with_options()
def unread(mta, postern):
    "who closes with 250 unread has not heard it"
    c = sent(postern, stuffed(MESSAGE))
    play.until(lambda: c.socket.recv(1, socket.MSG_PEEK), "the reply")
    c.close()
    play.until(lambda: "event=untold" in postern.log_text(), "the end of the session")
    assert b"M1" in again(postern)
    assert len(mta.taken) == 1


@with_options()
def half_closed(mta, postern):
    "who has said that no more will come before the reply gives no sign of having heard it"
    mta.may.clear()
    c = sent(postern, stuffed(MESSAGE))
    c.socket.shutdown(socket.SHUT_WR)
    play.until(lambda: mta.at_dot == 1, "the message to reach the mail server")
    mta.may.set()
    c.expect(250)
    c.close()
    play.until(lambda: "event=untold" in postern.log_text(), "the end of the session")
    assert b"M1" in again(postern)


@with_options()
def side_by_side(mta, postern):
    "equal messages over several connections at a time are delivered each"
    # All of them are there before the first is answered, however long that takes.
    mta.may.clear()
    clients = [sent(postern, stuffed(MESSAGE)) for _ in range(20)]
    play.until(lambda: mta.at_dot == 20, "all messages to reach the mail server")
    mta.may.set()
    for c in clients:
        c.expect(250)
    for c in clients:
        c.close()
    assert len(mta.taken) == 20
    play.until(lambda: remembered(postern) == 0, "all to be forgotten")


@with_options()
def lingers(mta, postern):
    "a client that is silent, but there, has not heard after a while: it may be gone without a word"
    c = sent(postern, stuffed(MESSAGE))
    play.until(lambda: remembered(postern) == 1, "the row")
    # Its time, as if so much had passed.
    db = sqlite3.connect(os.path.join(postern.folder, "store.db"), timeout=play.WAIT)
    with db:
        db.execute("UPDATE delivered SET ready = ready - 5")
    db.close()
    assert b"M1" in again(postern)
    c.expect(250, b"M1")
    c.say("QUIT", 221)
    c.close()
    play.until(lambda: remembered(postern) == 0, "it to be forgotten")


@with_options()
def quit_unheard(mta, postern):
    "QUIT that was sent ahead does not count when our octets never arrived"
    mta.may.clear()
    c = Client(postern)
    c.hello()
    c.envelope()
    c.say("DATA", 354)
    c.send(stuffed(MESSAGE) + b"QUIT\r\n")
    play.until(lambda: mta.at_dot == 1, "the message to reach the mail server")
    reset(c)
    mta.may.set()
    play.until(lambda: "event=untold" in postern.log_text(), "the end of the session")
    assert b"M1" in again(postern)


@with_options()
def refused(mta, postern):
    "what the mail server did not take is not remembered"
    mta.says["DOT"] = b"451 4.3.0 later\r\n"
    c = Client(postern)
    c.hello()
    c.envelope()
    c.data(stuffed(MESSAGE), 451)
    c.close()
    mta.says["DOT"] = mta.dot
    assert b"M1" in again(postern)


@with_options()
def started_again(mta, postern):
    "it is remembered by the next posternd too"
    vanish(mta, postern)
    postern.process.terminate()
    assert postern.process.wait(play.WAIT) == 0
    postern.process = subprocess.Popen([play.posternd(), "-f", "-c", postern.conf],
                                       stderr=postern.log, stdout=postern.log)
    play.until(postern._answers, "posternd to listen")
    assert b"M1" in again(postern)
    assert len(mta.taken) == 1


@with_options()
def no_store(mta, postern):
    "without the store it is delivered, twice if need be: that is better than not at all"
    vanish(mta, postern)
    path = os.path.join(postern.folder, "store.db")
    for end in ("", "-wal", "-shm"):
        if os.path.exists(path + end):
            os.remove(path + end)
    os.mkdir(path)
    play.until(lambda: b"M1" not in again(postern), "the store to be missed")
    assert "name=store state=failing" in postern.log_text()
    shutil.rmtree(path)


@with_options("deliver once off")
def off(mta, postern):
    "deliver once off: it is delivered as often as it comes"
    mta.may.clear()
    c = Client(postern)
    c.hello()
    c.envelope()
    c.say("DATA", 354)
    c.send(stuffed(MESSAGE))
    play.until(lambda: mta.at_dot == 1, "the message to reach the mail server")
    reset(c)
    mta.may.set()
    assert b"M2" in again(postern)
    assert remembered(postern) == 0


if __name__ == "__main__":
    play.main(CASES)
