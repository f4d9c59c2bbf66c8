// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/stun_server.hpp"

#include <fmt/format.h>

namespace reachd {
namespace {

const char* in_words(nat_mapping value)
{
    switch (value) {
    case nat_mapping::unknown: return "";
    case nat_mapping::none: return ", this machine's own: no NAT";
    case nat_mapping::endpoint_independent:
        return ", one mapping for all destinations (endpoint-independent)";
    case nat_mapping::address_dependent: return ", a mapping for each address (address-dependent)";
    case nat_mapping::address_and_port_dependent:
        return ", a mapping for each address and port (address- and port-dependent)";
    }
    return "";
}

} // namespace

byte_vector encode_binding(const stun::transaction_id& id, std::optional<std::uint16_t> answer_to)
{
    stun::message out;
    out.transaction = id;
    out.response_port = answer_to;
    return stun::encode(out);
}

std::optional<binding_answer> read_binding(byte_view datagram)
{
    auto got = stun::decode(datagram);
    if (!got || got->message.method != stun::binding_method) {
        return std::nullopt;
    }
    auto& message = got->message;
    binding_answer out{.transaction = message.transaction, .other = message.other_address};
    if (message.kind == stun::message_class::error) {
        out.error = message.error.value_or(stun::error_reply{});
        return out;
    }
    // MAPPED-ADDRESS alone is what servers before RFC 5389 gave.
    out.mapped = message.xor_mapped ? message.xor_mapped : message.mapped;
    // What a server does not want us to overlook cannot be read past (RFC 8489 section 6.3.3).
    const bool good =
        message.kind == stun::message_class::success && out.mapped && got->not_understood.empty();
    return good ? std::optional{out} : std::nullopt;
}

const char* why_unproven(redirected what)
{
    switch (what) {
    case redirected::arrived: return "";
    case redirected::came_back:
        return "it ignores RESPONSE-PORT and answers the flow that asked (no RFC 5780 server, or one with "
               "one "
               "address)";
    case redirected::refused: return "it refuses RESPONSE-PORT with an error";
    case redirected::silent:
        return "an answer that it was asked to send to another flow came nowhere: it drops requests with "
               "RESPONSE-PORT, or the NAT gives flows different public addresses or filters the answer";
    }
    return "";
}

const char* to_string(nat_mapping value)
{
    switch (value) {
    case nat_mapping::unknown: return "unknown";
    case nat_mapping::none: return "none";
    case nat_mapping::endpoint_independent: return "endpoint_independent";
    case nat_mapping::address_dependent: return "address_dependent";
    case nat_mapping::address_and_port_dependent: return "address_and_port_dependent";
    }
    return "?";
}

nat_mapping judge_mapping(const mapping_views& seen)
{
    if (seen.first == seen.local) {
        return nat_mapping::none;
    }
    if (!seen.other_host) {
        return nat_mapping::unknown;
    }
    if (*seen.other_host == seen.first) {
        return nat_mapping::endpoint_independent;
    }
    if (!seen.other_both) {
        return nat_mapping::unknown;
    }
    return *seen.other_both == *seen.other_host ? nat_mapping::address_dependent
                                                : nat_mapping::address_and_port_dependent;
}

bool may_ask_other(const socket_address& server, const socket_address& other)
{
    return other.address.family == server.address.family && other.address != server.address &&
           other.port != server.port && other.port != 0 &&
           (!is_special_purpose(other.address) || is_special_purpose(server.address));
}

std::string to_sentence(const stun_view& seen)
{
    return fmt::format(
        "seen from outside as {}{}{}", to_text(seen.address), in_words(seen.mapping),
        seen.before ? fmt::format("; the public address has changed: it was {}", to_text(*seen.before)) : ""
    );
}

} // namespace reachd
