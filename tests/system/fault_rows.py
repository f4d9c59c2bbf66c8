# SPDX-License-Identifier: Apache-2.0
"""The table of faults: what a row is, how it is run and printed. The rows are in faults_*_test.py.

    sudo /usr/bin/python3 tests/system/faults_tcp_test.py [--row TEXT]... [--list] [--kernel-icmp] [-v]

A row sets faults, checks requirements and says for each endpoint of interest the exact verdict, blame and place. Before
the programs are asked, the lab's own probe walks to the same endpoints (`proof`): a row whose fault does not act as
meant is an error of the lab, not of the programs. Every row has an innocent twin next to it: the same symptom, the
fault elsewhere.

Hops: 0 this machine, 1 the site, 2 the isp, 3 the internet, 4 the destination; the edge is hop 1.
"""
import concurrent.futures
import contextlib
import dataclasses
import ipaddress
import json
import os
import queue
import re
import sys
import time
import typing
import unittest

from lab_site import LIMITS, Site, row as row_of, runs
from report_schema import of_report

HOPS4 = ("10.77.1.2", "10.77.1.1", "100.64.0.1", "203.0.113.2")
HOPS6 = ("fd77:1::2", "fd77:1::1", "2001:db8:64::1", "2001:db8:ff01::2")
EDGE = 1
ANY = "any"
CHECK_PATIENCE_S = 150
ROWS_A_REPEAT = 50  # of these one may need a second run: 2 %


def hop(number, destination):
    hops = HOPS6 if ":" in destination else HOPS4
    return {"hop": number, "address": hops[number] if number < len(hops) else destination}


def blame_of(after, before):
    """Who answers for what happens between two neighbouring hops."""
    if before <= EDGE:
        return "site"
    if after <= EDGE:
        return "edge"
    return "unknown" if before == 4 else "isp"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What is right: each member holds all that would be. A place is None, (after, before), a hop's number, or ANY."""

    verdicts: tuple
    blames: tuple = (ANY,)
    places: tuple = (None,)
    stages: tuple = (ANY,)

    def where(self, place, destination):
        if isinstance(place, tuple):
            return {"after": hop(place[0], destination), "before": hop(place[1], destination)}
        return None if place is None else {"at": hop(place, destination)}

    def accepts(self, found):
        return (found["verdict"] in self.verdicts and (ANY in self.blames or found["blame"] in self.blames) and
                (ANY in self.stages or found["stage"] in self.stages) and
                (ANY in self.places or any(found["where"] == self.where(place, found["address"])
                                           for place in self.places)))

    def __str__(self):
        places = ["-" if place is None else f"{place[0]}-{place[1]}" if isinstance(place, tuple) else
                  "" if place == ANY else f"@{place}" for place in self.places]
        words = ["|".join(self.verdicts), "|".join(self.blames), "|".join(places), "|".join(self.stages)]
        return " ".join(word for word in words if word not in ("", ANY))


def told(found):
    """An endpoint or a run in the words of Outcome."""
    where = found["where"]
    if where is None:
        place = "-"
    elif "at" in where:
        place = f"@{where['at']['hop']} ({where['at']['address']})"
    else:
        place = "-".join(f"{where[end]['hop']}" if end in where else "?" for end in ("after", "before"))
    return f"{found['verdict']} {found['blame']} {place} {found['stage']}"


def blocked(after, before):
    """Dropped or reset between these two."""
    return Outcome(("blocked",), (blame_of(after, before),), ((after, before),))


def intercepted(after, before):
    return Outcome(("intercepted",), (blame_of(after, before),), ((after, before),))


def rejected(number):
    """An ICMP error whose sender is that hop."""
    return Outcome(("blocked",), ("site" if number <= EDGE else "isp",), (number,))


