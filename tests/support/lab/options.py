# SPDX-License-Identifier: Apache-2.0
"""Options of faults: their spelling on the command line, their checks, their defaults."""
import dataclasses
import difflib
import ipaddress
import pathlib
import re
import typing

from .errors import UsageError
from .names import DEFAULT_CERTIFICATE, NAMES
from .topology import HOSTS, ROUTERS

HOST_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")


@dataclasses.dataclass(frozen=True)
class Option:
    """`check(text)` returns the value or raises ValueError; a default of None means absent, REQUIRED must be given."""

    name: str
    default: typing.Any
    check: typing.Callable
    shown: str


REQUIRED = object()


def nearest(what, word, words):
    """The word, if it is one of the words; otherwise UsageError with the nearest."""
    if word in words:
        return word
    close = difflib.get_close_matches(str(word), [str(known) for known in words], n=1, cutoff=0.4)
    hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(words)}"
    raise UsageError(f"unknown {what} '{word}': {hint}")


def choice(name, default, words):
    words = tuple(words)
    return Option(name, default, lambda text: nearest(name, text, words), "|".join(words))


def _port(text):
    first, dash, last = text.partition("-")
    if not (first.isdigit() and (last.isdigit() or not dash)):
        raise ValueError("a port or a range P-Q")
    low, high = int(first), int(last or first)
    if not 1 <= low <= high <= 65535:
        raise ValueError("ports are 1 to 65535, lower end first")
    return text


def _address(text):
    block = ipaddress.ip_network(text, strict=False)
    return str(block.network_address if block.num_addresses == 1 else block)


def _percent(text):
    if not (text.isdigit() and 0 <= int(text) <= 100):
        raise ValueError("a whole number from 0 to 100")
    return text


def _ttl(text):
    if not (text.isdigit() and 1 <= int(text) <= 255):
        raise ValueError("a whole number from 1 to 255")
    return text


def _milliseconds(text):
    number = text.removesuffix("ms")
    if not (number.isdigit() and 0 <= int(number) <= 5000):
        raise ValueError("a delay from 0ms to 5000ms")
    return int(number)


def _ruleset(text):
    refused = re.search(r"\bflush\s+ruleset\b|\binclude\b|\blab_(site|faults)\b", text)
    if refused:  # the lab's own NAT lives in the same namespace
        raise ValueError(f"a ruleset without '{refused[0]}'")
    return text


def _ruleset_file(name):
    try:
        return _ruleset(pathlib.Path(name).read_text(encoding="utf-8"))
    except OSError as problem:
        raise ValueError(problem.strerror) from None


def _dns_name(text):
    if not HOST_NAME.fullmatch(text.lower().rstrip(".")):
        raise ValueError("a host name")
    return text.lower().rstrip(".")


AT = Option("at", "site", lambda text: nearest("host", text, HOSTS), "HOST")
PROTO = choice("proto", None, ("tcp", "udp"))
TCP_ONLY = choice("proto", None, ("tcp",))
PORT = Option("port", None, _port, "P|P-Q")
ADDRESS = Option("address", None, _address, "CIDR")
HOOK = choice("hook", None, ("forward", "prerouting", "output", "input"))
SELECTORS = (PROTO, PORT, ADDRESS)
PORT_NEEDED = dataclasses.replace(PORT, default=REQUIRED)
ADDRESS_NEEDED = dataclasses.replace(ADDRESS, default=REQUIRED)
PERCENT = Option("percent", REQUIRED, _percent, "N")
TTL = Option("ttl", REQUIRED, _ttl, "N")
DNS_NAME = Option("name", None, _dns_name, "NAME")
ROUTER = Option("at", "site", lambda text: nearest("router", text, ROUTERS), "ROUTER")
BOX = Option("at", "site", lambda text: nearest("box", text, ("client", *ROUTERS)), "BOX")
RULES = Option("rules", None, _ruleset, "TEXT")
RULES_FILE = Option("file", None, _ruleset_file, "FILE")
DELAY = Option("delay", "0ms", _milliseconds, "Nms")
CERTIFICATE = Option("name", REQUIRED, lambda text: nearest("name", text, (*NAMES, DEFAULT_CERTIFICATE)), "NAME")


def parse(what, options, values):
    """Checks {name: value} against the options: only known ones, the required ones present, defaults filled in."""
    known = {option.name: option for option in options}
    for name in values:
        if name not in known:
            takes = ", ".join(f"--{option}" for option in known) or "none"
            raise UsageError(f"{what}: no option --{name} (options: {takes})")
    parsed = {}
    for name, option in known.items():
        value = values.get(name)
        if value is None:
            if option.default is REQUIRED:
                raise UsageError(f"{what}: --{name} {option.shown} is needed")
            value = option.default
        if value is not None:
            try:
                value = option.check(str(value))
            except ValueError as problem:
                raise UsageError(f"{what}: --{name} {value}: {problem}") from None
        if value is not None:
            parsed[name] = value
    return parsed


def from_words(what, options, words):
    """The {name: value} of a command line: `--name value`, `--name=value`, or bare values for what is required."""
    values = {}
    bare = [option.name for option in options if option.default is REQUIRED]
    words = list(words)
    while words:
        word = words.pop(0)
        if word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            if not equals and not words:
                raise UsageError(f"{what}: --{name} needs a value")
            values[name] = value if equals else words.pop(0)
        elif bare:
            values[bare.pop(0)] = word
        else:
            raise UsageError(f"{what}: what is '{word}'?")
    return values


def usage(options):
    """The options as one line of help."""
    return " ".join(f"--{option.name} {option.shown}" if option.default is REQUIRED else
                    f"[--{option.name} {option.shown}]" for option in options)
