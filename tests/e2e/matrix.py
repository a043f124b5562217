"""matrix: every verdict at every step, as rules and as what a client has to be told. Each cell has a
client, HELO, sender or recipient of its own, so that all cells stand in one configuration.
"""

import collections
import re
import time

from client import Client, identifier
from lab import message
from tap import equal, lacks, matches

STEPS = ("connect", "helo", "mail", "rcpt", "message")

# What a text may hold that some printf on the way could take for its own.
ODD = "100% %s %d%% sure, $5"

# step -> verdict -> code, enhanced code: all different, so that a reply tells which rule it is of
CODES = {
    "connect": {"tempfail": (450, "4.7.0"), "reject": (554, "5.7.1")},
    "helo": {"tempfail": (450, "4.7.2"), "reject": (550, "5.7.2")},
    "mail": {"tempfail": (451, "4.1.8"), "reject": (553, "5.1.8")},
    "rcpt": {"tempfail": (450, "4.2.0"), "reject": (550, "5.2.1")},
    "message": {"tempfail": (451, "4.6.0"), "reject": (554, "5.6.0")},
}

FRIEND = "127.0.1.4"  # let through everything

CLIENTS = {"accept": "127.0.1.1", "tempfail": "127.0.1.2", "reject": "127.0.1.3"}

FACTS = {"connect": "client", "helo": "helo", "mail": "sender.domain", "rcpt": "sender.domain",
         "message": "sender.domain"}

Cell = collections.namedtuple("Cell", "step verdict source helo sender recipient")


def rules():
    """Lists and rules for a configuration."""
    lines = [f"list {verdict}_clients {{ {address} }}" for verdict, address in CLIENTS.items()]
    lines += [f'list late_{step} {{ "accept.{step}.test" }}' for step in STEPS[1:]]
    lines.append(f"list late_connect {{ {CLIENTS['accept']} }}")
    lines.append(f"list friends {{ {FRIEND} }}")
    for step in STEPS:
        lines.append(f"at {step} {{")
        if step == "connect":
            lines.append("    accept session if client in friends")
        if step == "mail":
            lines.append('    observe reject 550 5.7.8 "seen" if sender.domain = "watched.test"')
            lines.append('    score 3 if sender.domain = "watched.test"')
        if step == "rcpt":
            lines.append('    delay 500ms if sender.domain = "slow.test"')
        if step == "message":
            lines.append('    reject 550 5.7.9 "strict" if recipient = "strict@example.org" '
                         'and sender.domain = "evil.test"')
            lines.append('    add header "X-Score" "${score} of ${sender}" if score > 0')
            lines.append('    tempfail 451 4.6.1 "score ${score}" if score > 3')
        # The first that says something ends the step: this one comes too late to.
        for verdict in ("accept", "tempfail", "reject"):
            condition = (f"client in {verdict}_clients" if step == "connect" else
                         f'{FACTS[step]} = "{verdict}.{step}.test"')
            if verdict == "accept":
                lines.append(f"    accept if {condition}")
                lines.append(f'    reject 500 5.0.0 "too late" if {FACTS[step]} in late_{step}')
            else:
                code, enhanced = CODES[step][verdict]
                text = f"{verdict} at {step}, " + ODD.replace("$", "$$")
                lines.append(f'    {verdict} {code} {enhanced} "{text}" if {condition}')
        lines.append("}")
    return "\n".join(lines) + "\n"


def cells():
    for step in STEPS:
        for verdict in ("accept", "tempfail", "reject"):
            name = f"{verdict}.{step}.test"
            yield Cell(
                step, verdict,
                CLIENTS[verdict] if step == "connect" else "127.0.0.1",
                name if step == "helo" else "client.test",
                f"a@{name}" if step in ("mail", "rcpt", "message") else "a@other.test",
                f"{step}-{verdict}@example.org")


def play(cell, port):
    """The reply that decided: the first that refuses, else the one to the message."""
    with Client(port, source=cell.source, greet=False) as c:
        said = c.reply()
        if said.code == 220:
            said = c.say("EHLO " + cell.helo)
        if said.code == 250:
            said = c.send(cell.sender, cell.recipient,
                          message(cell.sender, cell.recipient, f"{cell.step} {cell.verdict}"))
        return said


def check(cell, said, code=None, address_first=False):
    """Is it the reply of this cell's rule? code: which the front puts in its place; address_first:
    the MTA may tell the address before the text."""
    if cell.verdict == "accept":
        equal(said.code, 250, "the reply")
        return
    wanted, enhanced = CODES[cell.step][cell.verdict]
    equal(said.code, code or wanted, "the code")
    text = re.sub(r"^(\S+) <\S*>\.\.\. ", r"\1 ", said.text) if address_first else said.text
    equal(text, f"{enhanced} {cell.verdict} at {cell.step}, {ODD} [{identifier(said)}]", "the text")


