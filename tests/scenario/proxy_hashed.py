"""A journal in which addresses are hashed (`journal addresses hashed`): what lies on the disk, and what the command line
makes of it beside a running posternd."""

import base64
import glob
import hashlib
import hmac
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile

import play
import world
from play import MTA, Client
from why import Dns
from world import Cases

KEY = b"0123456789abcdef0123456789abcdef"
CASES = Cases()
case = CASES.add

# Each local part is a word that nothing else here has.
RULES = """
list ours { "example.org" }
greylist { delay 1h; use spf off; use name off; network ipv4 32 }
at helo { }
at mail {
    reject 550 5.7.23 "SPF: ${spf.explanation}" if spf is fail
    score 1 if sender.local is "zwieback"
    score 1 if account is "quittenbrot"
}
at rcpt {
    reject 550 5.7.1 "No mail from ${sender} for ${recipient}" if sender is "pumpernickel@example.net"
    tempfail 451 4.7.1 "Greylisted" if sender.domain is "grey.example" and greylist is waiting
    score 1 if rate(account, messages, 1h) > 1000 and seen(sender)
    score 1 if rate(recipient, messages, 1h) > 1000
}
at message {
    score 1 if header("To") contains "nobody at all"
    reject 550 5.7.1 "No subject" if header("Subject") is "refuse me" and header("Reply-To") is not ""
}
"""
SECRETS = ("knusperhaus kirschkuchen pumpernickel zwieback quittenbrot sauerteig weinbeere birnenmus "
           "apfelkraut hutzelbrot lebkuchen").split()

# The rules themselves stand in the journal.
SOURCE = r'"source":"(\\.|[^"\\])*"'


def token(address, key=KEY):
    """What stands for an address whose stem it is itself, as another program would compute it."""
    digest = hmac.new(key, b"postern-address:" + address.lower().encode(), hashlib.sha256).digest()
    letters = ""
    for half in (digest[:8], digest[8:16]):
        n = int.from_bytes(half, "big")
        for _ in range(9):
            letters += chr(97 + n % 26)
            n //= 26
    at = address.find("@")
    return "~" + letters + (address[at:] if at >= 0 else "")


class World(world.World):
    def __init__(self, rules=RULES, settings="", mta=None):
        self.dns = Dns()
        self.folder = tempfile.mkdtemp(prefix="postern-hashed-")
        self.key = os.path.join(self.folder, "key")
        with open(self.key, "wb") as f:
            f.write(KEY)
        super().__init__('trust 127.0.0.9\njournal addresses hashed "%s"\n%s' % (self.key, settings), rules, mta,
                         dns_port=self.dns.port)

    def __exit__(self, *what):
        try:
            super().__exit__(*what)
        finally:
            shutil.rmtree(self.folder)

    def entries(self, n):
        play.until(lambda: len(self.log()) >= n, "%d entries" % n)
        return self.log()

    def client(self, source="127.0.0.2", login=None):
        c = Client(self.postern, source="127.0.0.9" if login else source)
        c.hello()
        if login:
            c.say("XCLIENT ADDR=127.0.0.2 LOGIN=" + login, 220)
            c.hello()
        return c

    def attempt(self, sender, recipient, code, text="Subject: x", source="127.0.0.2", login=None):
        """A message. code: of the reply that decided."""
        c = self.client(source, login)
        for line in ("MAIL FROM:<%s>" % sender, "RCPT TO:<%s>" % recipient, "DATA"):
            c.send(line.encode() + b"\r\n")
            got = c.reply()
            if got[0] not in (250, 354):
                break
        else:
            c.send(play.stuffed(text.encode() + b"\r\n\r\nHello\r\n"))
            got = c.reply()
        assert got[0] == code, (sender, got)
        c.say("QUIT", 221)
        c.close()
        return got[1].decode()


