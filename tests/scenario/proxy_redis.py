"""One state for many machines: several posternds that share a real Redis, and what becomes of mail when that is slow, killed,
failed over or locked."""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import play
from certificates import Authority
from play import Client, MTA, Postern, stuffed
from redis import Redis, Sentinel, Tunnel

GREYLIST = """
greylist { %s use spf off; use name off; network ipv4 32; network proven after 1 }
at rcpt { tempfail 451 4.7.1 "wait ${greylist.wait}" if greylist is waiting }
"""
PLAN = """list near { 127.0.0.0/8 }
plan p { %s; for clients in near }
at rcpt { tempfail 452 4.7.1 "${quota.used} of ${quota.limit} used" if quota is over }
"""
MESSAGE = stuffed(b"From: a@example.net\r\nSubject: x\r\n\r\nHello\r\n")
MANY = "sessions_per_client 200\n"
# A machine that does other things too may need longer than 50 ms for an answer of Redis. And who waits for one in vain waits so long
# that no machine is as slow without.
TIMEOUT = 5
PATIENT = "store timeout %ds\n" % TIMEOUT

CASES = []


def case(function):
    CASES.append((function.__doc__, function))
    return function


class World:
    """A mail server, a Redis, and so many posternds before the one that share the other."""

    def __init__(self, rules, n=1, settings="", store=None, password=None, threads=1):
        self.stack = contextlib.ExitStack()
        self.mta = MTA()
        self.stack.callback(self.mta.stop)
        self.redis = Redis(password=password)
        self.stack.callback(self.redis.stop)
        store = store or "store redis 127.0.0.1 port {port}"
        self.store = store.format(port=self.redis.port, socket=self.redis.socket)
        self.rules, self.settings, self.threads = rules, settings + PATIENT, threads
        self.posterns = [self.another() for _ in range(n)]

    def another(self, store=None):
        return Postern(self.mta.port, self.settings, self.rules, threads=self.threads, store=store or self.store)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        wrong = None
        for p in self.posterns:
            try:
                p.stop()
            except AssertionError as e:
                wrong = e
        self.stack.close()
        if kind is None and wrong:
            raise wrong


def attempt(postern, sender="a@example.net", recipient="b@example.org", source=""):
    """(the code that decided, the longest time that a command took)"""
    c = Client(postern, source=source)
    c.hello()
    slowest = 0
    for line in ("MAIL FROM:<%s>" % sender, "RCPT TO:<%s>" % recipient, "DATA"):
        began = time.monotonic()
        c.send(line.encode() + b"\r\n")
        code, _ = c.reply()
        slowest = max(slowest, time.monotonic() - began)
        if code not in (250, 354):
            break
    else:
        began = time.monotonic()
        c.send(MESSAGE)
        code, _ = c.reply()
        slowest = max(slowest, time.monotonic() - began)
    c.close()
    return code, slowest


def code(*args, **kwargs):
    return attempt(*args, **kwargs)[0]


def command(postern, *words):
    """`postern` beside it: exit code and output."""
    status, said, complaint = postern.command(*words)
    return status, said + complaint


def lines(postern, state):
    return [line for line in postern.log_text().splitlines() if "name=redis state=" + state in line]


@case
def shared():
    "Who was seen at one posternd and comes back at the other is let in, and known at both"
    with World(GREYLIST % "delay 3s;", n=2) as w:
        a, b = w.posterns
        began = time.monotonic()
        assert code(a) == 451
        # It is the same one, unless this machine has let the delay pass.
        assert code(b) == 451 or time.monotonic() - began > 2
        play.until(lambda: code(b) == 250, "the delay")
        assert code(a, sender="other@example.net") == 250
        assert w.redis.keys() and all(k.startswith("postern:") for k in w.redis.keys()), w.redis.keys()
        assert not lines(a, "failing") and not lines(b, "failing")


@case
def sandboxed():
    "All of it happens within the sandbox, if this build has one"
    with World(GREYLIST % "delay 1h;") as w:
        assert code(w.posterns[0]) == 451
        log = w.posterns[0].log_text()
        assert re.search("process=worker folders=(held|free) calls=held", log) or "process=worker state=off" in log, log


def send_until_refused(postern, refusals):
    c = Client(postern)
    c.hello()
    refusals.append(c.until_refused(MESSAGE))
    c.close()


