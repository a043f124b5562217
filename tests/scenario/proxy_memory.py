"""The ceiling that posternd publishes (docs/limits.md, event=ceiling) holds: every session that may be does
its worst at the same time, and the worker's memory, at its highest, stays below."""

import os
import re
import shutil
import ssl
import tempfile
import threading

import play
from certificates import Authority, setting
from play import Client, MTA, Postern

SESSIONS = 24
LONG = "a" * 60
FOLDER = tempfile.mkdtemp(prefix="postern-memory-")
RULES = 'at message { reject 550 5.7.1 "No" if dkim is fail and spf is fail }'
SETTINGS = """sessions %d
sessions_per_client 1000
recipients 100000
memory_held 4M
dns timeout 60s
dns budget 60s
%s
"""
HEADER = (b"From: a@example.net\r\n"
          b"DKIM-Signature: v=1; a=rsa-sha256; d=example.net; s=x; h=from; bh=MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=; b=MTIz\r\n"
          + b"".join(b"X-%d: " % i + b"x" * 120 + b"\r\n" for i in range(900)))


def sanitized():
    with open(play.posternd(), "rb") as f:
        octets = f.read()
    return b"libasan" in octets or b"__asan_init" in octets


def worker_of(postern):
    """The one child of the master that has threads."""
    master = postern.process.pid
    with open("/proc/%d/task/%d/children" % (master, master)) as f:
        children = [int(p) for p in f.read().split()]
    return max(children, key=lambda p: len(os.listdir("/proc/%d/task" % p)))


def highest(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"VmHWM:\s+(\d+) kB", f.read()).group(1)) * 1024


def taken_in(port):
    """Nothing that was sent to this port is left in the system's buffers, on either side."""
    with open("/proc/net/tcp") as f:
        rows = [line.split() for line in f][1:]
    ours = ":%04X" % port
    return all(r[4] == "00000000:00000000" for r in rows if r[1].endswith(ours) or r[2].endswith(ours))


def mailbox(i, domain):
    return "%s%04d@%s" % (LONG, i, ".".join([LONG[:56]] * 3) + "." + domain)


def greeted(postern, context):
    c = Client(postern)
    c.hello()
    c.say("STARTTLS", 220)
    c.starttls(context)
    c.say("EHLO " + ".".join([LONG] * 4), 250)
    c.say("MAIL FROM:<%s>" % mailbox(0, "example.net"), 250)
    return c


def recipients(c, first, n):
    """The codes for so many recipients, sent together."""
    c.send("".join("RCPT TO:<%s>\r\n" % mailbox(first + i, "example.org") for i in range(n)).encode())
    return [c.reply() for i in range(n)]


def most_recipients(postern, context):
    """How many there are to a transaction before it takes too much memory."""
    c = greeted(postern, context)
    n = 0
    while True:
        replies = recipients(c, n, 50)
        if any(code != 250 for code, text in replies):
            break
        n += 50
    over = next(text for code, text in replies if code != 250)
    assert b"452 4.3.1 The transaction takes too much memory" in over, over
    c.close()
    return n


def worst(postern, context, n, index, failures):
    try:
        c = greeted(postern, context)
        for first in range(0, n, 50):
            for code, text in recipients(c, first, 50):
                assert code == 250, text
        c.say("DATA", 354)
        # Some are held in the midst of the header, some have one and more than fits into memory.
        c.send(HEADER)
        if index % 2:
            c.send(b"\r\n" + (b"a" * 76 + b"\r\n") * 8000)
        clients[index] = c
    except Exception as e:
        failures.append(e)


clients = {}


def ceiling():
    "the worker takes no more than the ceiling, and each session its share of it"
    authority = Authority(FOLDER)
    files = setting(authority.sign("ours", "mx.example.org"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    mta = MTA()
    postern = Postern(mta.port, SETTINGS % (SESSIONS, files), RULES, threads=2)
    try:
        told = dict(re.findall(r"(\w+)=(\d+)", re.search(r"event=ceiling (.*)", postern.log_text()).group(1)))
        told = {k: int(v) for k, v in told.items()}
        assert told["sessions"] == SESSIONS and told["held"] == 4 << 20, told
        assert told["total"] == told["fixed"] + told["session"] * SESSIONS + told["held"], told
        worker = worker_of(postern)
        n = most_recipients(postern, context)
        before = highest(worker)
        failures = []
        threads = [threading.Thread(target=worst, args=(postern, context, n, i, failures))
                   for i in range(SESSIONS)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert not failures, failures[0]
        # What was sent has been taken in.
        play.until(lambda: taken_in(postern.port), "the octets to be taken")
        after = highest(worker)
        each = (after - before) / SESSIONS
        print("# at first %d KiB, at the highest %d KiB of %d KiB; a session %d KiB of %d KiB, with %d recipients"
              % (before >> 10, after >> 10, told["total"] >> 10, int(each) >> 10, told["session"] >> 10, n))
        assert after < told["total"], (after, told)
        assert each < told["session"], (each, told)
        # Else they did not do their worst.
        assert each > told["session"] / 4, (each, told)
        for c in clients.values():
            c.close()
    finally:
        postern.stop()
        mta.stop()


if sanitized():
    print("1..0 # SKIP a sanitizer's own memory is not to be told from ours")
else:
    play.main([(ceiling.__doc__, ceiling)], FOLDER)
shutil.rmtree(FOLDER, ignore_errors=True)