def everything(w):
    """Sessions of all kinds, each address with a word of SECRETS before its @. Returns how many entries."""
    def unknown(d, line):
        if b"sauerteig" in line:
            return b"550 5.1.1 <sauerteig@example.org>: sauerteig is not known here\r\n"
        return b"250 2.1.5 Ok\r\n"
    w.mta.says["RCPT"] = unknown
    w.dns.txt("spf.example", "v=spf1 exists:%{l}.of.spf.example -all exp=why.spf.example")
    w.dns.txt("why.spf.example", "%{l} may not, %{s} neither, http://spf.example/?id=%{S}")
    w.attempt("knusperhaus@spf.example", "kirschkuchen@example.org", 550)
    w.attempt("pumpernickel@example.net", "kirschkuchen@example.org", 550)
    w.attempt("zwieback@example.net", "kirschkuchen@example.org", 250)
    w.attempt("zwieback+hutzelbrot@grey.example", "kirschkuchen@example.org", 451)
    w.attempt('"birnenmus apfelkraut"@example.net', "sauerteig@example.org", 550)
    w.attempt("zwieback@example.net", "kirschkuchen@example.org", 250, "To: Lebkuchen <lebkuchen@example.org>",
              login="quittenbrot")
    w.attempt("a@example.net", "kirschkuchen@example.org", 550,
              "Subject: refuse me\r\nReply-To: weinbeere@example.org")
    return 7


def index(w):
    """So many entries that their index is begun. Returns how many."""
    for _ in range(16):
        c = w.client()
        for _ in range(9):
            c.say("MAIL FROM:<pumpernickel@example.net>", 250)
            c.say("RCPT TO:<lebkuchen@example.org>", 550)
            c.say("RSET", 250)
        c.say("QUIT", 221)
        c.close()
    play.until(lambda: glob.glob(w.postern.folder + "/journal.db-words-*"), "the index")
    return 144


@case
def nowhere():
    "No local part in the files of the journal, wherever it stood; the mail server gets all as it was"
    with World() as w:
        n = everything(w)
        entries = w.entries(n)
        assert len(entries) == n, entries
        assert w.command("lists")[0] in (0, 1)
        for e in entries:
            told = json.loads(w.command("why", "--json", e["id"])[1])
            # What else a rule would have to find is what it says.
            del told["changes"]
            text = re.sub(SOURCE, "", json.dumps(told, separators=(",", ":")))
            assert not [s for s in SECRETS if s in text and s != "lebkuchen"], text
        assert b"lebkuchen@example.org" in b"".join(t.octets for t in w.mta.taken)
        index(w)
        w.postern.process.send_signal(signal.SIGTERM)
        w.postern.process.wait(play.WAIT)
        looked = 0
        for name, octets in w.files("journal.db*"):
            # A name beside an address is none.
            octets = re.sub(SOURCE.encode(), b"", octets).replace(b"lebkuchen \\u003c", b"")
            found = [s for s in SECRETS if s.encode() in octets and s != "lebkuchen"]
            assert not found, (name, found, [octets[octets.index(s.encode()) - 90:][:180] for s in found])
            assert b"lebkuchen@" not in octets
            looked += 1
        assert looked >= 3


@case
def told():
    "Entries have the same pseudonym for the same address, whole domains, and the key they were hashed under"
    with World() as w:
        entries = w.entries(everything(w))
        assert entries[1]["sender"] == token("pumpernickel@example.net"), entries[1]
        assert entries[1]["recipients"] == [token("kirschkuchen@example.org")]
        assert token("pumpernickel@example.net") in entries[1]["text"]
        assert entries[2]["sender"] == token("zwieback@example.net")
        stem, full = token("zwieback@grey.example"), token("zwieback+hutzelbrot@grey.example")
        assert entries[3]["sender"] == stem.replace("@", "+" + full[1:].split("@")[0] + "@")
        assert entries[4]["sender"].startswith("~~")
        assert token("sauerteig@example.org").split("@")[0] in entries[4]["text"]
        assert "sauerteig" not in entries[4]["text"]
        assert entries[5]["account"] == token("quittenbrot")
        why = json.loads(w.command("why", "--json", entries[3]["id"])[1])
        keys = [a["seen"] for a in why["answers"] if "seen" in a]
        assert "greylist:pair:%s:%s" % (stem, token("kirschkuchen@example.org")) in keys, keys
        # the greylist itself goes by addresses
        rows = w.command("greylist", "list", "--json")[1]
        assert "zwieback@grey.example:kirschkuchen@example.org" in rows


