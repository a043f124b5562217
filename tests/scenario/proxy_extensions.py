"""SMTP extensions: what is offered is what the mail server behind has and we carry, what is said with them
reaches it unchanged, and nothing reaches it that it did not offer on that very connection."""

import itertools

import play
from play import Client, stuffed
from world import Cases

MESSAGE = b"From: a@example.net\r\nTo: b@example.org\r\nSubject: x\r\n\r\nHello\r\n"

# What is offered whatever the mail server has.
OURS = [b"PIPELINING", b"SIZE 52428800", b"LIMITS RCPTMAX=1000", b"CHUNKING", b"ENHANCEDSTATUSCODES"]
# What is offered if it has it.
CARRIED = [b"8BITMIME", b"DSN", b"DELIVERBY", b"MT-PRIORITY", b"SMTPUTF8", b"BINARYMIME"]
# What is its own, whatever it says.
WITHHELD = [b"STARTTLS", b"AUTH PLAIN LOGIN", b"AUTH=PLAIN", b"REQUIRETLS", b"XCLIENT NAME ADDR", b"XFORWARD NAME",
            b"ETRN", b"VRFY", b"EXPN", b"HELP", b"TURN", b"ATRN", b"PRDR", b"PIPECONNECT", b"X_PIPE_CONNECT", b"BURL imap",
            b"FUTURERELEASE 1 2", b"NO-SOLICITING", b"CHECKPOINT", b"CONPERM", b"CONNEG", b"RRVS", b"SUBMITTER",
            b"VERB", b"ONEX", b"XUSR", b"X-UNKNOWN 1", b"XDSN", b"8BITMIME2"]

CASES = Cases()


def with_options(ehlo=CARRIED, **options):
    return CASES.with_world(mta={"ehlo": (b"SIZE",) + tuple(ehlo)}, **options)


case = with_options()


def carried(theirs):
    """What of it is offered: SMTPUTF8 includes 8BITMIME, BINARYMIME is nothing without CHUNKING, which is ours."""
    wants = {b"SMTPUTF8": b"8BITMIME", b"BINARYMIME": b"CHUNKING"}
    return [word for word in theirs if word != b"CHUNKING" and wants.get(word, word) in theirs]


def offer(postern):
    c = Client(postern)
    lines = c.hello().split(b"\r\n")[1:-1]
    c.close()
    return [line[4:] for line in lines]


def known(postern, word):
    """Waits until the probe's result has come."""
    play.until(lambda: word in offer(postern), "%r to be offered" % word)


def relearn(mta, postern, ehlo):
    """The mail server's abilities become these, and a session learns it."""
    mta.ehlo = list(ehlo)
    c = Client(postern)
    c.hello()
    c.envelope()
    c.close()


@case
def comparison(mta, postern):
    "what is offered is what both of us carry, for each set that a mail server may have"
    every = CARRIED + [b"CHUNKING"]
    for n in range(len(every) + 1):
        for subset in itertools.combinations(every, n):
            relearn(mta, postern, list(subset) + [b"SIZE"])
            assert sorted(offer(postern)) == sorted(OURS + carried(subset)), (subset, offer(postern))
            relearn(mta, postern, WITHHELD + list(subset))
            assert sorted(offer(postern)) == sorted(OURS + carried(subset)), (subset, offer(postern))
    relearn(mta, postern, [word.lower() for word in every])
    assert sorted(offer(postern)) == sorted(OURS + CARRIED), offer(postern)


@case
def arguments(mta, postern):
    "arguments are the mail server's, with the smaller of both limits"
    for theirs, offered in ((b"SIZE 7000", b"SIZE 7000"), (b"SIZE 99999999999", b"SIZE 52428800"),
                            (b"SIZE 0", b"SIZE 52428800"), (b"DELIVERBY 240", b"DELIVERBY 240"),
                            (b"MT-PRIORITY MIXER", b"MT-PRIORITY MIXER"),
                            (b"LIMITS MAILMAX=1 RCPTMAX=50", b"LIMITS RCPTMAX=50"),
                            (b"LIMITS RCPTMAX=5000", b"LIMITS RCPTMAX=1000"),
                            (b"LIMITS RCPTDOMAINMAX=1", b"LIMITS RCPTMAX=1000")):
        relearn(mta, postern, [theirs])
        assert offered in offer(postern), (theirs, offer(postern))


PLAN = 'plan small { 7 recipients per message; for clients in here }\nlist here { 127.0.0.1 }'


@with_options(settings=PLAN)
def plan_limit(mta, postern):
    "the limit of recipients is that of the client's plan"
    assert b"LIMITS RCPTMAX=7" in offer(postern), offer(postern)


