"""The same sessions, made from a seed, through the proxy front and through the milter front: the same verdicts, to
the word, and the same facts in the journal. Two posternds with one set of rules, each with databases of its own; Postfix is
the milter's host, and stands behind the proxy. Who the client is, both are told by XCLIENT.

A milter is heard at MAIL first, so a refusal of connect or HELO is told there; and what is 421 before the greeting
has the rule's own code there. That, and nothing else, is made equal before it is compared.

    builddir=BUILD python3 tests/e2e/fronts.py [NUMBER [FIRST]]

plays so many sessions, from that one on."""

import collections
import os
import random
import re
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from client import Client  # noqa: E402
from lab import Lab, free_port, make_key, sign, txt, until  # noqa: E402
from tap import Tap, need  # noqa: E402

SEED = 77
MANY, FEW = 10000, 1000  # sessions; FEW where sanitizers slow everything down
AT_ONCE = 8
BROKEN = 20  # so many sessions without an answer, and the rest is not tried

SETTINGS = """hostname "mx.example.org"
database "{folder}"
%(listen)s
resolver forward 127.0.0.1 port %(dns)d
trust 127.0.0.1
journal subject on
threads 2
errors 100
"""

# Whoever Postfix does not know it refuses before it asks a milter, and behind the proxy's rules: so these let them pass.
# Every address that is not in a list belongs to one session only, so what is counted and greylisted does not depend on
# which session comes first.
RULES = r"""
list blocked { 192.0.2.0/28 }
list slow { 192.0.2.16/28 }
list friends { 192.0.2.32/28 }
list partners { "partner.test", "anna@mixed.test" }
list refused { "refused.test" }
list later { "later.test" }
list signers { "signed.test" }
list grey { "grey.test" }
list traps { "trap@example.org" }
list strict { "strict@example.org" }
list accounts { "alice" }
list crowd { 10.0.2.0/24, 10.0.16.0/20 }

plan crowd { 2 recipients per message; for clients in crowd }

greylist { delay 1h }

at connect {
    accept session                                              if client in friends
    reject 554 5.7.1 "Blocked: ${client.ip}"                    if client in blocked
    tempfail 450 4.7.1 "Not now, ${client.ip}"                  if client in slow
    reject 554 5.7.1 "Listed: ${listed.code(\"bl.test\")}"      if listed("bl.test")
}
at helo {
    accept                                                      if helo ends with ".partner.test"
    reject 550 5.7.2 "You are not ${helo}"                      if helo is "localhost" or helo is hostname
    tempfail 450 4.7.2 "Dynamic: ${helo}"                       if helo starts with "dyn"
    observe reject 550 5.7.2 "bare"                             if helo.form is bare
}
at mail {
    reject 553 5.1.8 "Not from ${sender.domain}"                if sender.domain in refused
    tempfail 451 4.1.8 "Later, ${sender}"                       if sender.domain in later and not account in accounts
    reject 550 5.7.23 "SPF: ${spf.explanation}"                 if spf is fail
    reject 550 5.7.24 "SPF"                                     if spf is permerror
    reject 552 5.3.4 "${size.declared} octets"                  if size.declared > 1M
    tempfail 450 4.7.8 "${session.messages} messages"           if session.messages >= 2 and helo is not "other.example"
    score 2                                                     if spf is softfail
    score 1                                                     if client.name is unknown
    score 1                                                     if helo.form is bare
    mark partner                                                if sender in partners
    observe tempfail 450 4.7.9 "null"                           if sender is ""
    accept                                                      if marked partner
}
at rcpt {
    accept                                                      if recipient starts with "nobody"
    accept                                                      if marked partner
    reject 550 5.2.1 "A trap: ${recipient}"                     if recipient in traps
    tempfail 450 4.7.6 "Plan ${quota.plan}"                     if quota is over
    tempfail 450 4.7.3 "${recipients.unknown} are unknown"      if recipients.unknown >= 2
    tempfail 450 4.7.4 "Score ${score}"                         if score >= 3
    score 1                                                     if recipient starts with "many"
    tempfail 451 4.7.1 "Greylisted: ${greylist.key}"            if sender.domain in grey and greylist is waiting
    tempfail 452 4.7.5 "${rate(account, messages, 1h)} already"  if account starts with "u" and rate(account, messages, 1h) > 0
}
at message {
    reject 552 5.3.4 "${message.size} octets"                   if message.size > 20k
    reject 550 5.7.20 "Signature: ${dkim}"                      if sender.domain in signers and dkim is not pass
    reject 550 5.7.21 "Unsigned"                                if recipient in strict and dkim is not pass
    score -3                                                    if dkim is pass
    reject 554 5.6.0 "From ${from.count} places"                if from.count != 1
    score 2                                                     if from.domain contains "offers.test"
    score 3                                                     if message.size < 200
    score 1                                                     if dkim.signatures > 0 and not sender.domain in signers
    mark odd                                                    if header.count > 12
    tempfail 451 4.6.0 "Many fields: ${header.count}"           if marked odd and not marked partner
    add header "X-Score" "${score} of ${recipients}"            if score > 0
    reject 554 5.7.1 "Score ${score} for ${from.domain}"  if score >= 5
    observe reject 550 5.7.9 "would be"                         if score >= 2
}
"""

