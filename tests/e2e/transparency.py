"""How far posternd can be told from the mail server behind it: the same sessions, made from a seed, are played
once straight to Postfix and once through posternd with rules that accept everything. Each difference in what
the client sees has to be a row of the table in docs/transparency.md, and each row has to be met with.

    builddir=BUILD python3 tests/e2e/transparency.py [--list] [SESSION]

--list prints every difference, also those in the table; SESSION is the number of the only one to play."""

import collections
import os
import re
import ssl
import subprocess
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import generator  # noqa: E402
from lab import Lab, free_port, until  # noqa: E402
from tap import Tap, need  # noqa: E402
from client import Client  # noqa: E402

SESSIONS, SEED = 200, 2026
AT_ONCE = 4
STRANGER = "127.0.0.2"  # whom Postfix does not offer XCLIENT, and does not trust
SIZE = 200000

SETTINGS = """hostname "mta.example.org"
database "{folder}"
listen proxy 127.0.0.1 port %(port)d
certificate "%(cert)s.pem" key "%(cert)s.key"
backend 127.0.0.1 port %(backend)d xclient
resolver forward 127.0.0.1 port 9
threads 1
errors 20
recipients 100
vrfy relay
expn relay
etrn relay
help relay
at connect { accept }
at helo { accept }
at mail { accept }
at rcpt { accept }
at message { accept }
"""

POSTFIX = f"""myorigin = example.org
mynetworks = 127.0.0.1
smtpd_authorized_xclient_hosts = 127.0.0.1
smtpd_tls_cert_file = %(cert)s.pem
smtpd_tls_key_file = %(cert)s.key
smtpd_tls_security_level = may
smtpd_error_sleep_time = 0
smtpd_hard_error_limit = 20
smtpd_recipient_limit = 100
smtpd_timeout = 60s
local_header_rewrite_clients =
file_destination_recipient_limit = 1
message_size_limit = {SIZE}
"""

# place: step, and which reply within it; said: a Reply, None for the end of the connection
Seen = collections.namedtuple("Seen", "place command said relayed")
Difference = collections.namedtuple("Difference", "session command direct postern")
Row = collections.namedtuple("Row", "id command direct postern after reason")