GUESSES = """
at connect { reject 554 5.7.1 "Guesser" if auth.failures(client, 1h) >= 7 }
at mail { reject 550 5.7.1 "${auth.failures(account, 1h)} for ${account}" if authenticated }
"""


@case
def guessed():
    "AUTH that fails: nobody's name in clear, however it was said; found by it, and counted for it"
    names = ("quittenbrot", "weinbeere@example.org", "hutzelbrot")
    mta = MTA(ehlo=(b"AUTH PLAIN LOGIN",))

    def judge(d, line):
        words = line.split(b" ")
        if words[1] == b"PLAIN":
            who, password = base64.b64decode(words[2]).split(b"\0")[1:]
        else:
            d.conn.sendall(b"334 VXNlcm5hbWU6\r\n")
            who = base64.b64decode(d.line())
            d.conn.sendall(b"334 UGFzc3dvcmQ6\r\n")
            password = base64.b64decode(d.line())
        good = password == b"good"
        return (b"235 2.7.0 Welcome, " if good else b"535 5.7.8 Not your password, ") + who + b"\r\n"
    mta.says["AUTH"] = judge

    def plain(name, password=b"bad"):
        return b"AUTH PLAIN " + base64.b64encode(b"\0" + name.encode() + b"\0" + password)

    def login(c, name):
        c.say("AUTH LOGIN", 334)
        c.say(base64.b64encode(name.encode()), 334)
        c.say(base64.b64encode(b"bad"), 535)
    settings = "auth in clear on\nauth_failures 10\nerrors 100\n"
    with World(GUESSES, settings, mta) as w:
        mta.probed()
        c = w.client()
        for name in names:
            c.say(plain(name), 535)
            login(c, name.upper())
        entries = w.entries(2 * len(names))
        for name in names:
            whose = [e for e in entries if e["account"].lower() == token(name)]
            assert [e["rule"] for e in whose] == ["backend: AUTH PLAIN", "backend: AUTH LOGIN"], entries
            assert len(w.log("--account", name)) == len(w.log("--text", name)) == 2, name
            code, out, err = w.command("why", whose[0]["id"])
            assert code == 0 and token(name) in out and name not in out, (out, err)
        c.say(plain(names[0], b"good"), 235)
        c.say("MAIL FROM:<a@example.net>", 550, b"2 for quittenbrot")
        told = w.entries(7)[-1]
        assert token(names[0]) in told["text"] and told["account"] == token(names[0]), told
        why = json.loads(w.command("why", "--json", told["id"])[1])
        assert ["auth:failed:account:" + token(names[0])] == [
            a["count"] for a in why["answers"] if "account" in a.get("count", "")], why["answers"]
        c.close()
        c = w.client()
        c.say(plain("nobody"), 535)
        c.close()

        def refused():
            c = Client(w.postern, greet=False, source="127.0.0.2")
            code = c.reply()[0]
            c.close()
            return code == 554
        play.until(refused, "the rule of connect")
        assert json.loads(w.command("replay", "--json")[1])["changed"] == 0
        told = json.loads(w.command("forget", "--json", "--account", names[2])[1])
        assert told["entries"] == 2 and told["store"] == 1, told
        assert w.log("--account", names[2]) == [] and w.command("log", "--verify")[0] == 0
        w.postern.process.send_signal(signal.SIGTERM)
        w.postern.process.wait(play.WAIT)
        secrets = [f(n).lower() for n in names for f in (str.encode, lambda n: base64.b64encode(n.encode()))]
        for name, octets in w.files("journal.db*"):
            assert not [s for s in secrets if s.split(b"@")[0] in octets], (name, secrets)