MAILS = (b" RET=HDRS ENVID=QQ+2B314", b" ret=full", b" BY=120;R", b" BY=-5;NT", b" MT-PRIORITY=-3",
         b" BODY=8BITMIME", b" SMTPUTF8", b" ENVID=1 BODY=8BITMIME RET=FULL MT-PRIORITY=4 BY=9;N")
RCPTS = (b" NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;b+2Bc@example.org", b" NOTIFY=NEVER",
         b" orcpt=X400;b")


@case
def unchanged(mta, postern):
    "parameters reach the mail server unchanged"
    c = Client(postern)
    c.hello()
    for mail, rcpt in itertools.product(MAILS, RCPTS):
        c.say(b"MAIL FROM:<a@example.net>" + mail, 250)
        c.say(b"RCPT TO:<b@example.org>" + rcpt, 250)
        c.say(b"RCPT TO:<c@example.org>", 250)
        c.data(stuffed(MESSAGE), 250)
        taken = mta.taken.pop()
        assert taken.mail == b"MAIL FROM:<a@example.net>" + mail, taken.mail
        assert taken.rcpts == [b"RCPT TO:<b@example.org>" + rcpt, b"RCPT TO:<c@example.org>"], taken.rcpts
        assert taken.ours() == MESSAGE
    c.say("MAIL FROM:<a@example.net> BODY=7BIT SIZE=100", 250)
    c.say("RCPT TO:<b@example.org>", 250)
    assert mta.lines[-2] == b"MAIL FROM:<a@example.net> SIZE=100", mta.lines
    c.close()


@case
def not_valid(mta, postern):
    "parameters that are not valid are refused before the mail server hears of them"
    for mail in (b"RET=BODY", b"ENVID=a+0D+0ARCPT", b"BY=0;R", b"BY=1", b"MT-PRIORITY=10", b"BODY=8BIT"):
        c = Client(postern)
        c.hello()
        c.say(b"MAIL FROM:<a@example.net> " + mail, 501, b"5.5.4")
        c.say(b"RCPT TO:<b@example.org>", 503)
        c.close()
    for rcpt in (b"NOTIFY=NEVER,DELAY", b"ORCPT=rfc822;a+00", b"ORCPT=a@b", b"NOTIFY"):
        c = Client(postern)
        c.hello()
        c.say(b"MAIL FROM:<a@example.net>", 250)
        c.say(b"RCPT TO:<b@example.org> " + rcpt, 501, b"5.5.4")
        c.say(b"DATA", 554)
        c.close()
    assert not mta.lines, mta.lines


@with_options(ehlo=())
def not_offered(mta, postern):
    "parameters of what was not offered are refused, and all but the oldest after HELO"
    for hello in (b"EHLO client.example", b"HELO client.example"):
        for mail in MAILS:
            c = Client(postern)
            c.say(hello, 250)
            c.say(b"MAIL FROM:<a@example.net>" + mail, 555, b"5.5.4")
            c.close()
        for rcpt in RCPTS:
            c = Client(postern)
            c.say(hello, 250)
            c.say(b"MAIL FROM:<a@example.net>", 250)
            c.say(b"RCPT TO:<b@example.org>" + rcpt, 555, b"5.5.4")
            c.close()
    for mail in (b"REQUIRETLS", b"AUTH=<>", b"HOLDFOR=10", b"X=1"):
        c = Client(postern)
        c.hello()
        c.say(b"MAIL FROM:<a@example.net> " + mail, 555, b"5.5.4")
        c.close()
    assert not mta.lines, mta.lines


@case
def lost_meanwhile(mta, postern):
    "what the connection lacks that was offered is 451, and not offered any more"
    for mail, rcpt, word in ((b" BODY=8BITMIME", b"", b"8BITMIME"), (b" RET=FULL", b"", b"DSN"),
                             (b"", b" NOTIFY=NEVER", b"DSN"), (b" BY=1;N", b"", b"DELIVERBY"),
                             (b" MT-PRIORITY=1", b"", b"MT-PRIORITY"),
                             (b" SMTPUTF8", b"", b"SMTPUTF8")):
        relearn(mta, postern, CARRIED)
        known(postern, word)
        c = Client(postern)
        c.hello()
        mta.ehlo = [b"SIZE"]
        del mta.lines[:]
        c.say(b"MAIL FROM:<a@example.net>" + mail, 250)
        c.say(b"RCPT TO:<b@example.org>" + rcpt, 451, word + b" is not offered any more")
        assert not [line for line in mta.lines if b"RCPT" in line], mta.lines
        assert word not in offer(postern)
        c.say("RSET", 250)
        c.envelope()
        c.data(stuffed(MESSAGE), 250)
        c.close()


