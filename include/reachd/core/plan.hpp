// SPDX-License-Identifier: Apache-2.0
// plan.hpp: what a site has to be measured for: catalogues and site values made concrete.
//
// Use     make_plan() once per configuration; the result is shared and never changed.
// Shapes  One row per requirement, in the order of the files. Names are not yet resolved.
// Errors  A value that nobody has filled in is not a fault: its row says so and whom to ask.
#pragma once

#include "reachd/core/catalogue.hpp"
#include "reachd/core/config.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reachd {

// The measurable form of an outbound requirement.
struct outbound_row {
    reachd::transport transport = transport::tcp;
    std::vector<ip_address> addresses;
    std::vector<std::string> names; // destinations that are names, and the names of a block
    std::vector<ip_block> blocks;
    port_set ports;
    expectation expect = expectation::service;
    bool private_answers = false;
    std::string payload;                // of a datagram; "" for one zero byte
    std::string expect_reply;           // what the reply begins with; "" for any
    port_set tls_ports;                 // where its named hosts speak TLS, besides 443 of a service
    std::vector<std::string> tls_names; // a certificate of its hosts may be for one of these as well
    std::vector<std::string> tls_roots; // owners of private roots that may have issued it
    port_set fallback_ports;            // where clients go when `tls_ports` are shut; not needed to pass
    bool operator==(const outbound_row&) const = default;
};

struct plan_row {
    std::string catalogue; // id
    std::string id;
    std::string about;
    reachd::role role = role::primary;
    std::string note;
    std::string ask;            // whom to ask about it
    std::string not_configured; // why the row cannot be measured yet; empty when it can
    bool needed = true;         // false: the configuration says that it does not apply to this site
    std::variant<outbound_row, idle_timer, inbound> what;
    std::optional<inbound_config> here; // of an inbound row: where the site has put its service
    bool operator==(const plan_row&) const = default;
};

struct plan {
    reachd::config config;
    std::vector<catalogue> catalogues; // those in force, in the order of the configuration
    std::vector<plan_row> rows;
    std::vector<vantage> vantages; // at least one; the routing table's own has an empty name
    [[nodiscard]] const catalogue& catalogue_of(const plan_row& row) const;
};

// `known` holds at least the catalogues that the configuration names.
plan make_plan(config site, const std::vector<catalogue>& known);

// Whether a row is named by `word`: its id, or "catalogue/id".
bool is_named(const plan_row& row, std::string_view word);
// For a word that names no row: the nearest that does ("did you mean 'maps'?"), else all of them where they
// are few.
std::string known_rows_for(const plan& what, std::string_view word, std::string_view catalogue = {});

} // namespace reachd