@case
def searched():
    "log finds whole addresses in whatever case, and domains; of a part of one it says that it cannot"
    with World() as w:
        w.entries(everything(w))
        for more in (lambda: 0, lambda: index(w)):
            more = more()
            assert len(w.log("--from", "Zwieback@Example.net")) == 2
            assert len(w.log("--to", "kirschkuchen@example.org")) == 5
            assert len(w.log("--text", "pumpernickel@example.net")) == 1 + more
            assert len(w.log("--from", "example.net")) == 5 + more
            assert len(w.log("--from", "nobody@example.net")) == 0
        code, out, err = w.command("log", "--from", "zwie")
        assert code == 1 and out == "" and "whole address" in err, (code, out, err)
        code, out, err = w.command("log", "--from", "@grey.example")
        assert code == 0 and err == "", err
        os.chmod(w.key, 0)
        if os.geteuid() != 0:
            code, out, err = w.command("log", "--from", "zwieback@example.net")
            assert code == 1 and "cannot be read" in err, err
            assert w.command("log")[0] == 0


@case
def reloaded():
    "A reload with the setting taken away journals in clear, and both are found; a key that is too short is an error"
    with World() as w:
        w.attempt("pumpernickel@example.net", "kirschkuchen@example.org", 550)
        w.entries(1)
        with open(w.postern.conf) as f:
            text = f.read()
        with open(w.key, "wb") as f:
            f.write(KEY[:31])
        assert w.command("check")[0] == 2
        done = subprocess.run([play.posternd(), "-n", "-c", w.postern.conf], stderr=subprocess.PIPE, text=True)
        assert done.returncode != 0 and "less than 32 octets" in done.stderr, done.stderr
        with open(w.key, "wb") as f:
            f.write(KEY)
        with open(w.postern.conf, "w") as f:
            f.write(text.replace("journal addresses hashed", "# "))
        w.postern.process.send_signal(signal.SIGHUP)

        def clear():
            w.attempt("pumpernickel@example.net", "kirschkuchen@example.org", 550)
            return w.log("--from", "pumpernickel@example.net")
        play.until(clear, "the reload")
        with open(w.postern.conf, "w") as f:
            f.write(text)
        n = len(w.log())
        assert n >= 2 and len(w.log("--from", "pumpernickel@example.net")) == n


@case
def forgotten():
    "forget finds entries in clear and hashed, tags among them; without the key, or with another one, it says what it cannot know"
    with World() as w:
        n = len(w.entries(everything(w)))
        person = "zwieback@grey.example"
        code, out, err = w.command("forget", "--dry-run", person)
        # the entry, and the greylist's rows
        assert code == 0 and "forgotten: 1 entries of the journal, 2 rows" in out, (out, err)
        code, out, err = w.command("--database", w.postern.folder, "forget", "--dry-run", person)
        assert code == 2 and "%d entries are hashed under a key that" % n in err, (code, out, err)
        with open(w.key, "wb") as f:
            f.write(KEY[::-1])
        code, out, err = w.command("forget", "--dry-run", person)
        assert code == 2 and "%d entries are hashed under another key" % n in err, (code, err)
        with open(w.key, "wb") as f:
            f.write(KEY)
        code, out, err = w.command("forget", "kirschkuchen@example.org")
        assert code == 0 and "forgotten: 5 entries" in out, (code, out, err)
        assert w.log("--to", "kirschkuchen@example.org") == []
        assert w.command("forget", "zwieback@example.net")[0] == 1
        assert w.command("log", "--verify")[0] == 0


ALLOWS = """
at rcpt {
    reject 550 5.7.1 "No" if client.ip is 127.0.0.2
}
"""