OPEN = Outcome(("open",))
CLOSED = Outcome(("closed",), ("service", "unknown"))          # a RST that comes from as far as the destination is
REFUSED = Outcome(("closed",), ("service",))                   # ICMP from the destination itself
PERMITTED = Outcome(("permitted",), ("unknown", "service"))
LET_THROUGH = Outcome(("open", "closed", "permitted"))
OWN_FILTER = Outcome(("blocked",), ("host",))
OWN_PROXY = Outcome(("intercepted",), ("host",))
CUT = Outcome(("blocked",), ("unknown",), (None,), ("handshake", "reply"))
UNPROVEN = Outcome(("unproven",), ("unknown",))
NOWHERE = Outcome(("blocked",), ("unknown",))                  # no packet tells where


@dataclasses.dataclass(frozen=True)
class Expect:
    """An outcome of the endpoints of one requirement, narrowed by address or block, ports (low, high) and family."""

    requirement: str
    outcome: Outcome
    address: str = "0.0.0.0/0 ::/0"
    ports: tuple = (1, 65535)

    def concerns(self, found):
        address = ipaddress.ip_address(found["address"])
        blocks = [ipaddress.ip_network(block) for block in self.address.split()]
        return (any(address.version == block.version and address in block for block in blocks) and
                self.ports[0] <= found["port"] <= self.ports[1])


@dataclasses.dataclass(frozen=True)
class Span:
    """The runs that fail at one address of a requirement are exactly these."""

    requirement: str
    address: str
    ports: tuple
    outcome: typing.Any = None


@dataclasses.dataclass(frozen=True)
class Row:
    name: str
    faults: tuple
    expect: tuple                                  # Expect and Span; the first Expect that concerns an endpoint counts
    states: dict = dataclasses.field(default_factory=dict)  # requirement -> state, or several as "fail unproven"
    says: dict = dataclasses.field(default_factory=dict)    # requirement -> words of its sentence
    site_says: str = ""                                     # regular expression for the site's sentence
    delay: bool = False                                     # in the lab with a slow link
    config: dict = None                                     # changes to the configuration
    proof: bool = True

    def requirements(self):
        return list(dict.fromkeys([*(one.requirement for one in self.expect), *self.states, *self.says]))


def at(requirement, outcome, address=Expect.address, ports=None):
    low, high = (ports if isinstance(ports, tuple) else (ports, ports)) if ports else Expect.ports
    return Expect(requirement, outcome, address, (low, high))


def fault(name, at_host=None, /, **options):
    """One fault; numbers become text."""
    words = {key: str(value) for key, value in options.items()}
    return name, words | ({"at": at_host} if at_host else {})


