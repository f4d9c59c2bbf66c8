# SPDX-License-Identifier: Apache-2.0
"""The lab's command line: a thin layer over class Lab."""
import json
import os
import pathlib
import sys

sys.dont_write_bytecode = True  # nothing is left behind in the source tree
sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])

from lab import Lab, LabError, UsageError, options  # noqa: E402
from lab.faults import FAULTS  # noqa: E402
from lab.topology import HOSTS, SLOW_LINKS  # noqa: E402

UP = (options.DELAY, options.choice("delay-at", "isp", SLOW_LINKS))
EXIT_FAILED, EXIT_USAGE, EXIT_NOT_ROOT = 1, 64, 77  # 64 and 77 as in sysexits.h


def up(lab, words):
    wanted = options.parse("up", UP, options.from_words("up", UP, words))
    lab = Lab(lab.id, delay_ms=wanted["delay"], delay_at=wanted["delay-at"])
    lab.up()
    print(f"lab '{lab.id}' is up; CA: {lab.ca_file}")


def down(lab, words):
    _none_left("down", words)
    lab.down()


def execute(lab, words):
    user = words[:1] == ["--user"]
    words = words[1:] if user else words
    if len(words) < 2 or (words[1] == "--" and len(words) < 3):
        raise UsageError(f"exec [--user] HOST -- COMMAND...   (hosts: {', '.join(HOSTS)})")
    argv = lab.command(words[0], words[2:] if words[1] == "--" else words[1:], user)
    lab.faults()  # says so when the lab is not up
    os.execvp(argv[0], argv)


def fault(lab, words):
    if not words:
        raise UsageError("fault NAME [OPTIONS]   (`lab faults` lists them)")
    name = options.nearest("fault", words[0], FAULTS)
    number = lab.fault(name, **options.from_words(name, FAULTS[name].options, words[1:]))
    print(f"fault {number}: {' '.join(words)}")


def clear(lab, words):
    _none_left("clear", words[1:])
    lab.clear(*words)


def faults(lab, words):
    _none_left("faults", words)
    active = [entry["name"] for entry in lab.faults()] if os.geteuid() == 0 and lab.is_up() else []
    for name, row in FAULTS.items():
        print(f"{'*' if name in active else ' '} {name:<19}{row.help}")
        if row.options:
            print(f"{'':<21}{options.usage(row.options)}")


def status(lab, words):
    _none_left("status", words)
    print(json.dumps(lab.status(), indent=2))


def config(lab, words):
    _none_left("config", words)
    print(json.dumps(lab.config(), indent=2))


COMMANDS = {
    "up": (up, "[--delay 20ms] [--delay-at client|isp]   build the site anew; returns when it answers"),
    "down": (down, "remove it with everything that runs in it"),
    "exec": (execute, "[--user] HOST -- COMMAND...   run on a host; --user: as nobody, without capabilities"),
    "fault": (fault, "NAME [OPTIONS]   switch a fault on, in addition to the others"),
    "clear": (clear, "[NAME|NUMBER]   switch all faults off, or those of one name, or one"),
    "faults": (faults, "list the faults, * marks those that are on"),
    "status": (status, "processes and active faults as JSON"),
    "config": (config, "print a configuration of reachd for this lab"),
}


def _none_left(command, words):
    if words:
        raise UsageError(f"{command}: what is '{words[0]}'?")


def _help():
    print("usage: lab [--id NAME] COMMAND     (NAME: or REACHD_LAB, default reachd)\n")
    for name, (_, text) in COMMANDS.items():
        print(f"  {name:<8}{text}")


def main(words):
    lab_id = None
    if words[:1] == ["--id"]:
        if len(words) < 2:
            raise UsageError("--id needs a value")
        lab_id, words = words[1], words[2:]
    if not words or words[0] in ("-h", "--help", "help"):
        _help()
        return
    command, _ = COMMANDS[options.nearest("command", words[0], COMMANDS)]
    command(Lab(lab_id), words[1:])


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except UsageError as problem:
        sys.exit((print(f"lab: {problem}", file=sys.stderr), EXIT_USAGE)[1])
    except PermissionError as problem:
        sys.exit((print(f"lab: {problem}", file=sys.stderr), EXIT_NOT_ROOT if os.geteuid() else EXIT_FAILED)[1])
    except (LabError, OSError) as problem:
        sys.exit((print(f"lab: {problem}", file=sys.stderr), EXIT_FAILED)[1])