@case
def allowed():
    "allow ID makes an exception of pseudonyms under which the retry passes, for that recipient alone; undone, it is refused; block too"
    with World(ALLOWS) as w:
        def send(recipient, code, source="127.0.0.2"):
            w.attempt("zwieback@example.net", recipient, code, source=source)
        send("kirschkuchen@example.org", 550)
        send("kirschkuchen@example.org", 550)
        send("lebkuchen@example.org", 550)
        first = w.entries(3)[0]
        code, out, err = w.command("allow", "--dry-run", "--json", first["id"])
        told = json.loads(out)
        assert told["recipients"] == [token("kirschkuchen@example.org")], told
        assert told["others"] == 1, told
        # one in clear is measured against what is hashed
        told = json.loads(w.command("allow", "--dry-run", "--json", "--for", "LEBKUCHEN@example.org", first["id"])[1])
        assert told["others"] == 1, told
        assert w.command("allow", "--yes", first["id"])[0] == 0

        def let_in(recipient):
            c = w.client()
            c.say("MAIL FROM:<zwieback@example.net>", 250)
            c.send(b"RCPT TO:<%s>\r\n" % recipient)
            code = c.reply()[0]
            c.say("QUIT", 221)
            return code == 250
        play.until(lambda: let_in(b"Kirschkuchen@example.org"), "the exception")
        send("kirschkuchen@example.org", 250)
        send("lebkuchen@example.org", 550)
        shown = w.command("lists")[1]
        assert token("kirschkuchen@example.org") in shown and "matches nobody" not in shown, shown
        change = [e for e in w.log("--verdict", "change")]
        assert token("kirschkuchen@example.org") in change[0]["text"], change
        # its trace tells of the exception as it was made
        entry = w.log("--verdict", "accept")[-1]
        assert token("kirschkuchen@example.org") in json.dumps(w.postern.trace(entry))
        assert w.command("allow", "--undo", first["id"])[0] == 0
        play.until(lambda: not let_in(b"kirschkuchen@example.org"), "the end of it")
        # by an address in clear
        assert w.command("allow", "--yes", "--for", "lebkuchen@example.org", first["id"])[0] == 0
        play.until(lambda: let_in(b"lebkuchen@example.org"), "the exception")
        change = w.log("--verdict", "change")[-1]
        assert token("lebkuchen@example.org") in change["text"] and "lebkuchen" not in change["text"], change
        assert w.command("allow", "--yes", first["id"])[0] == 0
        # another key: nobody is who he was
        with open(w.key, "wb") as f:
            f.write(KEY[::-1])
        shown = w.command("lists")[1].splitlines()
        assert [("matches nobody" in line) for line in shown if "127.0.0.2" in line] == [False, True], shown
        code, out, err = w.command("allow", "--yes", first["id"])
        assert code == 2 and "another key" in err, (code, out, err)


