// SPDX-License-Identifier: Apache-2.0
// What samples of address blocks say of their row, in the form that everything else is told in.
#include "reachd/core/path.hpp"
#include "reachd/core/site_state.hpp"

#include <fmt/format.h>

namespace reachd {
namespace {

location edge_pair(const path& way)
{
    return {.at = {}, .after = way.at(way.edge), .before = way.at(way.beyond)};
}

verdict judge_hole(const hole& what, const path& way)
{
    verdict out{
        .kind = what.how == block_answer::answered ? verdict_kind::intercepted : verdict_kind::blocked,
        .stage = stage::connect,
        .blame = blame::unknown,
        .sentence = describe(what),
    };
    if (what.how == block_answer::rejected && what.by) {
        const auto number = way.number_of(*what.by);
        out.where = location{.at = hop{.number = number, .address = what.by}, .after = {}, .before = {}};
        out.blame =
            number && way.edge > 0 ? (*number <= way.edge ? blame::site : blame::isp) : blame::unknown;
    } else if (what.how == block_answer::silent && way.edge > 0 && way.beyond > 0) {
        out.where = edge_pair(way);
        out.blame = blame_between(way, way.edge, way.beyond);
        out.sentence += ", " + describe(*out.where);
    }
    return out;
}

// A sample of fewer parts than most_strata was a quick one: it proves too little to pass.
bool is_full(const block_result& what)
{
    const unsigned bits = (what.block.base.is_v4() ? 32U : 128U) - what.block.prefix;
    return bits >= 8 ? what.strata == most_strata : what.strata == 1U << bits;
}

verdict judge_block(const block_result& what)
{
    const bool proven = is_full(what) && what.ending == block_ending::complete &&
                        what.covered.count() == what.strata && what.undecided == 0 && what.doubtful == 0;
    return {
        .kind = proven ? verdict_kind::permitted : verdict_kind::unproven,
        .stage = stage::connect,
        .blame = blame::unknown,
        .sentence = sentence(what),
    };
}

run make_run(std::string destination, const block_result& what, verdict judged, expectation expect)
{
    const auto answer = weigh(expect, judged);
    return {
        .destination = std::move(destination),
        .addresses = {},
        .vantage = what.vantage,
        .ports = make_port_set({what.port}),
        .judged = std::move(judged),
        .needed = true,
        .passes = answer == endpoint_answer::pass,
        .fails = answer == endpoint_answer::fail,
    };
}

} // namespace

std::vector<run> block_runs(const plan& what, const site_state& site, std::size_t row)
{
    const auto& need = std::get<outbound_row>(what.rows[row].what);
    std::vector<run> runs;
    for (const auto& one : site.rows[row].samples) {
        const auto way =
            make_path(site.traces, one.vantage, one.block.base.family, site.local, what.config.path);
        for (const auto& each : one.holes) {
            runs.push_back(make_run(to_text(each.where), one, judge_hole(each, way), need.expect));
        }
        if (one.holes.empty()) {
            runs.push_back(make_run(to_text(one.block), one, judge_block(one), need.expect));
        }
    }
    return runs;
}

} // namespace reachd
