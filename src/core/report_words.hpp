// SPDX-License-Identifier: Apache-2.0
// report_words.hpp: the words of a report's codes for a person, the same in every form of the report.
//
// Shapes  Plain text, not escaped: what stands in the report may be in it.
#pragma once

#include "report_reading.hpp"

#include <string>

namespace reachd::reading {

// "ready" -> "READY"
std::string answer_word(const std::string& site_state);
// "fail" -> "FAIL"; as the table of `reachctl check` has them, with "?" spelled out.
std::string state_word(const std::string& row_state);
// "edge" -> "the site's edge: its firewall, or the provider's first box"
std::string blame_words(const std::string& blame);
// Whom to ask for a row that does not pass: who runs what stops it, and else the document's contact.
std::string ask_words(const nlohmann::json& row);
// "ann, 2026-11-22 04:17:27.468: the firewall team has it"; empty where nobody acknowledged the row.
std::string noted_words(const nlohmann::json& row);
// "between hop 1 (10.77.1.1) and hop 2 (100.64.0.1)", "at hop 1 (10.77.1.1)"; empty for null.
std::string where_words(const nlohmann::json& where);
// What a verdict leaves open (docs/VERDICTS.md); empty where it says so itself.
std::string left_open(const nlohmann::json& endpoint);
// "tcp 443 to maps.googleapis.com (2 addresses) via voice"
std::string run_target(const nlohmann::json& run, const std::string& transport);
// "tcp 443 to maps.googleapis.com (142.250.0.10) and 2 more: open"
std::string group_words(const endpoint_group& group);
// "tcp 80,443 to ...", "idle timer of tcp flows", "inbound to 10.0.0.5:8443"
std::string row_target(const nlohmann::json& row);
// "pass 4 of 6 endpoints, 2 fail"; empty where there is none.
std::string counts_words(const nlohmann::json& row);
// "2026-11-22 04:17:27.468"
std::string time_words(const std::string& time);
// "sent with 3 hops allowed", "TTL 61 and more heard"; empty for an ordinary probe.
std::string how_asked(const nlohmann::json& observation);
// "TCP connect", "TLS handshake"
std::string probe_words(const std::string& probe);
// "500.5 ms"
std::string took_words(const nlohmann::json& observation);
// "12 s", "4.5 s"; "-" for null
std::string seconds_words(const nlohmann::json& from, const char* key);

} // namespace reachd::reading
