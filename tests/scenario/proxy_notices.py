"""Who is told that a plan is nearly used up: by mail, command and webhook, once each, with servers that are away, daemons that
are killed, and accounts whose names would be more than a name."""

import base64
import email
import email.policy
import http.server
import json
import os
import re
import signal
import sqlite3
import tempfile
import threading
import time

import play
from certificates import Authority
from play import MTA, Client, Postern, free_port, stuffed, until

MESSAGE = b"From: a@example.net\r\nSubject: x\r\n\r\nHello\r\n"
PLAN = "plan p { 100 messages per day; warn at 80%, 95%; for everyone }\n"
RULES = PLAN + """at rcpt {
    tempfail 452 4.7.1 "${quota.used} of ${quota.limit} used"  if quota is over
}
"""
FOLDER = tempfile.mkdtemp(prefix="postern-notices-")
AUTHORITY = Authority(FOLDER)
CERTIFICATE = AUTHORITY.sign("sink", "localhost")

CASES = []


def case(function):
    CASES.append((function.__doc__, function))
    return function


class Hook:
    """A web server that keeps what is posted to it."""

    def __init__(self, status=200, context=None):
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                hook.got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, *args):
                pass

        self.got, self.status = [], status
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class World:
    """A posternd with a mail server behind it that takes any password, and somebody to tell."""

    def __init__(self, notify, rules=RULES, files=None, threads=1):
        self.mta = MTA(ehlo=(b"PIPELINING", b"SIZE 52428800", b"8BITMIME", b"AUTH PLAIN"))
        self.mta.says["AUTH"] = b"235 2.7.0 ok\r\n"
        self.sink, self.hook = MTA(), Hook()
        self.folder = tempfile.mkdtemp(dir=FOLDER)
        self.told = os.path.join(self.folder, "told")
        self.program = os.path.join(self.folder, "tell")
        with open(self.program, "w") as f:
            f.write('#!/bin/sh\n{ echo "$POSTERN_LEVEL $POSTERN_WHO $POSTERN_OWNER"; cat; } >"%s.$$"\n'
                    'mv "%s.$$" "%s.$POSTERN_LEVEL.$$"\n' % ((self.told,) * 3))
        os.chmod(self.program, 0o755)
        for name, text in (files or {}).items():
            with open(os.path.join(self.folder, name), "w") as f:
                f.write(text)
        self.values = {"sink": self.sink.port, "hook": self.hook.port, "program": self.program, "folder": self.folder}
        self.postern = Postern(self.mta.port, "auth in clear on\nsessions_per_client 100\n" + notify % self.values,
                               rules, threads=threads)
        self.mta.probed(threads)
        self.killed = False

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        try:
            self.log = self.postern.stop()
        except AssertionError as e:
            if not self.killed or "Sanitizer" in str(e):
                raise
        finally:
            self.mta.stop()
            self.sink.stop()
            self.hook.stop()

    def client(self, account=b"alice"):
        c = Client(self.postern)
        c.hello()
        if account is not None:
            c.say(b"AUTH PLAIN " + base64.b64encode(b"\0" + account + b"\0x"), 235)
        return c

    def send(self, n, account=b"alice"):
        c = self.client(account)
        for _ in range(n):
            c.envelope()
            c.data(stuffed(MESSAGE), 250)
        c.close()

    def commands(self):
        """What the command was run for: the texts, oldest first."""
        names = [n for n in os.listdir(self.folder) if re.match(r"told\.\d+\.\d+$", n)]
        return [open(os.path.join(self.folder, n)).read() for n in sorted(names)]

    def reload(self, text):
        """With another configuration."""
        with open(self.postern.conf, "w") as f:
            f.write(text)
        n, probes = self.postern.log_text().count("event=reload result=ok"), self.mta.probes
        self.postern.process.send_signal(signal.SIGHUP)
        until(lambda: self.postern.log_text().count("event=reload") > n, "the reload")
        assert self.postern.log_text().count("event=reload result=ok") == n + 1, self.postern.log_text()
        # The one loop has taken it up when it probes anew.
        self.mta.probed(probes + 1)

    def log_has(self, *texts):
        return all(t in self.postern.log_text() for t in texts)