def check_entry(cell, said, entries, front, code=None):
    """Is it in the journal under the id that the client was told?"""
    entry = entries.get(identifier(said))
    assert entry, f"no entry {identifier(said)} in the journal: {sorted(entries)}"
    equal({key: entry[key] for key in ("step", "verdict", "code", "front")},
          {"step": cell.step, "verdict": cell.verdict,
           "code": code or CODES[cell.step][cell.verdict][0], "front": front}, "the entry")
    matches(r":\d+$", entry["rule"], "the rule")


def beyond(tap, front, port, posternd, mta):
    """Verbs that end no step, or more than one."""
    with tap.case(f"{front}: accept session ends the rules for all of it"):
        with Client(port, source=FRIEND, helo="reject.helo.test") as c:
            for sender in ("a@reject.mail.test", "a@reject.rcpt.test", "a@reject.message.test"):
                said = c.send(sender, "friend@example.org",
                              message(sender, "friend@example.org", "friend"))
                equal(said.code, 250, f"the reply to {sender}")
        mta.await_messages("friend@example.org", 3)
    with tap.case(f"{front}: an observed rule refuses nobody; fields are added, the score adds up"):
        with Client(port) as c:
            said = c.send("a@watched.test", "watched@example.org",
                          message("a@watched.test", "watched@example.org", "watched"))
        equal(said.code, 250, "the reply")
        stored = mta.await_messages("watched@example.org")[0].decode("latin-1")
        header, _, rest = stored.partition("From: <a@watched.test>")
        equal(re.findall(r"(?m)^X-Score: (.*)$", header), ["3 of a@watched.test"], "X-Score")
        lacks("X-Score", rest)
    with tap.case(f"{front}: what it would have said is in the journal"):
        posternd.await_entries("watched@example.org")
        found = [e for e in posternd.entries().values()
                 if e["sender"] == "a@watched.test" and e["front"] == front]
        equal([(e["verdict"], e["observed"]) for e in found if e["observed"]],
              [("accept", "reject")], "the entries with something observed")


def apart(tap, front, port, posternd, mta):
    """Recipients of one message with different verdicts, and a reply that is held back."""
    with tap.case(f"{front}: recipients with different policies get each its own verdict"):
        with Client(port) as c:
            equal(c.say("MAIL FROM:<a@evil.test>").code, 250, "the reply to MAIL")
            equal(c.say("RCPT TO:<lax@example.org>").code, 250, "the first recipient")
            said = c.say("RCPT TO:<strict@example.org>")
            equal(said.code, 452, "the second recipient")
            matches(r"^4\.5\.3 .*This recipient's policy differs", said.text)
            equal(posternd.entries()[identifier(said)]["verdict"], "defer", "the entry")
            equal(c.data(message("a@evil.test", "lax@example.org", "apart")).code, 250, "the first")
            said = c.send("a@evil.test", "strict@example.org",
                          message("a@evil.test", "strict@example.org", "apart"))
            equal((said.code, said.text[:12]), (550, "5.7.9 strict"), "the second")
        mta.await_messages("lax@example.org")
        equal(mta.messages("strict@example.org"), [], "what the second got")
    with tap.case(f"{front}: a delay holds the reply back"):
        with Client(port) as c:
            equal(c.say("MAIL FROM:<a@slow.test>").code, 250, "the reply to MAIL")
            began = time.monotonic()
            equal(c.say("RCPT TO:<slow@example.org>").code, 250, "the reply to RCPT")
            took = time.monotonic() - began
            assert took >= 0.48, f"it took {took:.3f} s"


def run(tap, front, port, posternd, mta, code_of=lambda cell: None):
    """All cells through one front: what is told, what is delivered, what is in the journal."""
    told = {}
    for cell in cells():
        with tap.case(f"{front}: {cell.verdict} at {cell.step}"):
            told[cell] = play(cell, port)
            check(cell, told[cell], code_of(cell), mta.TELLS_ADDRESS)
            if cell.verdict == "accept":
                equal(len(mta.await_messages(cell.recipient)), 1, "the number delivered")
    with tap.case(f"{front}: nothing that was refused was delivered"):
        for cell in cells():
            if cell.verdict != "accept":
                equal(mta.messages(cell.recipient), [], cell.recipient)
    entries = posternd.entries()
    for cell, said in told.items():
        if cell.verdict != "accept":
            with tap.case(f"{front}: {cell.verdict} at {cell.step} is in the journal"):
                check_entry(cell, said, entries, front, code_of(cell))
    beyond(tap, front, port, posternd, mta)
    apart(tap, front, port, posternd, mta)
    with tap.case(f"{front}: what was accepted is in the journal"):
        for cell in cells():
            if cell.verdict == "accept":
                posternd.await_entries(cell.recipient)
        accepted = [e["recipients"] for e in posternd.entries().values()
                    if e["verdict"] == "accept" and e["front"] == front]
        for cell in cells():
            equal(accepted.count([cell.recipient]), cell.verdict == "accept",
                  f"the number of entries for {cell.recipient}")
