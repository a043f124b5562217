"""Open or closed by choice: what becomes of mail when DNS or store do not answer is what the
configuration says, and the journal tells which it was. The name server of these cases is not there."""

import os
import shutil
import subprocess

import play
from play import Client, MTA, Postern, stuffed

MESSAGE = b"From: a@example.net\r\nTo: b@example.org\r\nSubject: x\r\n\r\nHello\r\n"
SETTINGS = "dns timeout 300ms\ndns budget 300ms\n"
SPF = 'at mail { reject 550 5.7.23 "No" if spf is fail }'
GREYLIST = 'at rcpt { tempfail 451 4.7.1 "Later" if greylist is waiting }\ngreylist { use spf off }'

CASES = []


def with_options(settings="", rules=SPF):
    def decorate(function):
        def run():
            mta = MTA()
            postern = Postern(mta.port, SETTINGS + settings, rules)
            try:
                function(mta, postern)
            finally:
                postern.stop()
                mta.stop()
        CASES.append((function.__doc__, run))
        return function
    return decorate


def entry(postern, verdict, observed=""):
    """The one entry of that verdict, once it is there."""
    found = []

    def there():
        found[:] = [e for e in postern.entries()
                    if e["verdict"] == verdict and (e["observed"] or "") == observed]
        return found

    play.until(there, "an entry of " + verdict)
    return found[0]


def notes(postern, e):
    return [(t["rule"], t["source"], [f["fact"] for f in t["facts"]])
            for t in postern.trace(e) if t["rule"].startswith("failure")]


def break_store(postern):
    """A folder in the place of the file: it cannot be opened any more, by root either."""
    path = os.path.join(postern.folder, "store.db")
    for end in ("", "-wal", "-shm"):
        if os.path.exists(path + end):
            os.remove(path + end)
    os.mkdir(path)
    return path


@with_options()
def dns_pass(mta, postern):
    "without DNS mail passes, and its entry tells which check was skipped"
    c = Client(postern)
    c.hello()
    c.envelope()
    c.data(stuffed(MESSAGE), 250)
    c.close()
    e = entry(postern, "accept")
    assert notes(postern, e) == [("failure: dns", "when dns unavailable pass", ["spf"])], e["trace"]
    assert len(mta.taken) == 1


@with_options("when dns unavailable tempfail\n")
def dns_tempfail(mta, postern):
    "when dns unavailable tempfail: 451 4.4.3, and the journal names the failure"
    c = Client(postern)
    c.hello()
    c.say("MAIL FROM:<a@example.net>", 451, b"4.4.3")
    c.close()
    e = entry(postern, "tempfail")
    assert (e["rule"], e["step"], e["enhanced"]) == ("failure: dns", "mail", "4.4.3"), e
    assert notes(postern, e) == [("failure: dns", "when dns unavailable tempfail", ["spf"])], e["trace"]


@with_options("when dns unavailable tempfail\n",
              'at mail { reject 550 5.7.1 "No" if sender.local = "x"\n'
              'accept if sender.local = "y"\nobserve reject 550 5.7.1 "No" if spf is fail }')
def dns_not_asked(mta, postern):
    "when dns unavailable tempfail: who asked no DNS, or only observed, is let in"
    c = Client(postern)
    c.hello()
    for sender, code in (("x@example.net", 550), ("y@example.net", 250), ("z@example.net", 250)):
        c.say("MAIL FROM:<%s>" % sender, code)
        c.say("RSET", 250)
    c.close()


@with_options("when dns unavailable tempfail\nmode observe\n")
def observe(mta, postern):
    "in mode observe a failure refuses nobody, and is journalled as what would have been"
    c = Client(postern)
    c.hello()
    c.envelope()
    c.data(stuffed(MESSAGE), 250)
    c.close()
    assert entry(postern, "accept", "tempfail")["rule"] == "failure: dns"


def rcpt(c):
    """What a recipient of a new transaction is told; leaves it open."""
    c.say("RSET", 250)
    c.say("MAIL FROM:<a@example.net>", 250)
    c.send(b"RCPT TO:<b@example.org>\r\n")
    return c.reply()


@with_options(rules=GREYLIST)
def store_tempfail(mta, postern):
    "without the store who would have been asked about gets 451"
    c = Client(postern)
    c.hello()
    c.say("MAIL FROM:<a@example.net>", 250)
    c.say("RCPT TO:<b@example.org>", 451, b"4.7.1 Later")
    break_store(postern)
    play.until(lambda: b"451 4.3.0" in rcpt(c)[1], "the store to be missed")
    c.close()
    assert postern.entries()[-1]["rule"] == "failure: store"


@with_options("when store unavailable pass\n", GREYLIST)
def store_pass(mta, postern):
    "when store unavailable pass: mail goes on, and its entry tells; and then it is as before"
    c = Client(postern)
    c.hello()
    path = break_store(postern)
    play.until(lambda: rcpt(c)[0] == 250, "the store to be missed")
    c.data(stuffed(MESSAGE), 250)
    e = entry(postern, "accept")
    assert notes(postern, e) == [("failure: store", "when store unavailable pass", ["greylist"])], e
    shutil.rmtree(path)
    play.until(lambda: rcpt(c)[0] == 451, "the store to be back")
    c.close()


@with_options()
def words(mta, postern):
    "a wrong word is an error that says which are right"
    conf = os.path.join(postern.folder, "wrong.conf")
    for line, text in (("when dns unavailable ignore", "`when dns unavailable` wants tempfail or pass"),
                       ("when memory short pass", "`when memory short` wants tempfail or reject"),
                       ("when dns fails pass", "unknown setting")):
        with open(conf, "w") as f:
            f.write(line + "\n")
        ran = subprocess.run([play.posternd(), "-n", "-c", conf], capture_output=True, text=True)
        assert ran.returncode != 0 and text in ran.stderr + ran.stdout, (line, ran)


if __name__ == "__main__":
    play.main(CASES)