@case
def rekeyed():
    "Another key: posternd's log and lists say which exceptions match nobody now, and what to do; the old key back, they match"
    with World(ALLOWS) as w:
        w.attempt("zwieback@example.net", "kirschkuchen@example.org", 550)
        first = w.entries(1)[0]["id"]
        assert w.command("allow", "--yes", first)[0] == 0
        assert w.command("allow", "--yes", "--for", "lebkuchen@example.org", first)[0] == 0
        play.until(lambda: "event=exceptions allow=2" in w.postern.log_text(), "the exceptions")

        def rekey(key, setting=True):
            with open(w.key, "wb") as f:
                f.write(key)
            with open(w.postern.conf) as f:
                text = f.read().replace("# no journal", "journal")
            with open(w.postern.conf, "w") as f:
                f.write(text if setting else text.replace("journal addresses", "# no journal addresses"))
            n = w.postern.log_text().count("event=reload result=ok")
            w.postern.process.send_signal(signal.SIGHUP)
            play.until(lambda: w.postern.log_text().count("event=reload result=ok") > n, "the reload")

        def told():
            return w.postern.log_text().count("event=exceptions idle=1 problem=")
        assert told() == 0 and w.command("lists")[2] == ""
        rekey(KEY[::-1])
        play.until(lambda: told() == 1, "the warning")
        code, out, err = w.command("lists")
        assert [("matches nobody" in line) for line in out.splitlines() if "allow" in line] == [True, False], out
        assert "1 of these matches nobody" in err and "--for ADDRESS" in err, err
        rekey(KEY, setting=False)
        play.until(lambda: told() == 2, "the warning")
        assert "does not name" in w.command("lists")[2]
        rekey(KEY)
        assert w.command("lists")[2] == ""
        w.attempt("zwieback@example.net", "kirschkuchen@example.org", 250)
        assert told() == 2
        # who may not read the key cannot tell
        os.chmod(w.key, 0)
        if os.geteuid() != 0:
            code, out, err = w.command("lists", "--json")
            assert [json.loads(line).get("idle", 0) for line in out.splitlines()] == [None, 0] and err == "", (out, err)


@case
def blocked():
    "block ID keeps out whom an entry with pseudonyms proves"
    with World("at rcpt { }") as w:
        w.attempt("zwieback@example.net", "kirschkuchen@example.org", 250)
        entry = w.entries(1)[0]
        assert w.command("block", "--yes", "--for", "kirschkuchen@example.org", entry["id"])[0] == 0

        def kept_out():
            w.attempt("zwieback@example.net", "lebkuchen@example.org", 250)
            c = w.client()
            c.say("MAIL FROM:<zwieback@example.net>", 250)
            c.send(b"RCPT TO:<kirschkuchen@example.org>\r\n")
            code = c.reply()[0]
            c.say("QUIT", 221)
            return code == 550
        play.until(kept_out, "the block")


@case
def replayed():
    "replay of hashed entries: the same rules change nothing; others change what they change in clear; the rest is unknown and named"
    with World() as w:
        n = len(w.entries(everything(w)))

        def replay(change, key=True):
            with open(w.postern.conf) as f:
                text = f.read()
            for old, new in change:
                assert old in text, old
                text = text.replace(old, new)
            path = os.path.join(w.folder, "new.conf")
            with open(path, "w") as f:
                f.write(text if key else text.replace("journal addresses hashed", "# "))
            code, out, err = w.command("replay", "--json", path)
            os.unlink(path)
            told = json.loads(out)
            return told["changed"], told["unknown"], [x["key"] for x in told["needs"]], err

        def expect(change, want):
            got = replay(change)
            assert got == want, (change, got)
        expect([], (0, 0, [], ""))
        expect([('is "pumpernickel@example.net"', 'is "Pumpernickel@example.NET" and not tls')], (0, 0, [], ""))
        expect([('reject 550 5.7.1 "No mail', 'tempfail 450 4.7.1 "No mail')], (1, 0, [], ""))
        # whoever passes that rule now comes to others that asked nothing then, in clear too
        asks = ["rate(recipient, messages, 1h)"]
        expect([('is "pumpernickel@example.net"', 'is "somebody@example.net"')], (0, 1, asks, ""))
        expect([('is "pumpernickel@example.net"', 'in { "zwieback@example.net", "b@example.net" }')], (2, 1, asks, ""))
        expect([('score 1 if account is "quittenbrot"', 'reject 550 5.7.1 "a" if account in { "quittenbrot" }')], (1, 0, [], ""))
        expect([('score 1 if sender.local is "zwieback"', 'reject 550 5.7.1 "l" if sender.local is "zwieback"')], (2, 0, [], ""))
        # in the order of rules: all but the one refused for SPF come to it
        changed, unknown, needs, err = replay([("score 1 if sender.local is", "reject 550 5.7.1 \"x\" if sender matches /^x/\nscore 1 if sender.local is")])
        assert (changed, unknown, needs, err) == (0, n - 1, ["sender, hashed"], ""), (changed, unknown, needs)
        # the same rules are known to say the same, whatever they ask
        with open(w.postern.conf) as f:
            text = f.read()
        changed, unknown, needs, err = replay([("score 1 if sender.local is", "score 2 if sender.local is")], key=False)
        assert unknown > 0 and "%d entries are hashed under a key that" % n in err, (unknown, err)
        why = json.loads(w.command("why", "--json", w.log()[1]["id"])[1])
        assert [c for c in why["changes"] if any(x.get("name") == "sender" for x in c["all"])], why["changes"]


