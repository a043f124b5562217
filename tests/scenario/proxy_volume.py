"""Plans to the message: sessions at the same time, right at the limit; what gives back, and what a kill leaves behind."""

import os
import signal
import sqlite3
import threading
import time

import play
from play import Client, MTA, Postern, stuffed

RULES = """list near { 127.0.0.0/8 }
plan p { %s; for clients in near }
at rcpt {
    tempfail 452 4.5.3 "At most ${recipients.allowed} recipients"  if recipients.allowed > 0 and recipients > recipients.allowed
    tempfail 452 4.7.1 "${quota.used} of ${quota.limit} used; again in ${quota.free}"  if quota is over
}
"""
MESSAGE = b"From: a@example.net\r\nSubject: x\r\n\r\nHello\r\n"
KEY = "rate:messages:client:127.0.0.1"

CASES = []


def case(limits, threads=1):
    def decorate(function):
        def run():
            mta = MTA()
            try:
                postern = Postern(mta.port, "sessions_per_client 100\n", RULES % limits, threads=threads)
                try:
                    function(mta, postern)
                finally:
                    postern.stop()
            finally:
                mta.stop()
        CASES.append((function.__doc__, run))
        return function
    return decorate


def number(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7f | 0x80])
        n >>= 7
    return out + bytes([n])


def store(postern):
    return sqlite3.connect(os.path.join(postern.folder, "store.db"), timeout=20)


def preload(postern, n, age=0, key=KEY):
    """As if so many had been sent so many seconds ago: the packed counter of db/window.h."""
    now = int(time.time()) - age
    blob = bytes([1]) + number(now) + bytes([0, 0, 1, 0]) + number(n) + bytes([0])
    with store(postern) as db:
        db.execute("INSERT OR REPLACE INTO counter (key, bins, expires) VALUES (?, ?, ?)",
                   (key, blob, now + 10 * 86400))


def held(postern, key=KEY, left=0):
    """How many are held for so many seconds or more."""
    with store(postern) as db:
        return db.execute("SELECT coalesce(sum(n), 0) FROM hold WHERE key = ? AND expires >= ?",
                          (key, time.time() + left)).fetchone()[0]


def send_until_refused(postern, refusals):
    c = Client(postern)
    c.hello()
    refusals.append(c.until_refused(stuffed(MESSAGE)))
    c.close()