UTF8 = "\u00e4\u4f8b@\u00f6.example.org".encode()


@case
def utf8(mta, postern):
    "addresses in UTF-8 reach the mail server as they are, after SMTPUTF8"
    c = Client(postern)
    c.hello()
    c.say(b"MAIL FROM:<" + UTF8 + b"> BODY=8BITMIME SMTPUTF8", 250)
    c.say(b"RCPT TO:<" + UTF8 + b"> ORCPT=utf-8;" + UTF8, 250)
    message = "From: \u00e4@\u00f6.example.org\r\nSubject: \u4f8b\r\n\r\n\u4f8b\r\n".encode()
    c.data(stuffed(message), 250)
    c.close()
    taken = mta.taken.pop()
    assert taken.mail == b"MAIL FROM:<" + UTF8 + b"> BODY=8BITMIME SMTPUTF8", taken.mail
    assert taken.rcpts == [b"RCPT TO:<" + UTF8 + b"> ORCPT=utf-8;" + UTF8], taken.rcpts
    assert taken.ours() == message, taken.octets
    head = taken.octets[:taken.octets.index(b";")]
    assert b" with UTF8SMTP id " in head and b"\r\n\tfor <" + UTF8 + b">" in head, head


@case
def utf8_not_asked_for(mta, postern):
    "addresses in UTF-8 are refused in a transaction without SMTPUTF8"
    c = Client(postern)
    c.hello()
    c.say(b"MAIL FROM:<" + UTF8 + b">", 553, b"5.6.7")
    c.say(b"MAIL FROM:<a@example.net>", 250)
    c.say(b"RCPT TO:<" + UTF8 + b">", 553, b"5.6.7")
    c.say(b"RCPT TO:<a@example.org> ORCPT=utf-8;" + UTF8, 555, b"SMTPUTF8")
    c.say(b"RCPT TO:<a@example.org>", 250)
    c.data(stuffed(MESSAGE), 250)
    c.close()
    assert b"with ESMTP id" in mta.taken.pop().octets


@with_options(ehlo=(b"DSN", b"SMTPUTF8"))
def utf8_not_offered(mta, postern):
    "addresses in UTF-8 are refused where the mail server cannot take them"
    c = Client(postern)
    assert b"SMTPUTF8" not in c.hello()
    c.say(b"MAIL FROM:<" + UTF8 + b"> SMTPUTF8", 555, b"5.5.4")
    c.say(b"MAIL FROM:<" + UTF8 + b">", 553, b"5.6.7")
    c.say(b"MAIL FROM:<a@example.net>", 250)
    c.say(b"RCPT TO:<" + UTF8 + b">", 553, b"5.6.7")
    c.close()
    assert not mta.lines, mta.lines