PATTERNS = """
at rcpt {
    reject 550 5.7.1 "No" if recipient contains "%" or sender matches /^pumper/
}
"""


@case
def patterns():
    "What only the clear text tells is known to the very same rules, and to no others"
    with World(PATTERNS) as w:
        w.attempt("pumpernickel@example.net", "kirschkuchen@example.org", 550)
        w.attempt("zwieback@example.net", "kirschkuchen@example.org", 250)
        w.entries(2)
        told = json.loads(w.command("replay", "--json")[1])
        assert (told["replayed"], told["changed"], told["unknown"]) == (2, 0, 0), told
        with open(w.postern.conf, "a") as f:
            f.write("at message { }\n# another text\n")
        told = json.loads(w.command("replay", "--json")[1])
        assert (told["changed"], told["unknown"]) == (0, 2), told
        assert [x["key"] for x in told["needs"]] == ["recipient, hashed"], told


@case
def digested():
    "digest: recipients that the configuration or --to names get theirs, in clear; the postmaster sees pseudonyms"
    settings = ('notify { mail via 127.0.0.1 port 9 from "boss@example.org"; postmaster "boss@example.org" }\n'
                'digest { recipients in named }\nlist named { "Kirschkuchen@example.org" }\n')
    with World(settings=settings) as w:
        w.entries(everything(w))
        letters = {x["to"]: x["refused"] for x in map(json.loads, w.command("digest", "--json")[1].splitlines())}
        assert set(letters) == {"boss@example.org", "kirschkuchen@example.org"}, letters
        assert {r["to"] for r in letters["kirschkuchen@example.org"]} == {"kirschkuchen@example.org"}
        assert len(letters["kirschkuchen@example.org"]) == 2, letters
        assert token("kirschkuchen@example.org") in {r["to"] for r in letters["boss@example.org"]}
        text = json.dumps(letters["boss@example.org"])
        assert not [s for s in SECRETS if s in text], text
        code, out, err = w.command("digest", "--to", "sauerteig@example.org")
        assert code == 0 and "To: sauerteig@example.org" in out and "~" not in out.split("To:")[-1].split("\n")[0], (code, out, err)
        with open(w.postern.conf) as f:
            text = f.read()
        with open(w.postern.conf, "w") as f:
            f.write(text.replace('"Kirschkuchen@', '"other.example", "Kirschkuchen@'))
        code, out, err = w.command("check")
        assert code == 2 and "only mailboxes can be told" in out + err, (code, out, err)


