"""`postern forget` beside a running posternd: an address in every form in which sessions bring it is in no file of the database's
folder afterwards, and the chain is whole."""

import base64

import play
import world
from play import MTA, Client
from why import Dns
from world import Cases

SETTINGS = "journal subject on\nauth in clear on\n"
RULES = """
greylist { delay 1h; use spf off; use name off; network ipv4 32 }
at mail { reject 550 5.7.23 "SPF: ${spf.explanation}" if spf is fail }
at rcpt {
    tempfail 451 4.7.1 "Greylisted" if sender.domain is "grey.example" and greylist is waiting
    score 1 if rate(recipient, messages, 1h) > 1000 and rate(sender, messages, 1h) > 1000
}
at message { score 1 if header("Reply-To") contains "nobody at all" }
"""
CASES = Cases()
case = CASES.add


class World(world.World):
    def __init__(self, rules=RULES, store="store sqlite"):
        self.dns = Dns()
        super().__init__(SETTINGS, rules, MTA(ehlo=(b"AUTH PLAIN", b"SMTPUTF8", b"8BITMIME")), dns_port=self.dns.port, store=store)
        self.mta.says["AUTH"] = lambda d, line: b"535 5.7.8 Not you, " + base64.b64decode(line.split(b" ")[2]).split(b"\0")[1] + b"\r\n"
        self.mta.says["RCPT"] = lambda d, line: b"550 5.1.1 " + line[8:] + b" is not known\r\n" if b"unknown" in line else None
        self.mta.probed()

    def attempt(self, sender, recipient, text="Subject: x", parameters=""):
        c = Client(self.postern, source="127.0.0.2")
        c.hello()
        for line in ("MAIL FROM:<%s>%s" % (sender, parameters), "RCPT TO:<%s>" % recipient, "DATA"):
            c.send(line.encode() + b"\r\n")
            if c.reply()[0] not in (250, 354):
                break
        else:
            c.send(play.stuffed(text.encode() + b"\r\n\r\nHello\r\n"))
            c.expect(250)
        c.say("QUIT", 221)
        c.close()

    def files_with(self, word):
        """Those in the database's folder that hold a word, in whatever case."""
        return [name for name, octets in self.files() if word.encode() in octets]


@case
def every_form():
    "Whatever form an address has, no file of the folder holds it afterwards, the write-ahead logs among them"
    with World() as w:
        w.dns.txt("spf.example", "v=spf1 -all exp=why.spf.example")
        w.dns.txt("why.spf.example", "%{s} may not, http://spf.example/?id=%{S}")
        w.attempt("hutzelbrot@spf.example", "b@example.org")
        w.attempt("a@spf.example", "b@example.org")
        w.attempt("Hutzelbrot@GREY.example", "b@example.org")
        w.attempt("hutzelbrot1985@grey.example", "b@example.org")
        w.attempt("a@example.net", '"hutzelbrot \\" b"@example.org')
        w.attempt("a@example.net", '"unknown hutzelbrot"@example.org')
        w.attempt("a@example.net", "b@example.org", "Subject: about hutzelbrot%40grey.example\r\n"
                  "Reply-To: a <a@example.net>,\r\n\t\"x\"\t<hutzelbrot@grey.example>")
        w.attempt("hutzelbrot@xn--bcher-kva.example", "b@example.org")
        w.attempt("hutzelbrot@b\u00fccher.example", "b@example.org", parameters=" SMTPUTF8")
        c = Client(w.postern, source="127.0.0.2")
        c.hello()
        c.say(b"AUTH PLAIN " + base64.b64encode(b"\0hutzelbrot\0bad"), 535)
        c.say("QUIT", 221)
        c.close()
        play.until(lambda: len(w.log()) >= 10, "the entries")
        assert w.command("allow", "spf:example.net", "--any-rule", "--for", "hutzelbrot@grey.example", "--note",
                         "as hutzelbrot@grey.example asked", "--yes")[0] == 0
        assert {"journal.db-wal", "store.db-wal"} <= set(w.files_with("hutzelbrot")), w.files_with("hutzelbrot")
        for address in ("hutzelbrot@spf.example", "HUTZELBROT@grey.example", "hutzelbrot1985@grey.example",
                        '"hutzelbrot \\" b"@example.org', '"unknown hutzelbrot"@example.org',
                        "hutzelbrot@b\u00fccher.example"):
            code, said, complaint = w.command("forget", address)
            assert code == 0, (address, code, said, complaint)
        assert w.command("forget", "hutzelbrot@xn--bcher-kva.example")[0] == 1
        assert w.command("forget", "--account", "Hutzelbrot")[0] == 0
        assert w.files_with("hutzelbrot") == []
        # of somebody else nothing is gone
        assert "a@spf.example" in w.command("log")[1] and w.command("log", "--verify")[0] == 0


@case
def whole():
    "While the shared store is away nobody is forgotten by half"
    rules = 'at mail { reject 550 5.7.1 "No" if sender is "hutzelbrot@example.net" }'
    with World(rules, "store redis 127.0.0.1 port %d" % play.free_port()) as w:
        w.attempt("hutzelbrot@example.net", "b@example.org")
        play.until(lambda: len(w.log()) >= 1, "the entry")
        code, said, complaint = w.command("forget", "hutzelbrot@example.net")
        assert code == 2 and "cannot connect to Redis" in complaint and "forgotten" not in said, (code, said, complaint)
        assert w.command("log", "--from", "hutzelbrot@example.net")[0] == 0


if __name__ == "__main__":
    play.main(CASES)
