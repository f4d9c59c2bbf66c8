// SPDX-License-Identifier: Apache-2.0
// http_text.hpp: the texts of our HTTP server: targets, hosts, heads of answers, server-sent events.
//
// Use     parse_target() and host_fault() for what a client says; encode_head() and encode_event() for
//         what it is told. Requests themselves are parsed by Boost.Beast (net/http_session.cpp).
// Errors  nullopt or a sentence: nothing here throws on a client's bytes.
// Source  RFC 9110, RFC 9112; https://html.spec.whatwg.org/multipage/server-sent-events.html
#pragma once

#include "reachd/core/time.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace reachd {

// What is asked for: "/row/a/b?state=fail", decoded.
struct http_target {
    std::string path;
    std::map<std::string, std::string> query; // of a name that stands twice, the first
    bool operator==(const http_target&) const = default;
};

// nullopt for what does not begin with '/', is longer than 2048 bytes, has a broken escape, or decodes to
// a control character. "." and ".." stay what they are: nothing is a file.
std::optional<http_target> parse_target(std::string_view raw);

// Why a Host header is not answered; nullopt where it is. An address cannot be rebound and passes as it is,
// so do localhost, its subdomains and the names of `known`; the port is not looked at, as a tunnel has
// another. Source  RFC 6761 section 6.3; DNS rebinding needs a name that the attacker's server resolves.
std::optional<std::string> host_fault(std::string_view host, const std::vector<std::string>& known);

struct http_response {
    unsigned status = 200;
    std::string type = "text/plain; charset=utf-8";
    std::shared_ptr<const std::string> body; // null for none
    std::vector<std::pair<std::string, std::string>> headers;
};
http_response plain_response(unsigned status, std::string sentence);
http_response json_response(unsigned status, const nlohmann::json& value);

enum class after_answer : std::uint8_t {
    keep_open,
    close,
};

enum class body_length : std::uint8_t {
    known,   // Content-Length
    endless, // a stream, ended by closing
};

// The status line and the headers, those of security among them, to the empty line.
std::string encode_head(const http_response& answer, body_length length, after_answer then, wall_time now);

// One server-sent event; `name` "" for the default kind, `id` "" for none.
std::string encode_event(std::string_view id, std::string_view name, const nlohmann::json& data);

// "Sat, 21 Nov 2026 14:05:00 GMT" (RFC 9110 section 5.6.7).
std::string http_date(wall_time when);

} // namespace reachd
