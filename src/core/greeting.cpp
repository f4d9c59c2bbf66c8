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
    case greeting::tls_unverified: return "tls_unverified";
    case greeting::http: return "http";
    case greeting::http_unverified: return "http_unverified";
    case greeting::http_if_answered: return "http_if_answered";
    }
    return "";
}

greeting greeting_for(const outbound_row& row, std::string_view name, std::uint16_t port)
{
    const bool wants_service = row.expect == expectation::service;
    if (row.transport != transport::tcp || row.expect == expectation::blocked) {
        return greeting::none;
    }
    if (!name.empty() && row.tls_ports.contains(port)) {
        return greeting::tls;
    }
    if (port == https_port && wants_service) {
        return name.empty() ? greeting::tls_unverified : greeting::tls;
    }
    if (port == http_port && name.empty()) {
        return wants_service ? greeting::http_unverified : greeting::none;
    }
    if (port == http_port) {
        return wants_service ? greeting::http : greeting::http_if_answered;
    }
    return greeting::none;
}

} // namespace reachd