ALL_WAYS = """notify {
    mail via 127.0.0.1 port %(sink)d
    command "%(program)s"
    webhook "http://127.0.0.1:%(hook)d/plan?x=1"
    retry after 200ms
}
"""


def recipients(sink):
    return sorted(t.rcpts[0].decode()[9:-1] for t in sink.taken)


def letters(sink):
    return [email.message_from_bytes(t.octets, policy=email.policy.default) for t in sink.taken]


def settle():
    """Time for what should not come to come."""
    time.sleep(0.7)


def worker(postern):
    with open("/proc/%d/task/%d/children" % (postern.process.pid, postern.process.pid)) as f:
        for pid in map(int, f.read().split()):
            with open("/proc/%d/maps" % pid) as maps:
                if "store.db-shm" in maps.read():
                    return pid
    raise AssertionError("no child has the store open")


@case
def once_each():
    "four loops reach 80% and 95%: owner and postmaster are told once of each, in each of the three ways; a killed worker tells nobody again"
    with World(ALL_WAYS, threads=4) as w:
        # what sessions at the same time hold is used, too: the last ones go one by one
        senders = [threading.Thread(target=w.send, args=(8,)) for _ in range(11)]
        for t in senders:
            t.start()
        for t in senders:
            t.join()
        w.send(11)
        assert len(w.mta.taken) == 99, len(w.mta.taken)
        until(lambda: len(w.sink.taken) >= 4 and len(w.hook.got) >= 2 and len(w.commands()) >= 2, "all to be told")
        settle()
        assert recipients(w.sink) == ["alice@example.org"] * 2 + ["postmaster@example.org"] * 2, recipients(w.sink)
        assert all(t.mail == b"MAIL FROM:<>" for t in w.sink.taken)
        for m in letters(w.sink):
            assert re.fullmatch("<[0-9a-f]{24}@example.org>", m["Message-ID"]), m["Message-ID"]
            assert m["Auto-Submitted"] == "auto-generated" and m["From"] == "postmaster@example.org", m.items()
        subjects = sorted(m["Subject"] for m in letters(w.sink))
        assert subjects == ["80% of the plan p are used: alice"] * 2 + ["95% of the plan p are used: alice"] * 2, subjects
        assert "At this rate you reach it at " in letters(w.sink)[0].get_content()
        assert [path for path, _ in w.hook.got] == ["/plan?x=1"] * 2
        posted = sorted((json.loads(body) for _, body in w.hook.got), key=lambda p: p["level"])
        assert [p["level"] for p in posted] == [80, 95]
        assert posted[0]["who"] == "alice" and posted[0]["limit"] == 100 and 80 <= posted[0]["used"] <= 90, posted
        assert posted[1]["per"] == "day" and posted[1]["what"] == "messages" and posted[1]["plan"] == "p", posted
        ran = w.commands()
        assert [text.split("\n")[0] for text in ran] == ["80 alice alice@example.org", "95 alice alice@example.org"], ran
        assert "Subject: 80% of the plan p are used: alice\n\nThe account alice has sent " in ran[0], ran
        # another account is another's plan
        w.send(3, b"bob")
        os.kill(worker(w.postern), signal.SIGKILL)
        w.killed = True
        until(lambda: w.postern.log_text().count("event=ready") > 1, "the worker to be back")
        w.send(1)
        settle()
        assert len(w.mta.taken) == 103, len(w.mta.taken)
        assert len(w.sink.taken) == 4 and len(w.hook.got) == 2 and len(w.commands()) == 2
        if not w.log_has("process=worker state=off"):
            assert w.log_has("process=notices folders=held calls=held", "process=command folders=free calls=held")