class Judge:
    """Runs one row and says what is wrong with it."""

    def __init__(self, site, row):
        self.site, self.row = site, row

    def run(self):
        """(problems of the lab, problems of the programs, seconds)"""
        for name, options in self.row.faults:
            self.site.lab.fault(name, **options)
        try:
            lab = self.prove() if self.row.proof and not Table.kernel_icmp else []  # it would use the budget up
            began = time.monotonic()
            report, problem = self.report()
            seconds = time.monotonic() - began
        finally:
            self.site.lab.clear()
        return lab, [problem] if problem else list(self.problems(report)), seconds

    @staticmethod
    def limits():
        return {"limits": LIMITS | ({"icmp_per_hop_per_s": 0} if Table.kernel_icmp else {})}

    def report(self):
        words = [word for one in self.row.requirements() for word in ("--only", one)]
        done = self.site.reachctl("check", "--format", "json", *words, "--fast", timeout=CHECK_PATIENCE_S,
                                  config=self.site.config(self.limits() | (self.row.config or {})))
        if done.returncode not in (0, 2, 3) or not done.stdout:
            return None, f"reachctl: exit {done.returncode}: {done.stderr.strip()}"
        report = json.loads(done.stdout)
        wrong = next(of_report().iter_errors(report), None)
        if wrong:
            return None, f"report.schema.json: {wrong.message[:200]} at {'/'.join(map(str, wrong.absolute_path))}"
        return report, None

    def problems(self, report):
        matched = set()
        for requirement in dict.fromkeys(one.requirement for one in self.row.expect):
            rules = [one for one in self.row.expect if one.requirement == requirement and isinstance(one, Expect)]
            groups = {}
            for found in row_of(report, requirement)["endpoints"]:
                rule = next((one for one in rules if one.concerns(found)), None)
                if rule:
                    matched.add(rule)
                    if not rule.outcome.accepts(found):
                        groups.setdefault((rule, told(found)), []).append(found)
            for (rule, words), group in groups.items():
                first = group[0]
                more = f" and {len(group) - 1} more" if len(group) > 1 else ""
                yield (f"{requirement} {first['address']} {first['port']}{more}: expected {rule.outcome}; got {words}: "
                       f"{first['sentence'][:100]}")
        for rule in self.row.expect:
            if isinstance(rule, Span):
                yield from self.wrong_span(report, rule)
            elif rule not in matched:
                yield f"{rule.requirement}: expected {rule.outcome} of {rule.address}; got no such endpoint"
        for requirement, state in self.row.states.items():
            found = row_of(report, requirement)
            if found["state"] not in state.split():
                yield f"{requirement}: expected {state}; got {found['state']}: {found['sentence'][:100]}"
        for requirement, words in self.row.says.items():
            sentence = row_of(report, requirement)["sentence"]
            if words not in sentence:
                yield f"{requirement}: expected a sentence with {words!r}; got {sentence!r}"
        if not re.search(self.row.site_says, report["sentence"]):
            yield f"site: expected a sentence like {self.row.site_says!r}; got {report['sentence']!r}"

    @staticmethod
    def wrong_span(report, rule):
        failing = [found for found in row_of(report, rule.requirement)["runs"]
                   if rule.address in found["addresses"] and found["result"] != "pass"]
        if [found["ports"] for found in failing] != list(rule.ports):
            yield (f"{rule.requirement} {rule.address}: expected the failing runs {list(rule.ports)}; "
                   f"got {runs({'runs': failing})[:8]}")
        for found in failing:
            if rule.outcome and not rule.outcome.accepts(found | {"address": rule.address}):
                yield (f"{rule.requirement} {rule.address} {found['ports']}: expected {rule.outcome}; "
                       f"got {told(found)}: {found['sentence'][:100]}")

    def prove(self):
        """What the lab's own probe sees against what the row says about single endpoints."""
        problems = []
        for rule in self.row.expect:
            places = rule.outcome.places if isinstance(rule, Expect) else ()
            if not places or ANY in places or "/" in rule.address or rule.outcome.blames == ("host",):
                continue
            kind = "udp" if rule.requirement in ("data", "data-dr", "udp-shut") else "tcp"
            every = 4200 if kind == "udp" else 443
            port = every if rule.ports == Expect.ports else rule.ports[0]
            words = self.site.lab.probe("client", *((kind, {"address": rule.address, "port": port, "ttl": ttl})
                                                    for ttl in (1, 2, 3, 4)))
            if not self.shown(rule, words, places[0]):
                problems.append(f"{kind} {rule.address} {port}: {rule.outcome} is not what the probe sees: {words}")
        return problems

    @staticmethod
    def shown(rule, words, place):
        expired = "icmp 3/0" if ":" in rule.address else "icmp 11/0"
        told_by = [f"{expired} from {hop(number, rule.address)['address']}" for number in (1, 2, 3)]
        seen = 0
        while seen < 3 and words[seen] == told_by[seen]:
            seen += 1
        last, verdict = words[3], rule.outcome.verdicts[0]
        if isinstance(place, tuple):
            answers = {"blocked": ("silent", "refused", "open"), "intercepted": ("open", "reply")}[verdict]
            return seen == place[0] and last in answers
        if place is not None:
            return last.startswith("icmp") and last.endswith(f"from {hop(place, rule.address)['address']}")
        return {"open": last.startswith("open"), "permitted": seen == 3 and last == "silent",
                "closed": seen == 3 and (last == "refused" or last.endswith(f"from {rule.address}"))}.get(verdict, True)