def at_once(postern, n):
    refusals = []
    threads = [threading.Thread(target=send_until_refused, args=(postern, refusals)) for _ in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return refusals


def exactly(mta, postern, limit):
    preload(postern, limit - 30)
    refusals = at_once(postern, 12)
    assert len(mta.taken) == 30, len(mta.taken)
    assert len(refusals) == 12 and all(b"452 4.7.1 %d of %d used; again in " % (limit, limit) in r
                                       or b" of %d used; again in " % limit in r for r in refusals), refusals
    # whoever was first may have met others under way; now all is counted
    again = at_once(postern, 3)
    assert all(b"452 4.7.1 %d of %d used; again in " % (limit, limit) in r for r in again), again
    assert len(mta.taken) == 30


@case("1000 messages per day", threads=2)
def thousand(mta, postern):
    "a thousand a day is a thousand, with sessions at the same time on two loops"
    exactly(mta, postern, 1000)


@case("24000 messages per day", threads=2)
def business(mta, postern):
    "so is 24,000"
    exactly(mta, postern, 24000)


def waiting(postern):
    """A session that holds one message."""
    c = Client(postern)
    c.hello()
    c.envelope()
    return c


def refused(postern):
    c = Client(postern)
    c.hello()
    c.say("MAIL FROM:<a@example.net>", 250)
    c.say("RCPT TO:<b@example.org>", 452, b"1000 of 1000 used")
    c.close()


@case("1000 messages per day")
def gives_back(mta, postern):
    "what was not sent is given back: by RSET, by a client that goes away, by the mail server's refusal"
    preload(postern, 999)
    c = waiting(postern)
    refused(postern)
    c.say("RSET", 250)
    d = waiting(postern)
    refused(postern)
    d.close()
    play.until(lambda: held(postern) == 0, "the hold to go")
    mta.says["DOT"] = b"451 4.3.0 Not now\r\n"
    e = waiting(postern)
    e.data(stuffed(MESSAGE), 451)
    mta.says["DOT"] = b"554 5.6.0 Never\r\n"
    e.envelope()
    e.data(stuffed(MESSAGE), 554)
    del mta.says["DOT"]
    e.envelope()
    e.data(stuffed(MESSAGE), 250)
    refused(postern)
    e.close()
    assert len(mta.taken) == 1


@case("1000 messages per day; 2 recipients per message")
def recipients(mta, postern):
    "more recipients than the plan allows a message get 452 4.5.3, the others pass"
    c = Client(postern)
    c.hello()
    c.envelope(rcpts=("a@example.org", "b@example.org"))
    c.say("RCPT TO:<c@example.org>", 452, b"452 4.5.3 At most 2 recipients")
    c.data(stuffed(MESSAGE), 250)
    c.close()
    assert len(mta.taken[0].rcpts) == 2


@case("1000 messages per day")
def resumes(mta, postern):
    "it resumes by itself when the window has moved on, and the postmaster is always reached"
    preload(postern, 1000)
    refused(postern)
    c = Client(postern)
    c.hello()
    c.envelope(rcpts=("postmaster",))
    c.data(stuffed(MESSAGE), 250)
    c.envelope(rcpts=("postmaster@example.org",))
    c.data(stuffed(MESSAGE), 250)
    preload(postern, 1000, age=90000)
    c.envelope()
    c.data(stuffed(MESSAGE), 250)
    c.close()
    assert len(mta.taken) == 3


def worker(postern):
    """The process that has the store open."""
    with open("/proc/%d/task/%d/children" % (postern.process.pid, postern.process.pid)) as f:
        children = [int(pid) for pid in f.read().split()]
    for pid in children:
        with open("/proc/%d/maps" % pid) as maps:
            if "store.db-shm" in maps.read():
                return pid
    raise AssertionError("no child has the store open")


def killed():
    mta = MTA()
    postern = None
    try:
        postern = Postern(mta.port, "", RULES % "1000 messages per day")
        preload(postern, 990)
        mta.says["DOT"] = play.HANG
        sent = [waiting(postern) for _ in range(4)]
        for c in sent:
            c.say("DATA", 354)
            c.send(stuffed(MESSAGE))
        play.until(lambda: mta.connections > 4, "the messages to be on their way")
        far = "SELECT count(*) FROM hold WHERE key = ? AND expires > ?"
        def offered():
            with store(postern) as db:
                return db.execute(far, (KEY, time.time() + 80000)).fetchone()[0] == 4
        play.until(offered, "four messages to be offered")
        begun = [waiting(postern) for _ in range(6)]
        refused(postern)
        os.kill(worker(postern), signal.SIGKILL)
        for c in sent + begun:
            c.close()
        # Ten are gone without a word: all of them still count.
        def back():
            try:
                refused(postern)
                return True
            except (OSError, AssertionError):
                return False
        play.until(back, "the new worker to refuse")
        # When the short holds are over, six are free again; the four may have been delivered.
        with store(postern) as db:
            db.execute("UPDATE hold SET expires = ? WHERE expires < ?", (int(time.time()) - 1, time.time() + 80000))
        del mta.says["DOT"]
        assert len(at_once(postern, 5)) == 5
        assert len(mta.taken) == 6, len(mta.taken)
    finally:
        if postern:
            try:
                postern.stop()
            except AssertionError as e:
                if "killed by" not in str(e) or "Sanitizer" in str(e):
                    raise
        mta.stop()


CASES.append(("a worker that is killed leaves holds that keep the limit, and expire", killed))

if __name__ == "__main__":
    play.main(CASES)
