// SPDX-License-Identifier: Apache-2.0
// control.hpp: the control protocol without sockets: its methods, its errors, its lines.
//
// Use     line_buffer.hpp turns bytes into lines, parse_request() a line into a checked request,
//         encode_x() an answer into one line that ends in '\n'.
// Errors  A refusal carries the id of its request where that could be read, and a reason word that is
//         stable within a major version; messages may change.
// Limits  JSON depth 32, keys 256 bytes (json.hpp); texts 1000 bytes.
// Source  JSON-RPC 2.0 (jsonrpc.org/specification, 2013-01-04); docs/CONTROL.md.
#pragma once

#include "reachd/core/json.hpp"

#include <array>
#include <expected>
#include <span>
#include <string>
#include <string_view>

namespace reachd {

inline constexpr const char* protocol_version = "1.0";

// What a socket lets its clients do.
enum class access_level : std::uint8_t {
    read,   // status.sock
    change, // control.sock: reading as well
};
const char* to_string(access_level value);

enum class parameter_kind : std::uint8_t {
    text,      // no control characters, at most max_text_bytes
    address,   // an IP address without port
    port,      // 1 to 65535
    transport, // "tcp" or "udp"
    moment,    // RFC 3339 with a time zone
    count,     // 1 to most_count
};
const char* to_string(parameter_kind value);

enum class presence : std::uint8_t {
    optional,
    required,
};

inline constexpr std::int64_t most_count = 1000;

struct parameter_info {
    std::string_view name; // "" for an unused place of the table
    std::string_view help;
    parameter_kind kind = parameter_kind::text;
    reachd::presence presence = reachd::presence::optional;
};

struct method_info {
    std::string_view name;
    access_level access;
    std::string_view since; // the protocol version that brought it
    std::string_view help;
    std::array<parameter_info, 12> places{};

    [[nodiscard]] std::span<const parameter_info> parameters() const;
};

// Every method there is; docs/CONTROL.md has an entry for each.
std::span<const method_info> control_methods();
const method_info* find_method(std::string_view name);
// The table for the method `methods`.
json describe_methods();

// A reason word with its JSON-RPC code.
struct reason_info {
    const char* word;
    int code;
    const char* meaning;
};

namespace reasons {
inline constexpr reason_info malformed{"malformed", -32700, "the line is not JSON"};
inline constexpr reason_info not_utf8{"not_utf8", -32700, "the line is not UTF-8"};
inline constexpr reason_info too_deep{"too_deep", -32700, "the JSON is nested deeper than 32 levels"};
inline constexpr reason_info duplicate_key{"duplicate_key", -32700, "an object has the same key twice"};
inline constexpr reason_info invalid_request{"invalid_request", -32600, "JSON, but no JSON-RPC 2.0 request"};
inline constexpr reason_info batch{"batch_not_supported", -32600, "an array of requests: send one a line"};
inline constexpr reason_info unknown_method{"unknown_method", -32601, "no such method"};
inline constexpr reason_info unknown_parameter{
    "unknown_parameter", -32602, "the method has no such parameter"
};
inline constexpr reason_info missing_parameter{
    "missing_parameter", -32602, "the method needs this parameter"
};
inline constexpr reason_info invalid_parameter{
    "invalid_parameter", -32602, "a parameter is of the wrong type or out of range"
};
inline constexpr reason_info internal{"internal", -32603, "a fault of the daemon: see its log"};
inline constexpr reason_info too_large{
    "too_large", -32001, "the line is over the limit; the connection closes"
};
inline constexpr reason_info too_slow{
    "too_slow", -32002, "the line was not completed in time; the connection closes"
};
inline constexpr reason_info too_many_connections{
    "too_many_connections", -32003, "the socket has no place left; the connection closes"
};
inline constexpr reason_info forbidden{"forbidden", -32004, "the method is served on control.sock only"};
inline constexpr reason_info too_many_subscriptions{
    "too_many_subscriptions", -32005, "the socket has no place left for subscribers"
};
inline constexpr reason_info already_subscribed{
    "already_subscribed", -32006, "the connection has its subscription already"
};
inline constexpr reason_info shutting_down{"shutting_down", -32007, "the daemon ends; ask again later"};
inline constexpr reason_info not_found{"not_found", -32010, "what the parameters name does not exist"};
inline constexpr reason_info rejected{"rejected", -32011, "the files have faults; what was in force stays"};
inline constexpr reason_info busy{"busy", -32012, "this, or too much, is under way already; ask again later"};
inline constexpr reason_info not_failing{
    "not_failing", -32013, "only a row that fails has something to note"
};
inline constexpr reason_info no_history{"no_history", -32014, "the history cannot be read now: see its log"};
} // namespace reasons

// All of the above, in the order of docs/CONTROL.md.
std::span<const reason_info> control_reasons();

struct rpc_error {
    int code = 0;
    std::string reason;
    std::string message;
    std::string field; // "params.port"; "" where no one member is at fault
    std::string hint;  // what to do about it; "" where there is nothing to add
    json details;      // null, or an object whose members join `data`

    bool operator==(const rpc_error&) const = default;
};
rpc_error make_error(const reason_info& why, std::string message);

enum class answer_wanted : std::uint8_t {
    yes,
    no, // a notification: it has no id
};

struct rpc_request {
    json id; // a text, a number or null
    answer_wanted answer = answer_wanted::yes;
    const method_info* method = nullptr;
    json params = json::object(); // known names, of their kinds, none missing
};

struct refusal {
    json id;
    answer_wanted answer = answer_wanted::yes;
    rpc_error error;
};

// `line` without its end. Refuses what `granted` does not allow.
std::expected<rpc_request, refusal> parse_request(std::string_view line, access_level granted);

// Each answers one line with its '\n'; invalid UTF-8 is replaced.
std::string encode_result(json id, json result);
std::string encode_error(json id, const rpc_error& error);
std::string encode_notification(std::string_view method, json params);
std::string encode_request(json id, std::string_view method, json params);

// An `error` member as it came; nullopt when it has no code and message.
std::optional<rpc_error> decode_error(const json& error);

} // namespace reachd