@case
def linked():
    "Commands and links of a digest let in whom a hashed entry named, the postmaster's by the pseudonym, the recipient's in clear; under another key they say why not"
    folder = tempfile.mkdtemp(prefix="postern-hashed-digest-")
    secret = os.path.join(folder, "digest.key")
    with open(secret, "wb") as f:
        f.write(KEY[::-1])
    settings = ('notify { mail via 127.0.0.1 port 9 from "boss@example.org"; postmaster "boss@example.org" }\n'
                'digest { recipients in named; link "https://mail.example.org/allow"; key "%s" }\n'
                'list named { "kirschkuchen@example.org" }\n' % secret)
    with World(ALLOWS, settings) as w:
        def let_in():
            c = w.client()
            c.say("MAIL FROM:<zwieback@example.net>", 250)
            c.send(b"RCPT TO:<kirschkuchen@example.org>\r\n")
            code = c.reply()[0]
            c.say("QUIT", 221)
            return code == 250

        def letters():
            out = w.command("digest")[1]
            return {part.split("\n")[0]: part for part in re.split("^To: ", out, flags=re.M)[1:]}
        w.attempt("zwieback@example.net", "kirschkuchen@example.org", 550)
        w.attempt("zwieback@example.net", "lebkuchen@example.org", 550)
        w.entries(2)
        boss, own = (letters()[to] for to in ("boss@example.org", "kirschkuchen@example.org"))
        assert "kirschkuchen" not in boss and token("kirschkuchen@example.org") in boss, boss
        assert "lebkuchen" not in own, own
        tickets = [re.findall(r"ticket=(\S+)", text) for text in (boss, own)]
        assert [len(t) for t in tickets] == [2, 1], tickets
        line = [x for x in re.findall(r"postern (allow .*)", boss) if token("kirschkuchen@example.org") in x]
        assert len(line) == 1, boss
        # as the shell has it
        assert subprocess.run("%s -c %s %s --yes" % (play.postern(), w.postern.conf, line[0]), shell=True,
                              stdout=subprocess.DEVNULL).returncode == 0
        play.until(let_in, "the exception of the command")
        assert w.command("lists", "remove", "1")[0] == 0
        play.until(lambda: not let_in(), "its end")
        asked = [t for t in tickets[0] if token("kirschkuchen@example.org") in
                 base64.urlsafe_b64decode(t.split(".")[2] + "==").decode()]
        for n, ticket in enumerate(asked + tickets[1]):
            code, out, err = w.command("allow", "--signed", ticket)
            assert code == 0 and "for " + (token("kirschkuchen@example.org"), "kirschkuchen@example.org")[n] in out, out
            play.until(let_in, "the exception of the link")
            w.attempt("zwieback@example.net", "lebkuchen@example.org", 550)
            assert w.command("lists", "remove", str(n + 2))[0] == 0
            play.until(lambda: not let_in(), "its end")
        with open(w.key, "wb") as f:
            f.write(KEY[::-1])
        code, out, err = w.command("allow", "--signed", asked[0])
        assert code == 2 and "another key" in err and "--for ADDRESS" in err, (code, out, err)
        code, out, err = w.command("allow", "--dry-run", "--signed", tickets[1][0])
        assert code == 0 and "for kirschkuchen@example.org" in out, (code, out, err)
    os.unlink(secret)
    os.rmdir(folder)


@case
def promoted():
    "promote knows by its pseudonym whom our users wrote to, though the store goes by addresses"
    rules = 'greylist { delay 1h; use spf off; use name off }\n' \
            'at mail { observe reject 550 5.7.1 "No" if client.ip is 127.0.0.2 }\n' \
            'at rcpt { tempfail 451 4.7.1 "Later" if sender.domain is "grey.example" and greylist is waiting }\n'
    with World(rules) as w:
        w.attempt("birnenmus@example.org", "weinbeere+x@example.net", 250, source="127.0.0.9")
        play.until(lambda: "weinbeere@example.net" in w.command("greylist", "list")[1], "the row")
        w.attempt("Weinbeere+y@example.net", "birnenmus@example.org", 250)
        w.attempt("zwieback@example.net", "birnenmus@example.org", 250)
        w.entries(5)
        place = [e["rule"] for e in w.log("--observed")][0]
        code, out, err = w.command("promote", "--dry-run", "--json", place)
        told = json.loads(out.splitlines()[0])
        assert told["alarms"] == 1 and told["likely"][0]["written_to"], (out, err)
        assert told["likely"][0]["sender"].startswith(token("weinbeere@example.net").split("@")[0] + "+"), out


if __name__ == "__main__":
    play.main(CASES)