POSTFIX = """local_header_rewrite_clients =
virtual_transport = discard
smtpd_error_sleep_time = 0
smtpd_hard_error_limit = 1000
smtpd_soft_error_limit = 1000
smtpd_junk_command_limit = 1000
"""

HELOS = ("client.test", "client.test", "mail.partner.test", "localhost", "mx.example.org", "dyn17.test", "bare",
         "[192.0.2.1]", "other.example")
DOMAINS = ("plain.test", "plain.test", "plain.test", "partner.test", "mixed.test", "refused.test", "later.test",
           "signed.test", "signed.test", "grey.test", "soft.test", "fail.test", "perm.test", "pass.test")
SUBJECTS = ("hello", "an offer", "OFFER of the day", "Gr\u00fc\u00dfe", "", "folded\n subject with an offer")
FROMS = ("From: <a@plain.test>", "From: Anna <A@Plain.Test>", "From: <a@offers.test>, <b@plain.test>",
         "From: =?utf-8?q?J=C3=BCrgen?= <j@offers.test>", "From:\n <folded@plain.test>", "From: nobody")

Session = collections.namedtuple("Session", "number client helos transactions pipelined")
Transaction = collections.namedtuple("Transaction", "sender parameters recipients message")


# ---- sessions ----

def mail_text(r, domain, signed):
    if domain == "signed.test" and r.random() < 0.7:
        return r.choice(signed)
    fields = ["To: <b@example.org>", "Subject: " + r.choice(SUBJECTS)]
    fields += [r.choice(FROMS)] * r.choices((1, 0, 2), (90, 5, 5))[0]
    fields += [f"X-{i}: {i}" for i in range(r.choices((0, 3, 12), (70, 20, 10))[0])]
    r.shuffle(fields)
    body = r.choices(("Hello\n", "", ".\n..\n.a\n", "x" * 900 + "\n", "0123456789abcde\n" * 1300),
                     (60, 10, 10, 10, 10))[0]
    return ("\n".join(fields) + "\n\n" + body).encode().replace(b"\n", b"\r\n")


def one_transaction(r, number, serial, signed):
    domain = r.choice(DOMAINS)
    local = "anna" if domain == "mixed.test" and r.random() < 0.5 else f"s{number}"
    sender = "" if r.random() < 0.06 else f"{local}@{domain}"
    recipients = []
    for i in range(r.choices((1, 2, 3, 6), (60, 20, 12, 8))[0]):
        kind = r.choices(("bob", "many", "trap", "strict", "nobody"), (60, 12, 8, 8, 12))[0]
        recipients.append(kind + "@example.org" if kind in ("trap", "strict") else
                          f"{kind}.{number}.{serial}.{i}@example.org")
    if r.random() < 0.03:
        recipients = [f"nobody{i}@example.org" for i in range(2)] + recipients
    if any(to.startswith("nobody") for to in recipients):
        # Whose policy differs is deferred before the mail server is asked, or behind it.
        recipients = [to for to in recipients if to != "strict@example.org"]
    parameters = r.choices(("", " SIZE=500", " BODY=8BITMIME", " SIZE=2000000"), (70, 15, 12, 3))[0]
    return Transaction(sender, parameters, recipients,
                       mail_text(r, domain, signed))


