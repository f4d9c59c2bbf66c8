// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/block_hole.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>
#include <set>

namespace reachd {
namespace {

constexpr unsigned quarters = 2; // bits: four parts of a settled hole each hold a blocked host

// `seen` is sorted by address and all of it is in `block`.
void split(const ip_block& block, std::span<const block_evidence> seen, std::vector<envelope>& found)
{
    const auto passes = [](const block_evidence& one) { return one.passes(); };
    if (std::ranges::all_of(seen, passes)) {
        return;
    }
    if (std::ranges::none_of(seen, passes)) {
        found.push_back(
            {.within = block,
             .core = common_block(seen.front().address, seen.back().address),
             .blocked = {seen.begin(), seen.end()}}
        );
        return;
    }
    const auto upper = std::ranges::partition_point(seen, [&](const block_evidence& one) {
        return !bit_at(one.address, block.prefix);
    });
    const auto middle = static_cast<std::size_t>(upper - seen.begin());
    split(half_of(block, 0), seen.first(middle), found);
    split(half_of(block, 1), seen.subspan(middle), found);
}

const char* words_of(block_answer how)
{
    switch (how) {
    case block_answer::passed: return "passes";
    case block_answer::rejected: return "is rejected";
    case block_answer::reset: return "is reset in the destination's name";
    case block_answer::answered: return "is answered by a box in its name";
    case block_answer::silent: return "is dropped before the first hop past the edge";
    case block_answer::not_measured: return "was not measured";
    }
    return "?";
}

} // namespace

const char* to_string(block_answer value)
{
    switch (value) {
    case block_answer::passed: return "passed";
    case block_answer::rejected: return "rejected";
    case block_answer::reset: return "reset";
    case block_answer::answered: return "answered";
    case block_answer::silent: return "silent";
    case block_answer::not_measured: return "not_measured";
    }
    return "?";
}

std::optional<block_answer> parse_block_answer(std::string_view text)
{
    for (const auto one :
         {block_answer::passed, block_answer::rejected, block_answer::reset, block_answer::answered,
          block_answer::silent, block_answer::not_measured}) {
        if (text == to_string(one)) {
            return one;
        }
    }
    return std::nullopt;
}

std::vector<envelope> find_envelopes(const ip_block& block, std::span<const block_evidence> seen)
{
    std::vector<block_evidence> sorted{seen.begin(), seen.end()};
    std::ranges::sort(sorted, {}, &block_evidence::address);
    std::vector<envelope> found;
    split(block, sorted, found);
    return found;
}

std::optional<ip_block> place_to_ask(const envelope& where)
{
    const unsigned outer = where.within.prefix;
    const unsigned inner = where.core.prefix;
    if (inner > outer) {
        // Half-way between: the half that the core is not in.
        const unsigned level = outer + (inner - outer - 1) / 2;
        const auto side = bit_at(where.core.base, level) ? 0U : 1U;
        return half_of(enclosing(where.core.base, level), side);
    }
    const unsigned bits = std::min(quarters, address_bits(where.within.base.family) - outer);
    for (unsigned i = 0; i < (1U << bits); ++i) {
        const auto part = part_of(where.within, bits, i);
        const auto inside = [&](const block_evidence& one) { return part.contains(one.address); };
        if (std::ranges::none_of(where.blocked, inside)) {
            return part;
        }
    }
    return std::nullopt;
}

bool is_proven(const envelope& where, double lost, unsigned samples)
{
    unsigned silent = 0;
    unsigned loud = 0;
    for (const auto& one : where.blocked) {
        silent += one.silent;
        loud += one.loud;
    }
    return loud >= loud_enough || samples * std::pow(lost, silent) < false_alarms;
}

hole make_hole(const envelope& where)
{
    hole out{
        .where = where.core,
        .at_most = where.within,
        .samples = static_cast<unsigned>(where.blocked.size()),
    };
    std::array<unsigned, 6> count{};
    for (const auto& one : where.blocked) {
        ++count.at(static_cast<std::size_t>(one.answer));
    }
    out.silent = count.at(static_cast<std::size_t>(block_answer::silent));
    unsigned most = 0;
    for (const auto loud : {block_answer::rejected, block_answer::reset, block_answer::answered}) {
        if (count.at(static_cast<std::size_t>(loud)) > most) {
            most = count.at(static_cast<std::size_t>(loud));
            out.how = loud;
        }
    }
    if (out.how == block_answer::rejected) {
        std::set<std::optional<ip_address>> senders;
        for (const auto& one : where.blocked) {
            if (one.answer == out.how) {
                senders.insert(one.by);
            }
        }
        out.by = senders.size() == 1 ? *senders.begin() : std::nullopt; // several boxes: none is named
    }
    return out;
}

std::string describe(const hole& what)
{
    auto text = fmt::format("{} {}", to_text(what.where), words_of(what.how));
    if (what.by) {
        text += " by " + to_text(*what.by);
    }
    text += fmt::format(" ({} of {} samples", what.samples, what.samples);
    if (what.how != block_answer::silent && what.silent > 0) {
        text += fmt::format(", {} of them silently", what.silent);
    }
    if (what.at_most.prefix < what.where.prefix) {
        text += fmt::format("; it may be as large as {}", to_text(what.at_most));
    }
    return text + ")";
}

} // namespace reachd
