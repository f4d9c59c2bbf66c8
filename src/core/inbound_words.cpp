// SPDX-License-Identifier: Apache-2.0
#include "inbound_words.hpp"

#include "reachd/core/text.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace reachd {
namespace {

std::string met_text(const inbound_knock& knock)
{
    switch (knock.seen.outcome) {
    case wire::inbound_outcome::connected: return "is answered";
    case wire::inbound_outcome::refused: return "is refused";
    case wire::inbound_outcome::silent: return fmt::format("meets silence for {}", to_text(knock.waited));
    case wire::inbound_outcome::icmp:
        return fmt::format(
            "meets an ICMP error ({})",
            icmp_name(knock.to.address.family, knock.seen.icmp_type, knock.seen.icmp_code)
        );
    case wire::inbound_outcome::not_tried: return "was not tried: the reflector's own system refused";
    }
    return {};
}

} // namespace

std::vector<std::string> texts_of(const std::vector<ip_address>& addresses)
{
    std::vector<std::string> out;
    for (const auto& one : addresses) {
        out.push_back(to_text(one));
    }
    return out;
}

std::string allowed_text(const inbound& what)
{
    return fmt::format("{}", fmt::join(texts_of(what.sources), " and "));
}

std::string visit_text(const inbound_visit& visit)
{
    return fmt::format("{} was connected to it at {}", to_text(visit.source), to_text(visit.at));
}

std::string knock_text(const inbound_knock& knock)
{
    return fmt::format(
        "a connection from reflector {} ({}) to {} {}", knock.by, to_text(knock.from), to_text(knock.to),
        met_text(knock)
    );
}

std::string joined(const std::string& one, const std::string& other)
{
    return one.empty() || other.empty() ? one + other : one + "; " + other;
}

std::string said_text(const inbound_knock& knock)
{
    const auto& said = knock.seen.banner;
    return printable({reinterpret_cast<const char*>(said.data()), said.size()});
}

} // namespace reachd