def make(number, signed):
    r = random.Random(SEED * 1000003 + number)
    own = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    address = r.choices((own, "192.0.2.%d" % r.randrange(48), "198.51.100.7", "203.0.113.5"), (76, 12, 9, 3))[0]
    name = r.choice(("[UNAVAILABLE]", "host.client.test", "[TEMPUNAVAIL]"))
    login = r.choice(("", "", "", " LOGIN=alice", f" LOGIN=u{number}"))
    transactions = [one_transaction(r, number, i, signed) for i in range(r.choices((1, 2, 5), (66, 22, 12))[0])]
    helos = [r.choice(HELOS) for _ in transactions]
    return Session(number, f"ADDR={address} NAME={name}{login}", helos, transactions, r.random() < 0.5)


# ---- playing one ----

def plain(said):
    """What a reply says, without its id and the queue's."""
    text = re.sub(r" \[[a-z0-9]{4,8}\]$", "", said.text)
    return said.code, re.sub(r"queued as [0-9A-Za-z]+", "queued as ID", text)


class Player:
    """Plays a session; `verdicts`: what was told, by what it was told of; `ids`: of the entries in the journal."""

    def __init__(self, port, session):
        self.session = session
        self.verdicts = {}
        self.ids = {}
        self.pending = None  # the refusal of connect or HELO, told at MAIL
        self.over = False    # and the client is sent away with it
        self.client = Client(port)

    def tell(self, what, said, of_connect=False):
        code, text = plain(said)
        if code < 400 and what[0] == "mail":
            text = ""
        self.verdicts[what] = ("4yz" if of_connect and code // 100 == 4 else code, text)
        if (found := re.search(r" \[([a-z0-9]{4,8})\]$", said.text)) and code >= 400:
            self.ids[what] = found.group(1)

    def hello(self, name):
        """EHLO; a refusal is kept for MAIL."""
        if self.over:
            return
        said = self.client.say("EHLO " + name)
        self.pending = said if said.code >= 400 else None

    def play(self):
        s = self.session
        said = self.client.say("XCLIENT " + s.client)
        if said.code != 220:
            self.pending, self.over = said, True
        for serial, t in enumerate(s.transactions):
            if serial == 0 or s.helos[serial] != s.helos[serial - 1]:
                self.hello(s.helos[serial])
            self.transaction(serial, t)
        self.client.close()
        return self

    def transaction(self, serial, t):
        if self.pending:
            self.tell(("mail", serial), self.pending, of_connect=self.over)
            return
        lines = [f"MAIL FROM:<{t.sender}>{t.parameters}"] + [f"RCPT TO:<{to}>" for to in t.recipients]
        if self.session.pipelined:
            self.client.write("".join(line + "\r\n" for line in lines).encode())
        accepted = 0
        for i, line in enumerate(lines):
            said = self.client.reply() if self.session.pipelined else self.client.say(line)
            if i == 0:
                self.tell(("mail", serial), said)
                refused = said.code != 250
                if refused and not self.session.pipelined:
                    return
            elif not refused:
                self.tell(("rcpt", serial, i), said)
                accepted += said.code == 250
        if accepted:
            self.tell(("message", serial), self.client.data(t.message))
        elif not refused:
            self.client.say("RSET")


# ---- the journal ----

# id, session, times: of each entry its own. queue_id: a milter has it, the proxy only of what was accepted. text: of what
# was accepted, the mail server's words, which no milter hears.
OWN = ("id", "serial", "time", "front", "session", "queue_id", "took_us", "config")


def essence(entry):
    kept = {key: value for key, value in entry.items() if key not in OWN}
    if kept["step"] == "connect":
        kept["code"] = kept["code"] // 100
    if kept["step"] in ("connect", "helo"):
        # A milter hears of it at MAIL.
        del kept["account"]
    if kept.get("account"):
        # What was found at HELO is forgotten when the account becomes known, which for a milter is at MAIL.
        kept["facts"] = {fact: value for fact, value in kept["facts"].items() if not fact.startswith("helo")}
    kept["rule"] = kept["rule"].rpartition("/")[2]
    if kept["verdict"] == "accept":
        del kept["text"]
    return kept


def accepted(entries):
    """Of entries of accepted messages: their essences, in no order."""
    found = [repr(sorted(essence(e).items())) for e in entries.values() if e["verdict"] == "accept"]
    return collections.Counter(found)


def journal(posternd, played, way):
    """The journal's; those of what was accepted come a little behind the reply."""
    taken = sum(what[0] == "message" and code == 250 for pair in played for what, (code, _) in pair[way].verdicts.items())

    def whole():
        found = posternd.entries()
        return found if sum(accepted(found).values()) >= taken else None
    return until(whole, what="the journal")


# ---- the run ----

class World:
    def __init__(self, lab, build):
        key = lab.path("key")
        self.dns = lab.dns([
            txt("pass.test", "v=spf1 ip4:198.51.100.7 ip4:10.0.0.0/8 -all"),
            txt("fail.test", "v=spf1 ip4:198.51.100.7 -all"),
            txt("soft.test", "v=spf1 ~all"),
            txt("perm.test", "v=spf1 ipv4:192.0.2.1 -all"),
            txt("s1._domainkey.signed.test", make_key(key)),
            "5.113.0.203.bl.test. 60 A 127.0.0.4",
        ])
        self.signed = [sign(mail_text(random.Random(i), "plain.test", []), "signed.test", "s1", key) for i in range(6)]
        self.signed += [m.replace(b"To: ", b"To: Bob ") for m in self.signed[:2]]
        ports = self.proxy_port, milter = free_port(), free_port()
        behind = lab.postfix(name="behind", extra=POSTFIX)
        self.host = lab.postfix(name="host", extra=POSTFIX, milters=f"inet:127.0.0.1:{milter}")
        program = os.path.join(build, "posternd")
        listens = (f"listen proxy 127.0.0.1 port {ports[0]}\nbackend 127.0.0.1 port {behind.port} xclient",
                   f'listen milter "inet:{milter}@127.0.0.1"\n# that rules have the same lines')
        self.proxy, self.milter = (
            lab.posternd(program, SETTINGS % {"listen": listen, "dns": self.dns.port} + RULES, name)
            for listen, name in zip(listens, ("proxy", "milter")))
        until(self.probed, what="the probe")

    def probed(self):
        with Client(self.proxy_port) as c:
            return "8BITMIME" in c.ehlo.text


def play_all(w, sessions):
    """Both ways: pairs of Players; an exception in place of one that broke."""
    played = [[None, None] for _ in sessions]
    todo = collections.deque((i, way) for i in range(len(sessions)) for way in (0, 1))

    def work():
        while True:
            try:
                i, way = todo.popleft()
            except IndexError:
                return
            try:
                played[i][way] = Player((w.proxy_port, w.host.port)[way], sessions[i]).play()
            except Exception as e:  # pylint: disable=broad-except
                played[i][way] = e
                broken.append(i)
                if len(broken) > BROKEN:
                    todo.clear()

    broken = []
    threads = [threading.Thread(target=work) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return played


def verdict_differences(sessions, played):
    for s, (a, b) in zip(sessions, played):
        if isinstance(a, Exception) or isinstance(b, Exception):
            yield f"session {s.number}: {a!r}, {b!r}"
            continue
        if a is None or b is None:
            yield f"session {s.number} was not played"
            continue
        for what in sorted(set(a.verdicts) | set(b.verdicts), key=str):
            x, y = a.verdicts.get(what), b.verdicts.get(what)
            if x and y and x[0] == "4yz":
                y = ("4yz" if 400 <= y[0] < 500 else y[0], y[1])
            if x != y:
                yield f"session {s.number}, {what}: the proxy {x}, the milter {y}; {s.client} {s.helos}"


def entry_differences(played, proxy, milter):
    for a, b in played:
        for what in set(a.ids) & set(b.ids):
            x, y = essence(proxy[a.ids[what]]), essence(milter[b.ids[what]])
            for key in x:
                if key == "facts" and x[key] != y[key]:
                    both = set(x[key]) | set(y[key])
                    for fact in sorted(both):
                        if x[key].get(fact) != y[key].get(fact):
                            yield (f"session {a.session.number}, {what}, {fact}: the proxy {x[key].get(fact)!r}, the milter "
                                   f"{y[key].get(fact)!r}")
                elif x[key] != y[key]:
                    yield f"session {a.session.number}, {what}, {key}: the proxy {x[key]!r}, the milter {y[key]!r}"


def none(tap, differences):
    found = list(differences)
    tap.say("\n".join(found[:40]))
    assert not found, f"{len(found)} differences"


def sanitized(build):
    linked = subprocess.run(["ldd", os.path.join(build, "posternd")], stdout=subprocess.PIPE, check=True)
    return b"libasan" in linked.stdout


def main():
    build = need("posternd", "postern", "postfix", "nsd", "dkimsign", "openssl")
    tap = Tap()
    number = int(sys.argv[1]) if len(sys.argv) > 1 else FEW if sanitized(build) else MANY
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    with Lab() as lab:
        w = World(lab, build)
        tap.on_failure = lambda: w.proxy.text()[-1000:] + w.milter.text()[-1000:]
        sessions = [make(i, w.signed) for i in range(first, first + number)]
        began = time.monotonic()
        played = play_all(w, sessions)
        took = time.monotonic() - began
        with tap.case(f"{number} sessions: the same is told by both fronts"):
            none(tap, verdict_differences(sessions, played))
        played = [pair for pair in played if all(isinstance(each, Player) for each in pair)]
        proxy, milter = (journal(each, played, way) for way, each in enumerate((w.proxy, w.milter)))
        with tap.case("each refusal has an entry in both journals"):
            for way, entries in ((0, proxy), (1, milter)):
                lacking = [pair[way].session.number for pair in played for i in pair[way].ids.values() if i not in entries]
                assert not lacking, lacking
        with tap.case("and it holds the same: step, verdict, rule, facts"):
            none(tap, entry_differences(played, proxy, milter))
        with tap.case("so do those of what was accepted"):
            a, b = accepted(proxy), accepted(milter)
            none(tap, [f"only the proxy: {e}" for e in a - b] + [f"only the milter: {e}" for e in b - a])
            assert a, "nothing was"
        told = collections.Counter((what[0], verdict[0]) for a, _ in played for what, verdict in a.verdicts.items())
        tap.say(f"{took:.1f} s; {', '.join(f'{w} {c}: {n}' for (w, c), n in sorted(told.items(), key=str))}")
        rules = {e["rule"] for e in proxy.values()}
        with tap.case("every rule that refuses did so, in some session"):
            lines = (w.proxy.config, open(w.proxy.config, encoding="utf-8").read().splitlines())
            wanted = {i + 1 for i, line in enumerate(lines[1]) if re.match(r"    (reject|tempfail)", line)}
            found = {int(m.group(1)) for rule in rules if (m := re.search(r":(\d+)$", rule))}
            assert wanted <= found, f"lines {sorted(wanted - found)}"
        with tap.case("nothing of it was a fault"):
            for each in (w.proxy, w.milter):
                assert not each.faults(), each.faults()
    tap.finish()


if __name__ == "__main__":
    main()