@case
def utf8_that_is_none(mta, postern):
    "octets that are no UTF-8 are refused, and UTF-8 where no address is"
    for octets in (b"\xc3", b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xc2\x85", b"\xf4\x90\x80\x80"):
        c = Client(postern)
        c.hello()
        c.say(b"MAIL FROM:<" + octets + b"@example.net> SMTPUTF8", 501)
        c.say(b"MAIL FROM:<a@" + octets + b".example.net> SMTPUTF8", 501)
        c.say(b"MAIL FROM:<> SMTPUTF8", 250)
        c.say(b"RCPT TO:<" + octets + b"@example.org>", 501)
        c.say(b"RCPT TO:<a@example.org> ORCPT=utf-8;" + octets, 501)
        c.close()
    c = Client(postern)
    c.say("EHLO \xc3\xa4.example", 500)
    c.hello()
    c.say("MAIL FROM:<> SMTPUTF8 ENVID=\xc3\xa4", 501)
    c.close()
    assert not mta.lines, mta.lines


ASKED = ((b"VRFY joe", 252), (b"EXPN staff", 502), (b"ETRN example.org", 502), (b"HELP", 214), (b"HELP MAIL", 214))
RELAY = "vrfy relay\nexpn relay\netrn relay\nhelp relay\nerrors 4"


@with_options(ehlo=(b"8BITMIME", b"VRFY", b"EXPN", b"ETRN", b"HELP"))
def asked_of_us(mta, postern):
    "VRFY, EXPN, ETRN and HELP are answered here"
    assert offer(postern) == [b"PIPELINING", b"SIZE 52428800", b"8BITMIME"] + OURS[-2:-3:-1] + [OURS[2], OURS[-1]], offer(postern)
    c = Client(postern)
    c.hello()
    for line, code in ASKED:
        c.say(line, code)
    for line in (b"VRFY", b"EXPN", b"ETRN"):
        c.say(line, 501, b"5.5.4")
    c.close()
    assert not mta.lines, mta.lines


@with_options(ehlo=(b"8BITMIME", b"VRFY", b"EXPN", b"ETRN", b"HELP"), settings=RELAY)
def asked_of_the_mta(mta, postern):
    "VRFY, EXPN, ETRN and HELP are relayed where that is wanted, and its words back"
    for word in (b"VRFY", b"EXPN", b"ETRN", b"HELP"):
        assert word in offer(postern), offer(postern)
    relearn(mta, postern, [b"EXPN"])
    assert b"EXPN" in offer(postern) and b"VRFY" not in offer(postern), offer(postern)
    del mta.lines[:]
    c = Client(postern)
    c.say("VRFY joe", 252)
    c.hello()
    said = {b"VRFY": b"250-Joe <joe@example.org>\r\n250 2.1.5 or so\r\n", b"EXPN": b"251 2.1.5 x\r\n",
            b"ETRN": b"253 2.0.0 y\r\n", b"HELP": b"214-a\r\n214 2.0.0 b\r\n"}
    for verb, reply in said.items():
        mta.says[verb.decode()] = reply
    for line, _ in ASKED:
        c.send(line + b"\r\n")
        code, lines = c.reply()
        assert lines == said[line[:4]], (line, lines)
    assert mta.lines == [line for line, _ in ASKED], mta.lines
    c.say("vrfy  joe ", 250)
    assert mta.lines[-1] == b"VRFY joe"
    # Within a transaction, and before it is told to the mail server.
    c.say("MAIL FROM:<a@example.net>", 250)
    c.say("VRFY joe", 250)
    c.say("RCPT TO:<b@example.org>", 250)
    c.say("VRFY joe", 250)
    c.data(stuffed(MESSAGE), 250)
    c.say("VRFY joe", 250)
    c.close()
    assert len(mta.taken) == 1


@with_options(ehlo=(b"SIZE 1000",))
def size_of_theirs(mta, postern):
    "a message that is too big for the mail server is refused at MAIL"
    assert b"SIZE 1000" in offer(postern), offer(postern)
    c = Client(postern)
    c.hello()
    c.say("MAIL FROM:<a@example.net> SIZE=1001", 552, b"5.3.4")
    c.say("MAIL FROM:<a@example.net> SIZE=1000", 250)
    c.close()


@with_options(ehlo=(b"ETRN",), settings=RELAY)
def asked_behind_rset(mta, postern):
    "a question is not asked within a transaction that the client has left"
    mta.says["ETRN"] = lambda dialogue, line: b"503 in a transaction\r\n" if dialogue.mail else b"250 2.0.0 ok\r\n"
    c = Client(postern)
    c.hello()
    c.envelope()
    c.say("ETRN example.org", 503)
    c.say("RSET", 250)
    c.say("ETRN example.org", 250)
    c.envelope()
    mta.says["RSET"] = b"500 what?\r\n"
    c.say("RSET", 250)
    c.say("ETRN example.org", 451)
    c.say("ETRN example.org", 250)
    c.close()


@with_options(settings=RELAY)
def asked_too_often(mta, postern):
    "each no of the mail server to such a question counts as an error"
    mta.says["VRFY"] = b"550 5.1.1 no such user\r\n"
    c = Client(postern)
    c.hello()
    for _ in range(3):
        c.say("VRFY joe", 550, b"no such user")
    c.say("VRFY joe", 421)
    c.expect_end()
    c.close()


@with_options(settings=RELAY + "\nbackend timeout command 4s")
def asked_in_vain(mta, postern):
    "a mail server that dies or talks nonsense when it is asked is a 451, and the session goes on"
    c = Client(postern)
    c.hello()
    for said in (play.DIE, play.HANG, b"354 go\r\n", b"hm\r\n", b"421 4.3.2 bye\r\n", b"250 a\r\n250 b\r\n"):
        mta.says["VRFY"] = said
        c.say("VRFY joe", 451)
        mta.says["VRFY"] = b"252 2.1.5 who knows\r\n"
        c.say("VRFY joe", 252, b"who knows")
    c.envelope()
    mta.says["VRFY"] = play.DIE
    c.say("VRFY joe", 451)
    c.say("VRFY joe", 451)
    c.say("DATA", 451)
    c.envelope()
    c.data(stuffed(MESSAGE), 250)
    c.close()


if __name__ == "__main__":
    play.main(CASES)
