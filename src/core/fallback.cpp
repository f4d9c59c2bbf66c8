// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/fallback.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace reachd {
namespace {

const char* words_of(row_answer state)
{
    switch (state) {
    case row_answer::pass: return "which works";
    case row_answer::fail: return "which fails as well";
    case row_answer::unproven:
    case row_answer::not_configured:
    case row_answer::not_needed: return "which is undecided";
    }
    return "";
}

} // namespace

bool is_fallback(const outbound_row& what, const endpoint_state& one)
{
    return what.fallback_ports.contains(one.port) && !what.ports.contains(one.port);
}

std::vector<std::uint16_t> probed_ports(const outbound_row& what, bool named)
{
    auto ports = what.ports.ports();
    if (named) {
        const auto more = what.fallback_ports.ports();
        ports.insert(ports.end(), more.begin(), more.end());
    }
    return ports;
}

fallback_answer fallback_of(const outbound_row& what, const row_state& row)
{
    std::size_t total = 0;
    std::size_t open = 0;
    std::size_t failing = 0;
    const verdict* first = nullptr;
    for (const auto& one : row.endpoints) {
        if (!is_fallback(what, one) || one.has_no_route()) {
            continue;
        }
        ++total;
        // Nobody falls back to a port where nothing listens: unlike the row, this must answer.
        const auto answer = weigh(expectation::service, one.judged);
        open += answer == endpoint_answer::pass ? 1 : 0;
        failing += answer == endpoint_answer::fail ? 1 : 0;
        first = !first && answer == endpoint_answer::fail ? &one.judged : first;
    }
    fallback_answer out;
    out.state = failing > 0                ? row_answer::fail
              : total > 0 && open == total ? row_answer::pass
                                           : row_answer::unproven;
    auto from = what.tls_ports.ports();
    std::erase_if(from, [&](std::uint16_t port) { return what.fallback_ports.contains(port); });
    const auto lead = fmt::format(
        "from {} {} clients fall back to {}", to_string(what.transport),
        to_text(make_port_set(std::move(from))), to_text(what.fallback_ports)
    );
    if (first && failing < total) {
        out.sentence = fmt::format(
            "{}, where {} of {} endpoints fail, first: {}", lead, failing, total, first->sentence
        );
    } else if (first) {
        out.sentence = fmt::format("{}, which fails as well: {}", lead, first->sentence);
    } else {
        out.sentence = fmt::format("{}, {}", lead, words_of(out.state));
    }
    return out;
}

} // namespace reachd