@case
def one_for_all():
    "who jumps over both levels at once is told of the higher one"
    rules = RULES.replace("100 messages per day", "100 recipients per day")
    with World(ALL_WAYS, rules) as w:
        c = w.client()
        c.envelope(rcpts=["r%d@example.org" % i for i in range(97)])
        c.data(stuffed(MESSAGE), 250)
        c.envelope()
        c.data(stuffed(MESSAGE), 250)
        c.close()
        until(lambda: len(w.sink.taken) >= 2 and len(w.hook.got) >= 1 and len(w.commands()) >= 1, "all to be told")
        settle()
        assert len(w.sink.taken) == 2 and len(w.hook.got) == 1 and len(w.commands()) == 1
        assert json.loads(w.hook.got[0][1])["level"] == 95
        assert json.loads(w.hook.got[0][1])["what"] == "recipients"


@case
def again():
    "what is still reached a day later is told of again, once; limits that an administrator has set are those that count"
    with World(ALL_WAYS) as w:
        w.send(82)
        until(lambda: len(w.sink.taken) == 2, "both to be told")
        with sqlite3.connect(os.path.join(w.postern.folder, "store.db"), timeout=20) as db:
            assert db.execute("SELECT count(*) FROM seen WHERE key LIKE 'notice:%'").fetchone()[0] == 1
            db.execute("UPDATE seen SET first = first - 86402 WHERE key LIKE 'notice:%'")
        w.send(3)
        until(lambda: len(w.sink.taken) == 4, "both to be told again")
        assert w.postern.command("quota", "set", "alice", "1000", "messages", "per", "day")[0] == 0
        w.send(12)
        settle()
        assert len(w.sink.taken) == 4 and len(w.hook.got) == 2, (len(w.sink.taken), len(w.hook.got))


@case
def nobody_there():
    "a mail server that is away: mail flows on, the other ways tell, it is tried as often as is said, and the log says who was not told"
    away = free_port()
    notify = ALL_WAYS.replace("%(sink)d", str(away)).replace("retry after 200ms", "retry after 100ms; attempts 3")
    with World(notify) as w:
        w.send(85)
        until(lambda: w.postern.log_text().count("result=untold") == 2, "it to be given up")
        assert len(w.mta.taken) == 85
        until(lambda: len(w.hook.got) == 1 and len(w.commands()) == 1, "the others to be told")
        text = w.postern.log_text()
        for to in ("alice@example.org", "postmaster@example.org"):
            assert len(re.findall(r'result=again way=mail to="%s"' % to, text)) == 2, text
            assert 'result=untold way=mail to="%s" who="alice" plan="p" level=80 tries=3 problem="Connection refused"' % to in text, text


@case
def comes_back():
    "a mail server, a command and a webhook that fail at first are told later, once"
    notify = ALL_WAYS.replace("%(program)s", "%(folder)s/later")
    with World(notify) as w:
        w.sink.says["DOT"] = b"451 4.3.0 Not now\r\n"
        w.hook.status = 503
        w.send(81)
        until(lambda: w.log_has("451 4.3.0 Not now", "it answered 503", "No such file"), "failures")
        w.hook.status = 200
        os.link(w.program, os.path.join(w.folder, "later"))
        del w.sink.says["DOT"]
        until(lambda: len(w.sink.taken) == 2 and w.commands() and w.log_has("result=told way=webhook"), "all to be told")
        settle()
        assert recipients(w.sink) == ["alice@example.org", "postmaster@example.org"]
        assert len(w.commands()) == 1
        # a no for good is not asked again
        w.sink.says["RCPT"] = b"550 5.1.1 Nobody\r\n"
        w.send(15)
        until(lambda: w.postern.log_text().count("result=untold") == 2, "both to be given up")
        assert w.log_has('level=95 tries=1 problem="RCPT TO: 550 5.1.1 Nobody"')


@case
def slow_and_ending():
    "servers that say nothing keep no mail waiting, and do not keep posternd from ending"
    with World(ALL_WAYS.replace("}\n", "timeout 60s }\n")) as w:
        w.sink.says["CONNECT"] = play.HANG
        w.send(99)
        until(lambda: w.sink.connections, "it to be tried")
        w.send(1)
        assert len(w.mta.taken) == 100
    assert w.log.count("result=untold way=mail") == 4, w.log