def certificate(lab):
    base = lab.path("cert")
    subprocess.run(("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                    "-days", "30", "-subj", "/CN=mta.example.org", "-keyout", base + ".key", "-out", base + ".pem"),
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return base


def shown(octets):
    """Fit for a table and for regular expressions: one line, ASCII."""
    return octets.decode("latin-1").encode("unicode_escape").decode().replace("\\\\", "\\")


# ---- one session, one way ----

class Player:
    """Plays a session and keeps what it sees: `seen`; and who was told that a message was taken: `told`."""

    def __init__(self, port, steps):
        self.steps = steps
        self.place = (-1, 0)
        self.seen = {}  # by place
        self.told = collections.Counter()  # by recipient as said, of messages answered by 250
        self.told_raw = 0  # in the step "last", whose messages are for one recipient each
        self.recipients = []
        self.context = ssl.create_default_context()
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE
        self.client = Client(port, source=STRANGER, greet=False)

    def hear(self, command, relayed=False):
        """The next reply; None at the end of the connection."""
        try:
            said = self.client.reply()
        except ConnectionError:
            said = None
        self.place = (self.place[0], self.place[1] + 1)
        self.seen[self.place] = Seen(self.place, shown(command), said, relayed)
        if said:
            self.note(command, said)
        return said

    def note(self, command, said):
        """Keeps track of whom a message is for, as the server does."""
        verb = command[:4].upper()
        if verb in (b"MAIL", b"RSET", b"EHLO", b"HELO") and said.code == 250:
            self.recipients = []
        if verb == b"RCPT" and said.code == 250:
            self.recipients.append(command)
        last = verb == b"BDAT" and command.upper().endswith(b"LAST")
        if command == b"." or last:
            if said.code == 250:
                self.told.update(set(self.recipients))
            self.recipients = []

    def send(self, octets):
        try:
            self.client.write(octets)
        except OSError:
            pass

    def message(self, octets):
        """After 354; the place is that of the reply to DATA and a half, so that those behind it stay."""
        at = self.place
        self.send(octets)
        self.place = (at[0], at[1] - 0.5)
        said = self.hear(b".", True)
        self.place = at
        return said

    def group(self, lines):
        """One piece, a reply to each; the last reply, None if the connection has ended."""
        said = None
        self.send(b"".join(line + b"\r\n" for line in lines))
        for line in lines:
            relayed = re.match(rb"(?i)(RCPT|VRFY|EXPN|HELP|ETRN)\b", line)
            said = self.hear(line, bool(relayed))
            if said is None:
                return None
            if said.code == 354 and line is not lines[-1]:
                raise AssertionError(f"354 in the midst of {lines}")
        return said

    def say(self, step):
        said = self.group(step.lines)
        if said and said.code == 354:
            said = self.message(b".\r\n")
        return said is not None

    def data(self, step):
        said = self.group(step.lines)
        if said is None:
            return False
        if said.code == 354 and step.message is not None:
            said = self.message(generator.stuffed(step.message))
        return said is not None

    def chunks(self, step):
        for command, octets in step.message:
            self.send(command + b"\r\n" + octets)
            said = self.hear(command, command.upper().endswith(b"LAST"))
            if said and said.code == 354:
                said = self.message(b".\r\n")
            if said is None:
                return False
        return True

    def tls(self, step):
        said = self.group(step.lines)
        if said and said.code == 220:
            self.client.secure(self.context)
        return said is not None

    def last(self, step):
        self.send(step.lines[0])
        self.client.end_output()
        said = self.hear(step.lines[0][:200])
        while said is not None:
            self.told_raw += said.code == 250 and "queued as" in said.text
            said = self.hear(step.lines[0][:200])
        return False

    def play(self):
        going = self.hear(b"(greeting)") is not None
        for i, step in enumerate(self.steps):
            if not going:
                break
            self.place = (i, 0)
            going = getattr(self, step.how)(step)
        if going:
            self.place = (len(self.steps), 0)
            # Whoever has said QUIT is left; the others leave.
            self.client.end_output()
            self.hear(b"(end)")
        self.client.close()
        return self


# ---- the differences ----

def text_of(said):
    if said is None:
        return "end"
    return shown(" / ".join(said.lines).encode("latin-1"))


def essence(said):
    """Code, enhanced codes and number of lines."""
    if said is None:
        return None
    enhanced = [re.match(r"[245]\.\d{1,3}\.\d{1,3}(?= )", line[4:]) for line in said.lines]
    return said.code, tuple(e and e.group() for e in enhanced)


def words_of(said):
    return re.sub(r" \[[a-z0-9]{4,8}\]$", " [ID]",
                  re.sub(r"queued as [0-9A-Za-z]+", "queued as ID", text_of(said)))


def offers(said):
    return {shown(line[4:].encode("latin-1")) for line in said.lines[1:]}


def compare(a, b):
    """The differences of two that were seen at the same place, as (command, directly, through Postern)."""
    if re.match(r"(?i)EHLO\b", a.command) and a.said and b.said and a.said.code == b.said.code == 250:
        if words_of(a.said).split(" / ")[0] != words_of(b.said).split(" / ")[0]:
            yield a.command, words_of(a.said), words_of(b.said)
        for word in sorted(offers(a.said) ^ offers(b.said)):
            there = word in offers(a.said)
            yield "(offer)", word if there else "none", "none" if there else word
    elif essence(a.said) != essence(b.said):
        yield a.command, words_of(a.said), words_of(b.said)
    elif a.relayed and words_of(a.said) != words_of(b.said):
        yield "(words) " + a.command, words_of(a.said), words_of(b.said)


def begins_anew(seen):
    """Behind it there is no transaction."""
    return re.match(r"(?i)(EHLO|HELO|RSET)\b", seen.command) and seen.said and seen.said.code == 250


def taken(seen):
    """A message was."""
    return re.match(r"(?i)(\.|BDAT \d+ LAST)$", seen.command) and seen.said and seen.said.code == 250


# ---- the table ----

def table(path):
    """The rows of docs/transparency.md: id, command, directly, through Postern, after, reason. Between back quotes are
    regular expressions that have to match as a whole."""
    rows = []
    with open(path, encoding="utf-8") as f:
        for line in f:
            cells = [c.strip() for c in line.strip().strip("|").split(" | ")]
            if len(cells) == 6 and re.match(r"`[a-z0-9-]+`$", cells[0]):
                rows.append(Row(*(c.strip("`") for c in cells[:5]), cells[5]))
    return rows


def fits(pattern, text):
    return re.fullmatch(pattern, text, re.S) is not None


class Judge:
    """Looks for each difference among the rows."""

    def __init__(self, rows):
        self.rows = rows
        self.used = collections.Counter()
        self.unknown = []  # Difference
        self.known = []    # (id, Difference)

    def session(self, number, direct, postern):
        """Up to where one of them ends. What only one saw is the reply to a message that the other was not asked
        for, which was a difference at DATA. before: the rows met in the same transaction."""
        before = set()
        for place in sorted(set(direct.seen) & set(postern.seen)):
            a, b = direct.seen[place], postern.seen[place]
            for command, theirs, ours in compare(a, b):
                self.one(Difference(number, command, theirs, ours), before)
            if a.said is None or b.said is None:
                return
            if (begins_anew(a) and begins_anew(b)) or (taken(a) and taken(b)):
                before.clear()

    def row_of(self, d, before):
        for row in self.rows:
            if (fits(row.command, d.command) and fits(row.direct, d.direct) and
                    fits(row.postern, d.postern) and (not row.after or before & set(row.after.split()))):
                return row
        return None

    def one(self, difference, before):
        row = self.row_of(difference, before)
        if row is None:
            self.unknown.append(difference)
            return
        self.used[row.id] += 1
        self.known.append((row.id, difference))
        before.add(row.id)


# ---- what was delivered ----

def below(stored):
    """A message without the fields that servers put in front. What Postfix makes of a line "From somebody" stays in
    front of them."""
    front = b""
    while True:
        found = re.match(rb"(?i)(Received|Authentication-Results|X-Mailbox-Line):[^\n]*\n([ \t][^\n]*\n)*", stored)
        if not found:
            return front + stored
        if found.group(1) == b"X-Mailbox-Line":
            front += found.group()
        stored = stored[found.end():]


def waiting(mta):
    """Files in the queue."""
    return any(files for queue in ("maildrop", "incoming", "active", "deferred")
               for _, _, files in os.walk(os.path.join(mta.folder, "queue", queue)))


def mailboxes(mta):
    """What each holds, in no order."""
    until(lambda: not waiting(mta), 60, "the queue to run empty")
    found = collections.defaultdict(collections.Counter)
    for domain in os.listdir(mta.mail):
        for name in os.listdir(os.path.join(mta.mail, domain)):
            held = [below(m) for m in mta.messages(name + "@" + domain)]
            found[box_name(name + "@" + domain)].update(held)
    return found


def box_name(address):
    """Those that no transaction has for itself are one."""
    return address.lower() if re.search(r"\.\d+\.\d+", address) else "others"


def mailbox_of(command):
    """Of the recipient that RCPT names."""
    path = re.match(rb'(?is)RCPT TO: ?<?(@[^:]*:)?("(?:[^"\\]|\\.)*"|[^"@>]*)(@[^> ]*)?>?', command)
    local = re.sub(rb"\\(.)", rb"\1", path.group(2).strip(b'"').strip())
    domain = (path.group(3) or b"@example.org").strip().lower()
    return box_name((local + domain).decode("utf-8", "surrogateescape"))


# ---- the run ----

class World:
    def __init__(self, lab, build):
        cert = certificate(lab)
        extra = POSTFIX % {"cert": cert}
        self.direct = lab.postfix(name="direct", xclient=False, extra=extra)
        self.behind = lab.postfix(name="behind", xclient=False, extra=extra)
        self.port = free_port()
        self.posternd = lab.posternd(os.path.join(build, "posternd"), SETTINGS % {
            "port": self.port, "backend": self.behind.port, "cert": cert})
        until(self.probed, what="the probe")

    def probed(self):
        with Client(self.port, source=STRANGER) as c:
            return "8BITMIME" in c.ehlo.text


def play_all(world, sessions):
    """Both ways, some sessions at once: pairs of Players; an exception in place of one that broke."""
    played = [[None, None] for _ in sessions]
    todo = collections.deque((i, way) for i in range(len(sessions)) for way in (0, 1))

    def work():
        while True:
            try:
                i, way = todo.popleft()
            except IndexError:
                return
            try:
                played[i][way] = Player((world.direct.port, world.port)[way], sessions[i]).play()
            except Exception as e:  # pylint: disable=broad-except
                played[i][way] = e

    threads = [threading.Thread(target=work) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return played


def tell(tap, found):
    """Each kind once, with how often it came."""
    groups = collections.Counter()
    first = {}
    for name, d in found:
        key = (name, d.command[:60], d.direct[:200], d.postern[:200])
        groups[key] += 1
        first.setdefault(key, d.session)
    for key, n in sorted(groups.items()):
        name, command, direct, postern = key
        tap.say(f"{n} times, first in session {first[key]} {name}: {command}\n    directly: {direct}\n    "
                f"through Postern: {postern}")


def told(played):
    """By mailbox, of how many messages clients were told that they are taken."""
    found = collections.Counter()
    for player in played:
        for command, n in player.told.items():
            found[mailbox_of(command)] += n
        found["others"] += player.told_raw
    return found


def same_mail(tap, w, played):
    """Who was told as often both ways has to have the same; whoever was not is a difference in replies."""
    boxes, counts = {}, {}
    for way, mta in ((0, w.direct), (1, w.behind)):
        with tap.case(f"{mta.name}: as many messages were delivered as clients were told of, to each recipient"):
            boxes[way] = mailboxes(mta)
            counts[way] = told(p[way] for p in played)
            got = collections.Counter({name: sum(box.values()) for name, box in boxes[way].items()})
            assert counts[way] == got, f"only told {counts[way] - got}, only delivered {got - counts[way]}"
    with tap.case("the same messages were delivered, octet for octet below the added fields"):
        same = [name for name in boxes[1] if counts[0][name] == counts[1][name]]
        for name in same:
            a, b = boxes[0][name], boxes[1][name]
            assert a == b, f"{name}: only directly {list(a - b)}, only through Postern {list(b - a)}"
        tap.say(f"{sum(counts[0][name] for name in same)} messages in {len(same)} mailboxes are the same")
        assert len(same) > 50, "too few to tell"


def main():
    build = need("posternd", "postfix", "openssl")
    here = os.path.dirname(os.path.abspath(__file__))
    rows = table(os.path.join(here, "..", "..", "docs", "transparency.md"))
    more = [a for a in sys.argv[1:] if a != "--list"]
    sessions, kinds = generator.sessions(SEED, SESSIONS)
    numbers = [int(a) for a in more] or range(len(sessions))
    sessions = [sessions[i] for i in numbers]
    tap = Tap()
    with Lab() as lab:
        w = World(lab, build)
        tap.on_failure = lambda: w.posternd.text()[-1500:]
        played = play_all(w, sessions)
        judge = Judge(rows)
        for number, (direct, postern) in zip(numbers, played):
            with tap.case(f"session {number} was played both ways"):
                for each in (direct, postern):
                    if isinstance(each, Exception):
                        raise each
                judge.session(number, direct, postern)
        with tap.case("the sessions hold what they are to hold"):
            lacking = [kind for kind, n in generator.WANTED.items() if kinds[kind] < n]
            assert not lacking, f"too few of {lacking}"
        with tap.case("no difference that is not in docs/transparency.md"):
            tell(tap, [("", d) for d in judge.unknown])
            assert not judge.unknown, f"{len(judge.unknown)} differences"
        with tap.case("no row of docs/transparency.md that is not met with"):
            unused = [row.id for row in rows if not judge.used[row.id]]
            assert more or not unused, f"never used: {', '.join(unused)}"
        if "--list" in sys.argv:
            tell(tap, judge.known)
        tap.say(f"differences: {sum(judge.used.values())} in the table")
        same_mail(tap, w, played)
        with tap.case("nothing of it was a fault"):
            assert not w.posternd.faults(), w.posternd.faults()
    tap.finish()


if __name__ == "__main__":
    main()
