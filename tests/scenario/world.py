"""world: what most cases are made of: a mail server, posternd in front of it, and `postern` beside it; gone behind a case. What posternd
says of itself then is told beside the case's own fault."""

import glob
import json
import os

from play import MTA, Postern


class World:
    """settings, rules and what follows: of play.Postern."""

    def __init__(self, settings="", rules="at connect { }", mta=None, **more):
        self.mta = mta or MTA()
        self.postern = Postern(self.mta.port, settings, rules, **more)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.postern.stop()
        finally:
            self.mta.stop()

    def command(self, *words):
        return self.postern.command(*words)

    def log(self, *words):
        """The entries that `postern log` tells."""
        return [json.loads(line) for line in self.command("log", "--json", *words)[1].splitlines()]

    def files(self, pattern="*"):
        """Name and octets, in lower case, of those in the database's folder that posternd wrote."""
        for path in glob.glob(os.path.join(self.postern.folder, pattern)):
            name = os.path.basename(path)
            if name not in ("log", "postern.conf"):
                with open(path, "rb") as f:
                    yield name, f.read().lower()


class Cases(list):
    """Those of a file, as play.main() takes them; the text of a function is its name."""

    def add(self, function):
        self.append((function.__doc__, function))
        return function

    def with_world(self, *of_world, mta=None, **more):
        """One that gets a mail server and posternd whose first probe is over. mta: what the mail server is made of."""
        def decorate(function):
            def run():
                with World(*of_world, mta=MTA(**(mta or {})), **more) as w:
                    w.mta.probed()
                    function(w.mta, w.postern)
            self.append((function.__doc__, run))
            return function
        return decorate