@case
def names():
    "an account whose name is lines of a header adds none, to letter, command or webhook"
    who = "x Bcc: all@example.net \u202e $(touch pwned)".encode()
    with World(ALL_WAYS) as w:
        w.send(81, who)
        until(lambda: len(w.hook.got) == 1 and len(w.commands()) == 1 and w.sink.taken, "all to be told")
        settle()
        # that is no address
        assert recipients(w.sink) == ["postmaster@example.org"]
        m = letters(w.sink)[0]
        assert sorted(k for k in m.keys() if k not in ("Received", "Authentication-Results")) == sorted(
            ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type",
             "Content-Transfer-Encoding"]), m.keys()
        assert "x Bcc: all@example.net \\u{202e} $(touch pwned)" in m["Subject"], m["Subject"]
        assert not re.search("\u202e", m.get_content() + w.commands()[0])
        assert json.loads(w.hook.got[0][1])["who"] == who.decode()
        assert not os.path.exists(os.path.join(w.folder, "pwned"))


@case
def upstreams():
    "of a plan of our own, at a provider, the postmaster is told and nobody else"
    rules = """upstream "isp" { 100 messages per day; warn at 80%% }
plan p { 1000 messages per day; for everyone }
at rcpt {
    tempfail 451 4.7.1 "Later"  if upstream("isp") is over
}
""".replace("%%", "%")
    with World(ALL_WAYS, rules) as w:
        w.send(82)
        until(lambda: w.sink.taken and w.hook.got and w.commands(), "the postmaster to be told")
        settle()
        assert recipients(w.sink) == ["postmaster@example.org"], recipients(w.sink)
        assert letters(w.sink)[0]["Subject"] == "80% of the plan isp are used: isp"
        assert json.loads(w.hook.got[0][1])["kind"] == "upstream"
        assert w.commands()[0].startswith("80 isp \n"), w.commands()


@case
def owners():
    "owners are found in a file, also those of networks; the letter is a template; a domain is said"
    notify = """notify {
    mail via 127.0.0.1 port %(sink)d from "plans@example.org" to owner, "noc@example.net"
    owners "%(folder)s/owners"
    template "%(folder)s/letter"
    owner domain "mail.example"
}
"""
    rules = """list near { 127.0.0.0/8 }
list some { "alice" }
plan p { 100 messages per day; warn at 80%; for accounts in some }
plan n { 10 messages per day; warn at 80%; for clients in near }
at connect { }
"""
    files = {"owners": "# the office\n127.0.0.1 office@example.com\n",
             "letter": "Subject: ${plan}: ${used} von ${limit}\n\nGr\u00fc\u00dfe, ${who} (${kind}, ${level}%)\n"}
    with World(notify, rules, files) as w:
        w.send(8, None)
        until(lambda: len(w.sink.taken) == 2, "the office to be told")
        assert recipients(w.sink) == ["noc@example.net", "office@example.com"]
        assert letters(w.sink)[0]["Subject"] == "n: 8 von 10", letters(w.sink)[0]["Subject"]
        assert letters(w.sink)[0].get_content().strip() == "Gr\u00fc\u00dfe, 127.0.0.1 (client, 80%)"
        w.send(80)
        until(lambda: len(w.sink.taken) == 4, "alice to be told")
        assert recipients(w.sink)[0] == "alice@mail.example"


@case
def reload():
    "what waits is told by a process with the new configuration, and by it alone"
    away = free_port()
    notify = "notify { mail via 127.0.0.1 port %d; retry after 1s; attempts 20 }\n" % away
    with World(notify) as w:
        w.send(80)
        until(lambda: w.log_has("result=again"), "it to be tried")
        with open(w.postern.conf) as f:
            text = f.read()
        w.reload(text.replace("port %d" % away, "port %d" % w.sink.port))
        until(lambda: len(w.sink.taken) == 2, "both to be told")
        settle()
        assert recipients(w.sink) == ["alice@example.org", "postmaster@example.org"]
        # and without the block nobody is told any more, by no process
        w.reload(text.replace(notify, ""))
        w.send(16)
        settle()
        assert len(w.sink.taken) == 2