class Workplace:
    """The labs of one worker: each is built when a row needs it."""

    def __init__(self, name):
        self.name, self.sites, self.stack = name, {}, contextlib.ExitStack()

    def site(self, slow):
        if slow not in self.sites:
            site = self.stack.enter_context(Site(f"{self.name}slow-", delay_ms=20) if slow else Site(f"{self.name}-"))
            site.write("catalogues/shut.json", SHUT)
            if Table.kernel_icmp:
                site.lift_icmp_limits(1000)
            self.sites[slow] = site
        return self.sites[slow]

    def judge(self, row):
        """(how it went each time, as Judge.run says it): a busy machine loses packets too, so a wrong row is run again."""
        tries = []
        while len(tries) < 2 and not (tries and tries[-1][:2] == ([], [])):
            tries.append(Judge(self.site(row.delay), row).run())
        return tries


class Table(unittest.TestCase):
    """Every row, several at once, as they mostly wait; the table goes to standard output in the rows' order."""

    name, rows, chosen, kernel_icmp, workers = "", (), (), False, 4

    def test_rows(self):
        rows = [row for row in self.rows if not self.chosen or any(text in row.name for text in self.chosen)]
        self.assertTrue(rows, f"no row's name has any of {self.chosen}")
        counts = {"ok": 0, "again": 0, "FAIL": 0, "LAB": 0}
        with contextlib.ExitStack() as labs, concurrent.futures.ThreadPoolExecutor(self.workers) as pool:
            places = queue.SimpleQueue()
            for number in range(self.workers):
                place = Workplace(f"{self.name}{number}")
                labs.push(place.stack)
                places.put(place)

            def judge(row):
                place = places.get()
                try:
                    return place.judge(row)
                finally:
                    places.put(place)

            for row, job in [(row, pool.submit(judge, row)) for row in rows]:
                with self.subTest(row=row.name):
                    self.tell(row, job.result(), counts)
        print(", ".join(f"{count} {word}" for word, count in counts.items()), flush=True)
        if not self.chosen:
            self.assertLessEqual(counts["again"], max(1, len(rows) // ROWS_A_REPEAT), "rows that went wrong once")

    def tell(self, row, tries, counts):
        for lab, wrong, seconds in tries[:-1]:
            print(f"again{seconds:5.1f} s  {row.name}", *lab, *wrong, sep="\n             ", flush=True)
        lab, wrong, seconds = tries[-1]
        word = "LAB" if lab else "FAIL" if wrong else "ok"
        counts[word] += 1
        counts["again"] += word == "ok" and len(tries) > 1
        print(f"{word:<5}{seconds:5.1f} s  {row.name}", *lab, *wrong, sep="\n             ", flush=True)
        self.assertEqual((lab, wrong), ([], []))

    def test_names_are_unique(self):
        names = [row.name for row in self.rows]
        self.assertEqual(sorted(names), sorted(set(names)))


def run_table(name, rows):
    """Runs the rows in labs of their own and exits, as lab_site.main does."""
    words = sys.argv[1:]
    if "--list" in words:
        print("\n".join(row.name for row in rows))
        sys.exit(0)
    if os.geteuid() != 0:
        print(f"{name}_test: needs root (network namespaces); skipped", file=sys.stderr)
        sys.exit(77)
    Table.name, Table.rows = name, rows
    Table.chosen = [words[place + 1] for place, word in enumerate(words) if word == "--row"]
    Table.workers = int(words[words.index("--workers") + 1]) if "--workers" in words else Table.workers
    Table.kernel_icmp = "--kernel-icmp" in words
    outcome = unittest.TextTestRunner(verbosity=2 if "-v" in words else 1).run(
        unittest.defaultTestLoader.loadTestsFromTestCase(Table))
    sys.exit(0 if outcome.wasSuccessful() else 1)


# What must stay shut at this site, as a catalogue of its own.
SHUT = {
    "id": "shut",
    "requirements": [
        {"id": "telnet", "transport": "tcp", "destinations": ["198.51.100.7"], "ports": 23, "expect": "blocked"},
        {"id": "web-shut", "transport": "tcp", "destinations": ["54.215.171.160"], "ports": 443, "expect": "blocked"},
        {"id": "udp-shut", "transport": "udp", "destinations": ["198.51.100.7"], "ports": 4205, "expect": "blocked"},
    ],
}
SHUT_CONFIG = {"catalogues": ["eschat-govcloud", "helpdesk-buttons", "shut"]}