def at_once(work):
    threads = [threading.Thread(target=f, args=args) for f, *args in work]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


@case
def exact():
    "A plan of a hundred is a hundred, with sessions at the same time at two posternds of two loops each"
    with World(PLAN % "100 messages per day", n=2, settings=MANY, threads=2) as w:
        refusals = []
        at_once([(send_until_refused, p, refusals) for p in w.posterns for _ in range(8)])
        assert len(w.mta.taken) == 100, len(w.mta.taken)
        assert len(refusals) == 16 and all(b"452 4.7.1 " in r for r in refusals), refusals
        assert not any(lines(p, "failing") for p in w.posterns)


@case
def counted():
    "No count is lost: as many as were taken stand in the store in the end"
    with World(PLAN % "100000 messages per day", n=2, settings=MANY, threads=2) as w:
        def send(postern):
            c = Client(postern)
            c.hello()
            for _ in range(25):
                c.envelope()
                c.data(MESSAGE, 250)
            c.close()
        at_once([(send, p) for p in w.posterns for _ in range(6)])

        def used():
            status, text = command(w.posterns[0], "quota", "show", "127.0.0.1", "--json")
            return status == 0 and int(re.search('"used": ?([0-9]+)', text).group(1))
        play.until(lambda: used() >= 300, "all to be counted")
        assert used() == 300, used()


class Load:
    """Sessions that go on and on; when each began, what it was told, and how long a command took."""

    def __init__(self, posterns, n):
        self.stopping = False
        self.done = []
        self.wrong = []
        self.n = 0
        self.threads = [threading.Thread(target=self.run, args=(p, i), daemon=True)
                        for p in posterns for i in range(n)]
        for t in self.threads:
            t.start()

    def run(self, postern, i):
        k = 0
        while not self.stopping:
            k += 1
            try:
                began = time.monotonic()
                got = attempt(postern, "u%d.x@n%s.example" % (k, "abcdefghijkl"[i]))
                self.done.append((began, *got))
            except (OSError, AssertionError, TypeError) as e:
                self.wrong.append(repr(e))
                return

    def since(self, then):
        """Of those that began after that."""
        return [(c, took) for began, c, took in self.done if began > then]

    def stop(self):
        self.stopping = True
        for t in self.threads:
            t.join(play.WAIT)
        assert not self.wrong, self.wrong
        assert not any(t.is_alive() for t in self.threads)