@case
def secured():
    "a mail server with STARTTLS and a password, and a webhook by https; a certificate for another name is none"
    secure = Hook(context=AUTHORITY.server(CERTIFICATE))
    other = Hook(context=AUTHORITY.server(AUTHORITY.sign("other", "other.example")))
    passwords = []
    notify = """tls { ca "%s" }
notify {
    mail via localhost port %%(sink)d starttls verify login "bob" password file "%%(folder)s/password"
    webhook "https://localhost:%d/x"
    retry after 200ms; attempts 1
}
""" % (AUTHORITY.ca, secure.port)
    with World(notify, RULES, {"password": "sesam\n"}) as w:
        w.sink.tls = AUTHORITY.server(CERTIFICATE)
        w.sink.ehlo += [b"AUTH PLAIN LOGIN"]
        w.sink.says["AUTH"] = lambda d, line: passwords.append((d.secured, line)) or b"235 2.7.0 ok\r\n"
        w.send(80)
        until(lambda: len(w.sink.taken) == 2 and len(secure.got) == 1, "both to be told")
        with open(w.postern.conf) as f:
            w.reload(f.read().replace(":%d/x" % secure.port, ":%d/x" % other.port))
        until(lambda: w.postern.log_text().count("process=notices") == 2, "the new process")
        w.send(15)
        until(lambda: len(w.sink.taken) == 4, "both to be told again")
        until(lambda: w.log_has("result=untold way=webhook"), "the webhook to be refused")
        assert len(secure.got) == 1 and len(other.got) == 0
        assert passwords and all(s and line == b"AUTH PLAIN " + base64.b64encode(b"\0bob\0sesam") for s, line in passwords), passwords
        assert w.log_has('problem="TLS: hostname mismatch"'), w.postern.log_text()
        assert "sesam" not in w.postern.log_text()
    secure.stop()
    other.stop()


@case
def digest():
    "beside a running posternd, what it refused is mailed to the postmaster and to those it was meant for, and to nobody twice"
    rules = """list ours { "example.org" }
digest { recipients in ours }
at rcpt { reject 550 5.7.1 "Not you: ${sender}"  if sender.domain is "bad.example" }
"""
    with World("notify { mail via 127.0.0.1 port %(sink)d }\n", rules) as w:
        c = w.client(None)
        for sender, rcpt in (("x", "alice"), ("x", "alice"), ("y", "`reboot`"), ("good", "alice")):
            c.say("MAIL FROM:<%s@%s.example>" % (sender, "good" if sender == "good" else "bad"), 250)
            c.say("RCPT TO:<%s@example.org>" % rcpt, 250 if sender == "good" else 550)
            c.say("RSET", 250)
        c.close()
        ran = w.postern.command("digest", "--send")
        assert ran == (0, "3 of 3 letters were sent\n", ""), ran
        to = {t.rcpts[0].decode()[9:-1]: m for t, m in zip(w.sink.taken, letters(w.sink))}
        assert sorted(to) == ["`reboot`@example.org", "alice@example.org", "postmaster@example.org"], to
        assert to["postmaster@example.org"]["Subject"] == "3 refused by mx.example.org"
        text, all_of_it = (to[a + "@example.org"].get_content().replace("\r\n", "\n") for a in ("alice", "postmaster"))
        assert ", 2 times since " in text and "Reason: 550 5.7.1 Not you: x@bad.example\n" in text, text
        assert " --for '`reboot`@example.org' --until 7d\n" in all_of_it, all_of_it
        assert "alice" not in to["`reboot`@example.org"].get_content()


if __name__ == "__main__":
    play.main(CASES, FOLDER)
