// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/greeting.hpp"

namespace reachd {
namespace {

constexpr std::uint16_t https_port = 443;
constexpr std::uint16_t http_port = 80;

} // namespace

const char* to_string(greeting value)
{
    switch (value) {
    case greeting::none: return "none";
    case greeting::tls: return "tls";
    case greeting::http: return "http";
    case greeting::http_if_answered: return "http_if_answered";
    }
    return "";
}

greeting greeting_for(const outbound_row& row, std::string_view name, std::uint16_t port)
{
    const bool named_tcp = !name.empty() && row.transport == transport::tcp;
    const bool wants_service = row.expect == expectation::service;
    if (named_tcp && port == https_port && wants_service) {
        return greeting::tls;
    }
    if (named_tcp && port == http_port && row.expect != expectation::blocked) {
        return wants_service ? greeting::http : greeting::http_if_answered;
    }
    return greeting::none;
}

} // namespace reachd