def in_time(times, before):
    """Nobody waited for Redis. Beside what they took before: a machine that does other things too is slower, with Redis or without."""
    times, before = sorted(times), sorted(before)
    most, usual = times[len(times) * 95 // 100], before[len(before) * 95 // 100]
    assert most < TIMEOUT / 2 + 3 * usual, (len(times), most, times[-20:], before[-20:])


@case
def killed():
    "Redis is killed under load: every command is answered in time, greylisting passes, the log says it once; and it comes back"
    with World(GREYLIST % "delay 1h;", n=2, settings=MANY, threads=2) as w:
        load = Load(w.posterns, 6)
        play.until(lambda: len(load.done) > 60, "some load")
        before = [took for _, _, took in load.done]
        assert {c for _, c, _ in load.done} == {451}, load.done[:5]
        w.redis.kill()
        then = time.monotonic()
        play.until(lambda: len(load.since(then + 0.3)) > 60, "load without Redis")
        answers = load.since(then + 0.3)
        assert answers and {c for c, _ in answers} == {250}, answers[:5]
        w.redis.start()
        for p in w.posterns:
            play.until(lambda: lines(p, "good"), "it to come back")
        then = time.monotonic()
        play.until(lambda: len(load.since(then + 0.3)) > 40, "load with Redis")
        load.stop()
        in_time([took for _, took in answers], before)
        in_time([took for _, _, took in load.done], before)
        assert {c for c, _ in load.since(then + 0.3)} == {451}
        for p in w.posterns:
            assert len(lines(p, "failing")) == 1 and len(lines(p, "good")) == 1, p.log_text()[-2000:]


@case
def stopped():
    "Redis hangs under load: once that is known nobody waits for it; and it comes back"
    with World(GREYLIST % "delay 1h;", settings=MANY) as w:
        load = Load(w.posterns, 6)
        play.until(lambda: len(load.done) > 60, "some load")
        before = [took for _, _, took in load.done]
        assert {c for _, c, _ in load.done} == {451}, load.done[:5]
        w.redis.kill(signal.SIGSTOP)
        then = time.monotonic()
        play.until(lambda: lines(w.posterns[0], "failing"), "it to be missed")
        away = time.monotonic()
        # Long enough for it to be tried again.
        play.until(lambda: len(load.since(away)) > 60 and load.since(away + 3), "load without Redis")
        assert {c for c, _ in load.since(then + 0.3)} == {250}, load.since(then + 0.3)[:5]
        answers = load.since(away)
        w.redis.kill(signal.SIGCONT)
        play.until(lambda: lines(w.posterns[0], "good"), "it to come back")
        then = time.monotonic()
        play.until(lambda: len(load.since(then)) > 40, "load with Redis")
        load.stop()
        in_time([took for _, took in answers], before)
        in_time([took for _, took in load.since(then)], before)
        assert {c for c, _ in load.since(then)} == {451}
        assert len(lines(w.posterns[0], "failing")) == 1 and len(lines(w.posterns[0], "good")) == 1


@case
def local_counters():
    "While Redis is away each posternd goes on counting by itself, from nothing"
    with World(PLAN % "5 messages per day", n=2, settings=MANY) as w:
        a, b = w.posterns
        for _ in range(3):
            assert code(a) == 250
        assert code(b) == 250 and code(b) == 250
        assert code(a) == 452
        w.redis.kill()
        for p in (a, b):
            play.until(lambda: lines(p, "failing"), "it to be missed")
            assert [code(p) for _ in range(6)] == [250] * 5 + [452]


@case
def tempfail():
    "when store unavailable tempfail: who would have been asked about waits, and nothing is counted apart"
    with World(GREYLIST % "delay 1h;" + PLAN % "5 messages per day", settings="when store unavailable tempfail\n") as w:
        assert code(w.posterns[0]) == 451
        w.redis.kill()
        c = Client(w.posterns[0])
        c.hello()
        c.say("MAIL FROM:<a@example.net>", 250)
        c.say("RCPT TO:<b@example.org>", 451, b"4.3.0")
        c.close()


@case
def not_there():
    "A Redis that is not there when posternd starts is no reason not to start"
    with World(GREYLIST % "delay 1h;") as w:
        w.redis.kill()
        late = w.another()
        w.posterns.append(late)
        assert code(late) == 250
        assert "Connection refused" in late.log_text()
        w.redis.start()
        play.until(lambda: lines(late, "good"), "it to come back")
        assert code(late) == 451


@case
def failover():
    "The master that Sentinels watch is killed: posternd finds the new one by itself, and what was known is known"
    with World(GREYLIST % "delay 1s;") as w:
        replica = Redis("--replicaof", "127.0.0.1 %d" % w.redis.port)
        sentinel = Sentinel(w.redis.port)
        try:
            play.until(sentinel.knows_replica, "the Sentinel to know the replica")
            p = w.another("store redis sentinel \"mymaster\" at 127.0.0.1 port %d, 127.0.0.1 port %d"
                          % (play.free_port(), sentinel.port))
            w.posterns.append(p)
            play.until(lambda: code(p) == 451, "the Sentinel to be asked")
            play.until(lambda: code(p) == 250, "the delay")
            play.until(lambda: replica.keys() == w.redis.keys() and replica.keys(), "replication")
            before = [attempt(p, source="127.0.0.8")[1] for _ in range(20)]
            w.redis.kill()
            times = []
            end = time.monotonic() + 120
            while not (sentinel.master() == replica.port and len(lines(p, "good")) > 0
                       and code(p, sender="new@elsewhere.example", source="127.0.0.7") == 451):
                assert time.monotonic() < end, p.log_text()[-3000:]
                times.append(attempt(p, source="127.0.0.8")[1])
                time.sleep(0.05)
            in_time(times, before)
            # proven before, at the old master
            assert code(p, sender="third@example.net") == 250
        finally:
            sentinel.stop()
            replica.stop()


@case
def unknown_master():
    "A Sentinel that knows no such master is told of in the log, and mail goes on"
    with World(GREYLIST % "delay 1h;") as w:
        sentinel = Sentinel(w.redis.port)
        try:
            p = w.another("store redis sentinel \"other\" at 127.0.0.1 port %d" % sentinel.port)
            w.posterns.append(p)
            play.until(lambda: lines(p, "failing"), "the log to tell")
            assert "knows no master of that name" in lines(p, "failing")[0], lines(p, "failing")
            assert code(p) == 250
        finally:
            sentinel.stop()


@case
def locked():
    "AUTH by a file that only posternd reads, a Unix socket, a prefix; the password stands in no log"
    store = 'store redis "{socket}"\nstore password file "secret"\nstore prefix "mail:"'
    with World(GREYLIST % "delay 1h;", n=0, password="s3cret word") as w:
        first = w.another("store redis 127.0.0.1 port %d" % w.redis.port)
        w.posterns.append(first)
        play.until(lambda: lines(first, "failing"), "the log to tell")
        assert "NOAUTH" in lines(first, "failing")[0]
        secret = os.path.join(first.folder, "secret")
        conf = os.path.join(first.folder, "locked.conf")
        with open(conf, "w") as f:
            f.write('store redis ::1\nstore password file "secret"\n')
        done = subprocess.run([play.posternd(), "-n", "-c", conf], stderr=subprocess.PIPE, text=True)
        assert done.returncode != 0 and "locked.conf:2:1: error: cannot read %s: No such" % secret in done.stderr, done
        with open(secret, "w") as f:
            f.write("s3cret word\n")
        store = store.replace('"secret"', '"%s/secret"' % first.folder).format(socket=w.redis.socket)
        p = w.another(store)
        w.posterns.append(p)
        play.until(lambda: code(p) == 451, "Redis")
        status, text = command(p, "greylist", "list")
        assert status == 0 and "a@example.net" in text, text
        assert w.redis.keys("mail:seen:*") and not w.redis.keys("postern:*")
        for each in w.posterns:
            assert "s3cret" not in each.log_text()


@case
def by_hand():
    "postern greylist, quota, backends, stats and test ask the shared store too, and the status of the mail servers is there"
    with World(GREYLIST % "delay 1h;" + PLAN % "5 messages per day", n=2) as w:
        a, b = w.posterns
        assert code(a) == 451
        status, text = command(b, "greylist", "list", "--json")
        rows = [json.loads(line) for line in text.splitlines()]
        assert status == 0 and {r["kind"] for r in rows} == {"pair", "triplet"}, text
        assert command(b, "greylist", "allow", "example.net", "--for", "1d")[0] == 0
        assert code(a) == 250
        status, text = command(b, "quota", "show", "127.0.0.1", "--json")
        assert status == 0 and '"used":1' in text.replace(" ", ""), text
        assert command(b, "quota", "set", "127.0.0.1", "1", "messages", "per", "day")[0] == 0
        assert code(a) == 452
        assert command(b, "quota", "reset", "127.0.0.1")[0] == 0
        assert code(a) == 250
        message = os.path.join(a.folder, "message")
        with open(message, "wb") as f:
            f.write(b"Subject: x\r\n\r\nHello\r\n")
        status, text = command(a, "test", "--ip", "127.0.0.1", "--from", "x@example.net", "--to", "b@example.org", message)
        assert "452" in text, text
        play.until(lambda: command(a, "backends")[0] == 0, "the status")
        assert command(a, "stats")[0] == 0
        assert command(b, "greylist", "remove", "example.net")[0] == 0
        w.redis.kill()
        status, text = command(a, "greylist", "list")
        assert status == 2 and "Connection refused" in text, text
        assert command(a, "backends")[0] == 0


@case
def tunnelled():
    "Through stunnel, as docs/redis.md says, to a Redis that speaks nothing but TLS; not to one with another's certificate"
    if not shutil.which("stunnel"):
        raise play.Skip("there is no stunnel")
    folder = tempfile.mkdtemp(prefix="postern-redis-tls-")
    authority = Authority(folder)
    redis = Redis(tls=authority.sign("redis", "redis.example.org"), password="s3cret")
    other = Redis(tls=authority.sign("other", "other.example.org"), password="s3cret")
    tunnels = [Tunnel(redis.port, authority.ca), Tunnel(other.port, authority.ca)]
    password = os.path.join(folder, "redis.password")
    with open(password, "w") as f:
        f.write("s3cret\n")
    store = 'store redis 127.0.0.1 port %d\nstore password file "' + password + '"'
    try:
        with World(GREYLIST % "delay 1s;", n=0) as w:
            a, b = w.posterns = [w.another(store % tunnels[0].port) for _ in range(2)]
            assert code(a) == 451
            play.until(lambda: code(b) == 250, "the delay")
            assert code(a, sender="other@example.net") == 250
            assert redis.keys() and not lines(a, "failing"), a.log_text()
            assert command(a, "store", "check")[0] == 0
            tunnels[0].kill()
            play.until(lambda: lines(a, "failing"), "it to be missed")
            assert code(a, sender="new@elsewhere.example", source="127.0.0.7") == 250
            tunnels[0].start()
            play.until(lambda: lines(a, "good"), "it to come back")
            assert code(a, sender="new@elsewhere.example", source="127.0.0.7") == 451
            wrong = w.another(store % tunnels[1].port)
            w.posterns.append(wrong)
            play.until(lambda: lines(wrong, "failing"), "the log to tell")
            assert code(wrong) == 250
            assert not other.keys()
            assert "Rejected by CERT" in tunnels[1].log_text(), tunnels[1].log_text()
    finally:
        for each in tunnels + [redis, other]:
            each.stop()
        shutil.rmtree(folder, ignore_errors=True)


def configured(postern, store, name):
    """A second configuration for the same folder."""
    with open(postern.conf) as f:
        text = re.sub("(?m)^store (sqlite|redis).*$", store, f.read())
    path = os.path.join(postern.folder, name)
    with open(path, "w") as f:
        f.write(text)
    return path


@case
def copied():
    "postern store copy moves what SQLite knows to Redis and back, while both are in use, and changes nothing the second time"
    with World(GREYLIST % "delay 1h;" + PLAN % "5 messages per day", n=0) as w:
        old, new = w.another("store sqlite"), w.another()
        w.posterns += [old, new]
        assert code(old) == 451
        assert command(old, "greylist", "allow", "known.example")[0] == 0
        assert code(old, sender="a@known.example") == 250
        assert command(old, "allow", "203.0.113.9", "--for", "any", "--any-rule", "--yes")[0] == 0
        assert code(new, sender="a@known.example") == 451

        def copy(where, conf=configured(old, w.store, "both.conf")):
            done = subprocess.run([play.postern(), "-c", conf, "store", "copy", "to", where, "--json"], text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            assert done.returncode == 0, done.stdout
            return json.loads(done.stdout)
        first = copy("redis")
        assert first["seen"]["changed"] >= 3 and first["counters"]["changed"] >= 1, first
        assert first["exceptions"] == {"read": 1, "changed": 1}, first
        again = copy("redis")
        assert all(t["changed"] == 0 for t in again.values()), again
        # what the one counted counts at the other
        assert code(new, sender="a@known.example") == 250
        assert '"used":2' in command(new, "quota", "show", "127.0.0.1", "--json")[1].replace(" ", "")
        assert code(new, sender="b@known.example") == 250
        assert command(new, "greylist", "allow", "other.example")[0] == 0
        copy("sqlite")
        assert code(old, sender="a@other.example") == 250
        assert '"used":4' in command(old, "quota", "show", "127.0.0.1", "--json")[1].replace(" ", "")
        again = copy("sqlite")
        assert all(t["changed"] == 0 for t in again.values()), again
        status, text = command(new, "forget", "a@example.net", "--json")
        assert status == 0 and json.loads(text)["store"] >= 1, text
        assert "a@example.net" not in command(new, "greylist", "list")[1]
        status, text = command(new, "store", "check")
        assert status == 0 and "answers in" in text, text
        assert "names no Redis" in command(old, "store", "copy", "to", "redis")[1]
        assert command(old, "store", "check")[0] == 0
        assert command(old, "store", "cpoy")[0] == 2


REFUSE = 'at mail { reject 550 5.7.1 "not from there" if sender.domain is "refused.example" }\n'


class Refusing(World):
    """Two posternds whose loops have looked for exceptions once: what they hear of from now on is a change."""

    def __init__(self, threads=1):
        super().__init__(REFUSE, n=2, threads=threads)
        self.changes = 0
        for p in self.posterns:
            play.until(lambda p=p: p.log_text().count("event=exceptions ") == threads, "the first look")


def refusal(postern, *words):
    """What a refusal is undone by, once it was told: the id in the reply. words: what goes with `postern allow`."""
    c = Client(postern)
    c.hello()
    text = c.say("MAIL FROM:<a@refused.example>", 550)
    c.close()
    number = re.search(rb"\[([a-z0-9]+)\]", text).group(1).decode()
    status, said = command(postern, "allow", number, "--yes", "--json", *words)
    assert status == 0, said
    return number, json.loads(said)


def known(w):
    """A change is known to each loop of every posternd, which says so once for each, and once at its start; they look twice
    a second. Two changes are not to be made before this was asked of the first."""
    w.changes += 1
    for p in w.posterns:
        play.until(lambda: p.log_text().count("event=exceptions ") == (w.changes + 1) * w.threads, "the change to be known")


def both(w, sender, want, changed=True, **kwargs):
    """What every posternd says, once it knows of the change."""
    if changed:
        known(w)
    got = [code(p, sender=sender, **kwargs) for p in w.posterns]
    assert got == [want] * len(w.posterns), (sender, want, got, [p.log_text()[-1500:] for p in w.posterns])


@case
def undone():
    "A refusal that one posternd gave and `postern allow ID` undoes is undone at all of them, and so is the undoing"
    with Refusing(threads=2) as w:
        a, b = w.posterns
        assert code(a, sender="a@refused.example") == code(b, sender="a@refused.example") == 550
        number, told = refusal(a)
        assert told["who"] == "127.0.0.1" and told["sender"] == "refused.example", told
        both(w, "a@refused.example", 250)
        # who is somewhere else, or from elsewhere, is not meant
        assert code(b, sender="a@refused.example", source="127.0.0.9") == 550
        rows = [json.loads(line) for line in command(b, "lists", "--json")[1].splitlines()]
        assert [r["number"] for r in rows if "number" in r] == [told["number"]], rows
        play.until(lambda: '"hits":2' in command(b, "lists", "--json")[1].replace(" ", ""), "the hits of both")
        # the entry is in the other's journal, what was made of it in the store
        assert command(b, "allow", "--undo", number)[0] == 0
        both(w, "a@refused.example", 550)
        assert not any(lines(p, "failing") for p in w.posterns)


@case
def undone_for_a_while():
    "An exception that expires holds at all posternds until then, and at none of them after it"
    with Refusing() as w:
        refusal(w.posterns[1], "--until", "12s")
        began = time.monotonic()
        both(w, "a@refused.example", 250)
        # it ends with a whole second
        time.sleep(max(13.2 - (time.monotonic() - began), 0))
        assert [code(p, sender="a@refused.example") for p in w.posterns] == [550, 550]
        status, text = command(w.posterns[0], "lists", "--json")
        assert status in (0, 1) and '"number"' not in text, text


@case
def blocked():
    "Whom `postern block` names at one posternd is blocked at all, before an allow, and is let in again when it is taken back"
    with Refusing() as w:
        a, b = w.posterns
        refusal(a)
        both(w, "a@refused.example", 250)
        status, said = command(b, "block", "127.0.0.1", "--yes", "--json")
        assert status == 0, said
        # in place of the greeting
        known(w)
        for p in w.posterns:
            c = Client(p, greet=False)
            c.expect(554, b"Blocked by the administrator")
            c.close()
        assert command(a, "lists", "remove", str(json.loads(said)["number"]))[0] == 0
        both(w, "a@refused.example", 250)


@case
def undone_without_redis():
    "While Redis is away the exceptions that were known hold, a change is refused with the reason, and an empty Redis has none"
    with Refusing() as w:
        a, b = w.posterns
        refusal(a)
        both(w, "a@refused.example", 250)
        w.redis.kill()
        for p in w.posterns:
            play.until(lambda: lines(p, "failing"), "it to be missed")
        both(w, "a@refused.example", 250, changed=False)
        status, text = command(b, "block", "192.0.2.1", "--yes")
        assert status == 2 and "Connection refused" in text, text
        w.redis.start()
        for p in w.posterns:
            play.until(lambda: lines(p, "good"), "it to come back")
        both(w, "a@refused.example", 550)
        refusal(b)
        both(w, "a@refused.example", 250)


if __name__ == "__main__":
    play.main(CASES)
