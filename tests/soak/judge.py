# SPDX-License-Identifier: Apache-2.0
"""Judges a soak from what was seen: a dictionary in, judgements out; no clock, no files, no network.

A judgement is (name, holds, figure). A row's states are held against the journal of faults: it must fail once a fault that
must make it fail has been on for DETECT_S, must not read otherwise than when calm where no fault is or was lately, and must
come back within RECOVER_S.
"""
from collections import Counter
import dataclasses
import statistics

ALL = "*"
WARM_UP = 0.4          # of the run: allocator, caches, traces that live for ten minutes
SLOPE_KIB_PER_H = 4096  # of the second half
GROWTH = 1.10          # largest after the warm-up over the median after it
REST_FDS = 0           # descriptors more at rest after than before
DETECT_S, RECOVER_S = 25.0, 45.0
SLOW_RECOVER_S = {"apns": 260.0, "tcp-idle": 200.0, "udp-idle": 200.0}  # until the next samples, or the next ladder
UNSTEADY = {"apns", "tcp-idle", "udp-idle"}  # unproven until sampled whole, or until a ladder that nothing disturbed
GAP_SLACK_S = 8.0      # a round's own time, silence of two attempts of 2 s included
MOST_PATIENCE = 3.0
HEAP_SPANS = 20
DRIFT = 1.25           # median pause of the last third over that of the first
END_S = 5.0
COUNTER_RATIO = 0.02


@dataclasses.dataclass
class Judgement:
    name: str
    holds: bool
    figure: str


def stretch(run):
    """How much longer work took as other programs had the processors: 1 where the daemon never waited for one."""
    first, last = run["samples"][0], run["samples"][-1]
    ran = last["ran"] - first["ran"]
    return 1 + (last["waited"] - first["waited"]) / ran if ran else 1.0


def patience(run):
    """What the bounds of time are multiplied by: a machine that is busy with other things is none of the daemon's faults."""
    return max(1.0, min(MOST_PATIENCE, stretch(run) / 2))


def slope_per_h(points):
    """Least squares over (seconds, value): change an hour."""
    if len(points) < 2:
        return 0.0
    return statistics.linear_regression([at for at, _ in points], [value for _, value in points]).slope * 3600


