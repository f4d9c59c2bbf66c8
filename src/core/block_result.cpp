// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/block_result.hpp"

#include "reachd/core/block_bound.hpp"

#include <algorithm>
#include <bit>
#include <fmt/format.h>

namespace reachd {
namespace {

unsigned stratum_prefix(const block_result& what)
{
    return what.block.prefix + static_cast<unsigned>(std::countr_zero(what.strata));
}

bool same_subject(const block_result& one, const block_result& other)
{
    return one.block == other.block && one.port == other.port && one.vantage == other.vantage &&
           one.edge == other.edge && one.strata == other.strata;
}

bool all_known(const std::vector<hole>& holes, const std::vector<hole>& among)
{
    return std::ranges::all_of(holes, [&](const hole& one) {
        return std::ranges::any_of(among, [&](const hole& known) { return overlap(one.where, known.where); });
    });
}

std::string subject(const block_result& what)
{
    return fmt::format("{} port {}", to_text(what.block), what.port);
}

// "256 samples", "1024 samples (4 rounds since 2026-11-21T14:05:00.000Z)"
std::string samples_of(const block_result& what)
{
    const auto samples = fmt::format("{} sample{}", what.n(), what.n() == 1 ? "" : "s");
    return what.rounds < 2
             ? samples
             : fmt::format("{} ({} rounds since {})", samples, what.rounds, to_text(what.since));
}

std::string strata_of(const block_result& what)
{
    const auto kind = fmt::format("strata (/{})", stratum_prefix(what));
    return what.covered.count() == what.strata
             ? fmt::format("all {} {} covered", what.strata, kind)
             : fmt::format("{} of {} {} covered", what.covered.count(), what.strata, kind);
}

std::string doubt_of(const block_result& what)
{
    return what.doubtful == 0 ? ""
                              : fmt::format(
                                    "; {} silent one{} in doubt, as packets are lost on the way",
                                    what.doubtful, what.doubtful == 1 ? " is" : "s are"
                                );
}

std::string clean_sentence(const block_result& what)
{
    if (what.is_exhaustive() && what.doubtful == 0) {
        return fmt::format(
            "every address of {} passes the edge ({} of {})", subject(what), what.strata, what.strata
        );
    }
    auto text = fmt::format(
        "no blocked address in {} of {}, {}{}: with 95 % confidence less than {} of the block is blocked",
        samples_of(what), subject(what), strata_of(what), doubt_of(what), percent_above(what.bound())
    );
    if (!what.is_exhaustive()) {
        text += fmt::format("; holes smaller than a /{} are not excluded", stratum_prefix(what));
    }
    return text;
}

std::string hole_sentence(const block_result& what)
{
    std::string text;
    for (std::size_t i = 0; i < std::min(what.holes.size(), most_told_holes); ++i) {
        text += (i == 0 ? "" : "; ") + describe(what.holes[i]);
    }
    if (what.holes.size() > most_told_holes) {
        text += fmt::format("; and {} more holes", what.holes.size() - most_told_holes);
    }
    text += fmt::format(
        "; in all {} of {} of {} blocked, {}{}", what.blocked, samples_of(what), subject(what),
        strata_of(what), doubt_of(what)
    );
    if (what.bound() < 1) {
        text += fmt::format(
            ": with 95 % confidence less than {} of the block is blocked", percent_above(what.bound())
        );
    }
    return text;
}

} // namespace

const char* to_string(block_ending value)
{
    switch (value) {
    case block_ending::under_way: return "under_way";
    case block_ending::complete: return "complete";
    case block_ending::no_control: return "no_control";
    case block_ending::cut_short: return "cut_short";
    case block_ending::answers_for_all: return "answers_for_all";
    }
    return "?";
}

bool block_result::is_exhaustive() const
{
    return stratum_prefix(*this) == address_bits(block.base.family) && covered.count() == strata;
}

bool block_result::is_clean() const
{
    return ending != block_ending::answers_for_all && holes.empty() && blocked == 0 && clean > 0;
}

double block_result::bound() const
{
    if (is_exhaustive() && blocked + doubtful == 0 && clean > 0) {
        return 0;
    }
    return upper_share(blocked + doubtful, n(), doubt);
}

block_result accumulate(const block_result& before, const block_result& round)
{
    if (round.n() == 0 && round.ending != block_ending::answers_for_all) {
        return before;
    }
    const bool whole = round.ending == block_ending::complete;
    const bool void_before = before.ending == block_ending::answers_for_all || before.n() == 0 ||
                             round.ending == block_ending::answers_for_all;
    const bool appeared = !all_known(round.holes, before.holes);
    // A round cut short has not looked at every known hole.
    const bool gone = whole && !all_known(before.holes, round.holes);
    if (void_before || !same_subject(before, round) || appeared || gone) {
        return round;
    }
    auto sum = round;
    sum.clean += before.clean;
    sum.blocked += before.blocked;
    sum.doubtful += before.doubtful;
    sum.covered |= before.covered;
    sum.undecided = sum.strata - sum.covered.count();
    sum.rounds += before.rounds;
    sum.since = before.since;
    if (!whole) {
        sum.holes = before.holes;
    }
    return sum;
}

std::string sentence(const block_result& what)
{
    if (what.ending == block_ending::answers_for_all) {
        return fmt::format(
            "something answers for every address, even for one that does not exist: {} cannot be sampled",
            subject(what)
        );
    }
    if (what.n() == 0) {
        return fmt::format(
            "nothing is known of {}: {}", subject(what),
            what.ending == block_ending::under_way ? "its sample is not at its end"
                                                   : "no address passed as a control"
        );
    }
    auto text = what.holes.empty() && what.blocked == 0 ? clean_sentence(what) : hole_sentence(what);
    if (what.undecided > 0) {
        text += fmt::format("; {} strata undecided", what.undecided);
    }
    return text;
}

} // namespace reachd