def quantile(values, share):
    """The smallest value that this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def touches(entry, row, words=("must", "may")):
    return any(row in entry[word] or ALL in entry[word] for word in words)


def end_of(entry, run):
    return entry["off"] if entry["off"] is not None else run["ended"]


def recovery(run, row):
    return SLOW_RECOVER_S.get(row, RECOVER_S) * patience(run)


def slack(run):
    return GAP_SLACK_S * patience(run)


def disturbed_until(run, row, words=("must", "may")):
    """[(from, to)] in which this row may read anything: from before a fault is on until it must be gone."""
    spans = [(entry["began"], end_of(entry, run) + recovery(run, row)) for entry in run["faults"]
             if touches(entry, row, words)]
    return [(run["began"], run["settled"]), *spans]


def within(at, spans):
    return any(first <= at <= last for first, last in spans)


def timeline(run, row):
    """[(at, state)] of a row, from its changes."""
    return [(one["at"], one["state"]) for one in run["changes"] if one["requirement"] == row]


def state_at(line, at):
    state = None
    for when, what in line:
        if when > at:
            break
        state = what
    return state


def memory(run, name, slope_bound=SLOPE_KIB_PER_H):
    points = [(one["at"] - run["began"], one[name]) for one in run["samples"]]
    length = run["ended"] - run["began"]
    slope = slope_per_h([point for point in points if point[0] >= length / 2])
    warm = [value for at, value in points if at >= length * WARM_UP]
    middle, most = (statistics.median(warm), max(warm)) if warm else (0, 0)
    return [Judgement(f"{name}: slope of the second half", slope <= slope_bound,
                      f"{slope:+.0f} KiB/h (bound {slope_bound})"),
            Judgement(f"{name}: largest after the warm-up", most <= middle * GROWTH,
                      f"{most} KiB, median {middle:.0f} KiB (bound {GROWTH:.2f} of it)")]


def held(run):
    """What the program itself has allocated: reports under way come and go, so the least of each span counts."""
    points = [(one["at"] - run["began"], one["heap"]) for one in run["samples"]]
    length = run["ended"] - run["began"]
    least = {}
    for at, value in points:
        span = int(at / length * HEAP_SPANS)
        least[span] = min(value, least.get(span, value))
    slope = slope_per_h([(span * length / HEAP_SPANS, value) for span, value in least.items() if span >= HEAP_SPANS / 2])
    return [Judgement("heap in use: slope of the least, second half", slope <= SLOPE_KIB_PER_H,
                      f"{slope:+.0f} KiB/h (bound {SLOPE_KIB_PER_H}), {min(least.values())} to {max(value for _, value in points)} KiB")]


def descriptors(run):
    before, after = run["rest_before"]["fds"], run["rest_after"]["fds"] - 1  # the follower's connection came since
    new = Counter(run["rest_after"]["descriptors"]) - Counter(run["rest_before"]["descriptors"])
    points = [(one["at"] - run["began"], one["fds"]) for one in run["samples"]]
    half = (run["ended"] - run["began"]) / 2
    early, late = ([value for at, value in points if (at < half) == first] for first in (True, False))
    return [Judgement("descriptors at rest", after <= before + REST_FDS, f"{before} before, {after} after" + (
                f": {dict(new)}" if after > before else "")),
            Judgement("lowest number of descriptors while busy", min(late) <= min(early) + max(10, min(early) // 10),
                      f"{min(early)} in the first half, {min(late)} in the second; most {max(early + late)}"),
            Judgement("threads at rest", run["rest_after"]["threads"] <= run["rest_before"]["threads"] + 8,
                      f"{run['rest_before']['threads']} before, {run['rest_after']['threads']} after; most "
                      f"{max(one['threads'] for one in run['samples'])}")]


def clean_gaps(run, row):
    """[(at, seconds)] between two rounds of a row, where no fault and no reload lies in between or just before."""
    spans = _unsettled(run, row)
    rounds = run["rounds"].get(row, [])
    return [(later, later - earlier) for earlier, later in zip(rounds, rounds[1:])
            if not any(first <= later and earlier <= last for first, last in spans)]


def schedule(run):
    longest, drifts, pauses = [], [], {}
    length = run["ended"] - run["began"]
    bound = 1.1 * run["interval_s"] + slack(run)
    for row in run["judged_rows"]:
        gaps = clean_gaps(run, row)
        if not gaps:
            continue
        longest.append((max(gap for _, gap in gaps), row))
        pauses[row] = statistics.median(gap for _, gap in gaps)
        first = [gap for at, gap in gaps if at < run["began"] + length / 3]
        last = [gap for at, gap in gaps if at > run["ended"] - length / 3]
        if len(first) >= 5 and len(last) >= 5:
            drifts.append((statistics.median(last) / statistics.median(first), row))
    same = [pauses[row] for row in run["alike_rows"] if row in pauses]
    worst = max(longest, default=(0.0, "-"))
    ages = [(age, row) for one in run["samples"] for row, age in one["ages"].items()
            if row in run["judged_rows"] and not within(one["at"], _unsettled(run, row))]
    oldest = max(ages, default=(0.0, "-"))
    drift = max(drifts, default=(1.0, "-"), key=lambda one: max(one[0], 1 / one[0]))
    every = [gap for row in run["judged_rows"] for _, gap in clean_gaps(run, row)]
    return [Judgement("longest pause between two rounds, no fault", bool(longest) and worst[0] <= bound,
                      f"{worst[0]:.1f} s ({worst[1]}), median {quantile(every, 0.5):.2f} s, 99 % {quantile(every, 0.99):.2f} s "
                      f"of {len(every)} (bound {bound:.1f} s)"),
            Judgement("age of a row, no fault", oldest[0] <= bound, f"at most {oldest[0]:.1f} s ({oldest[1]})"),
            Judgement("drift of the pauses, last third to first", 1 / DRIFT <= drift[0] <= DRIFT,
                      f"{drift[0]:.2f} at worst ({drift[1]})"),
            Judgement("rows that are alike have like pauses", bool(same) and max(same) <= DRIFT * min(same),
                      f"medians {min(same, default=0):.2f} s to {max(same, default=0):.2f} s of {len(same)} rows")]


def _unsettled(run, row, words=("must", "may", "twin")):
    """As disturbed_until(), with harmless faults, whose silence makes rounds long, and reloads, which begin anew."""
    return disturbed_until(run, row, words) + [(one["at"] - 1, one["at"] + 2 * run["interval_s"] + slack(run))
                                        for one in run["reloads"]]


def told_in_time(run):
    """Each fault against the rows that must fail."""
    times, missed, back, kept = [], [], [], []
    detect = DETECT_S * patience(run)
    for entry in run["faults"]:
        end = end_of(entry, run)
        for row in entry["must"]:
            line = timeline(run, row)
            if state_at(line, entry["began"]) != entry["state"]:
                failed = [at for at, state in line if state == entry["state"] and entry["began"] <= at <= end]
                if failed:
                    times.append(failed[0] - entry["on"])
                    if times[-1] > detect:
                        missed.append(f"{row}: {times[-1]:.0f} s after {entry['fault']} {entry['options']}")
                elif end - entry["on"] > detect:
                    missed.append(f"{row}: {entry['fault']} {entry['options']} at +{entry['on'] - run['began']:.0f} s never told")
            if _covered(run, row, end, entry) or end + recovery(run, row) > run["ended"]:
                continue
            passed = [at for at, state in line if state == "pass" and at >= entry["ending"]]
            if state_at(line, entry["ending"]) == "pass":
                continue
            if passed and passed[0] <= end + recovery(run, row):
                back.append(passed[0] - end)
            else:
                kept.append(f"{row}: still {state_at(line, end + recovery(run, row))} {recovery(run, row):.0f} s after "
                            f"{entry['fault']} {entry['options']} ended at +{end - run['began']:.0f} s")
    return [Judgement("faults told in time", not missed, _spread(times, detect) + _some(missed)),
            Judgement("faults gone in time", not kept, _spread(back, RECOVER_S * patience(run)) + _some(kept))]


def _covered(run, row, at, but):
    """Whether another fault touches the row in the time in which it should come back."""
    return any(entry is not but and touches(entry, row) and entry["began"] <= at + recovery(run, row) and
               end_of(entry, run) + recovery(run, row) >= at for entry in run["faults"])


def _spread(times, bound):
    if not times:
        return "none"
    return (f"{len(times)}, median {statistics.median(times):.1f} s, longest {max(times):.1f} s (bound {bound:.0f} s)")


def _some(words):
    return "".join(f"\n    {one}" for one in words[:12])


def nothing_else_told(run):
    """No row reads otherwise than when calm, but for the faults of the journal."""
    wrong, twins = [], 0
    for one in run["changes"]:
        row = one["requirement"]
        good = one["state"] == "pass" or (row in UNSTEADY and one["state"] == "unproven") or row in run["never_judged"]
        if not good and not within(one["at"], disturbed_until(run, row)):
            wrong.append(f"{row}: {one['state']} at +{one['at'] - run['began']:.1f} s: {one['sentence']}")
    for row in ("tcp-idle", "udp-idle"):
        wrong += [f"{row}: fail at +{one['at'] - run['began']:.1f} s: {one['sentence']}" for one in run["changes"]
                  if one["requirement"] == row and one["state"] == "fail"]
    for entry in run["faults"]:
        twins += len(entry["twin"])
    return [Judgement("nothing told without a fault", not wrong,
                      f"{len(run['changes'])} changes, {len(wrong)} of them wrong; {twins} rows beside a fault or of a harmless one" + _some(wrong))]


def sampled_states(run):
    """The state in the metrics at each sample agrees with the journal too."""
    wrong = []
    for one in run["samples"]:
        for row, state in one["states"].items():
            good = state == "pass" or row in run["never_judged"] or (row in UNSTEADY and state == "unproven")
            if not good and not within(one["at"], _unsettled(run, row, ("must", "may"))):
                wrong.append(f"{row}: {state} at +{one['at'] - run['began']:.0f} s")
    return [Judgement("no row reads otherwise while calm", not wrong,
                      f"{sum(len(one['states']) for one in run['samples'])} looks, {len(wrong)} wrong" + _some(wrong))]


def packets(run):
    out = []
    for kind, outside in run["outside"].items():
        counted = run["inside"][kind]
        ratio = counted / outside if outside else 0.0
        out.append(Judgement(f"packets, {kind}: the daemon's count over nft's", abs(ratio - 1) <= COUNTER_RATIO,
                             f"{counted:.0f} / {outside} = {ratio:.4f}"))
    backwards = sum(1 for one, other in zip(run["samples"], run["samples"][1:])
                    for kind in one["sent"] if other["sent"][kind] < one["sent"][kind])
    out.append(Judgement("counters never go back", backwards == 0, f"{backwards} times"))
    return out


def clients(run):
    failed = {kind: one["messages"] for kind, one in run["clients"].items() if one["failed"]}
    done = sum(one["done"] for one in run["clients"].values())
    said = [f"{kind}: {message}" for kind, messages in failed.items() for message in messages]
    reloads = [one for one in run["reloads"] if not one["as_expected"]]
    return [Judgement("clients", not failed and done > 0, f"{done} done, {len(said)} failed" + _some(said)),
            Judgement("reloads", not reloads, f"{len(run['reloads'])}, of these {sum(one['good'] for one in run['reloads'])} "
                      f"good" + _some([str(one) for one in reloads]))]


def house(run):
    lost = {name: run["samples"][-1][name] for name in ("history_lost_total",)}
    return [Judgement("log free of the daemon's own faults", not run["bad_log_lines"],
                      f"{run['log_lines']} lines" + _some(run["bad_log_lines"])),
            Judgement("history kept", lost["history_lost_total"] == 0 and
                      all(one["history_available"] == 1 for one in run["samples"]),
                      f"{run['samples'][-1]['history_bytes'] / 1e6:.1f} MB, {lost['history_lost_total']:.0f} lost"),
            Judgement("events followed without a gap", not run["follower_problems"] and run["follower_lost"] == 0,
                      f"{sum(map(len, run['rounds'].values()))} rounds, {run['follower_lost']} lost" +
                      _some(run["follower_problems"])),
            Judgement("end after SIGTERM", run["end_s"] <= END_S and run["exit_code"] == 0,
                      f"{run['end_s']:.2f} s, exit {run['exit_code']}")]


def judge(run):
    """All judgements, in the order of the table."""
    return [*memory(run, "rss"), *memory(run, "pss"), *held(run), *descriptors(run), *schedule(run), *told_in_time(run),
            *nothing_else_told(run), *sampled_states(run), *packets(run), *clients(run), *house(run)]
