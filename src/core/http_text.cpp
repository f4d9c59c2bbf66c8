// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/http_text.hpp"

#include "reachd/core/address.hpp"
#include "reachd/core/json.hpp"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>

namespace reachd {
namespace {

constexpr std::size_t max_target_bytes = 2048;

// Scripts and styles are files of ours, so that nothing a peer said can become either.
constexpr std::string_view security_headers =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "X-Frame-Options: DENY\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\n"
    "Cross-Origin-Embedder-Policy: require-corp\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n"
    "Cache-Control: no-store\r\n";

std::optional<unsigned> hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9') {
        return static_cast<unsigned>(byte - '0');
    }
    if (byte >= 'a' && byte <= 'f') {
        return static_cast<unsigned>(byte - 'a' + 10);
    }
    if (byte >= 'A' && byte <= 'F') {
        return static_cast<unsigned>(byte - 'A' + 10);
    }
    return std::nullopt;
}

enum class plus_sign : std::uint8_t {
    itself,
    blank, // as forms write one
};

std::optional<std::string> decode(std::string_view raw, plus_sign plus)
{
    std::string out;
    for (std::size_t i = 0; i < raw.size(); ++i) {
        char byte = raw[i];
        if (byte == '%') {
            if (raw.size() - i < 3) {
                return std::nullopt;
            }
            const auto high = hex_digit(raw[i + 1]);
            const auto low = hex_digit(raw[i + 2]);
            if (!high || !low) {
                return std::nullopt;
            }
            byte = static_cast<char>(*high * 16 + *low);
            i += 2;
        } else if (byte == '+' && plus == plus_sign::blank) {
            byte = ' ';
        }
        if (static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f) {
            return std::nullopt;
        }
        out += byte;
    }
    return out;
}

std::string lower(std::string_view text)
{
    std::string out{text};
    std::ranges::transform(out, out.begin(), [](char byte) {
        return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
    });
    return out;
}

bool is_port(std::string_view text)
{
    const auto ports = parse_ports(text);
    return ports && ports->size() == 1;
}

// Without the port; nullopt where it is no host and port.
std::optional<std::string_view> name_of(std::string_view host)
{
    const auto end = host.starts_with('[') ? host.find(']') : host.find(':');
    if (host.starts_with('[') && end == std::string_view::npos) {
        return std::nullopt;
    }
    const auto name = host.starts_with('[') ? host.substr(1, end - 1) : host.substr(0, end);
    auto port = end == std::string_view::npos ? std::string_view{} : host.substr(end);
    port.remove_prefix(port.starts_with(']') ? 1 : 0);
    const bool fits = port.empty() || (port.front() == ':' && is_port(port.substr(1)));
    return fits && !name.empty() ? std::optional{name} : std::nullopt;
}

const char* phrase_of(unsigned status)
{
    switch (status) {
    case 200: return "OK";
    case 301: return "Moved Permanently";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 413: return "Content Too Large";
    case 421: return "Misdirected Request";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    default: return "Unknown";
    }
}

} // namespace

std::optional<http_target> parse_target(std::string_view raw)
{
    if (!raw.starts_with('/') || raw.size() > max_target_bytes) {
        return std::nullopt;
    }
    const auto mark = raw.find('?');
    auto path = decode(raw.substr(0, mark), plus_sign::itself);
    if (!path) {
        return std::nullopt;
    }
    http_target out{.path = std::move(*path), .query = {}};
    auto rest = mark == std::string_view::npos ? std::string_view{} : raw.substr(mark + 1);
    while (!rest.empty()) {
        const auto one = rest.substr(0, rest.find('&'));
        rest.remove_prefix(std::min(one.size() + 1, rest.size()));
        const auto equals = one.find('=');
        auto name = decode(one.substr(0, equals), plus_sign::blank);
        auto value = decode(
            equals == std::string_view::npos ? std::string_view{} : one.substr(equals + 1), plus_sign::blank
        );
        if (!name || !value) {
            return std::nullopt;
        }
        if (!name->empty()) {
            out.query.emplace(std::move(*name), std::move(*value));
        }
    }
    return out;
}

std::optional<std::string> host_fault(std::string_view host, const std::vector<std::string>& known)
{
    const auto found = name_of(host);
    if (!found) {
        return "the Host header is no host and port";
    }
    auto name = lower(*found);
    if (name.ends_with('.')) {
        name.pop_back();
    }
    const bool bracketed = host.starts_with('[');
    const auto address = parse_address(name);
    if (address && address->is_v4() != bracketed) {
        return std::nullopt;
    }
    const bool ours =
        !bracketed &&
        (name == "localhost" || name.ends_with(".localhost") ||
         std::ranges::any_of(known, [&](const std::string& one) { return lower(one) == name; }));
    if (ours) {
        return std::nullopt;
    }
    return "the Host header names neither an address, nor localhost, nor a name of http.hosts";
}

http_response plain_response(unsigned status, std::string sentence)
{
    sentence += '\n';
    http_response out{.status = status};
    out.body = std::make_shared<const std::string>(std::move(sentence));
    return out;
}

http_response json_response(unsigned status, const nlohmann::json& value)
{
    http_response out{.status = status, .type = "application/json"};
    out.body = std::make_shared<const std::string>(dump(value) + "\n");
    return out;
}

std::string encode_head(const http_response& answer, body_length length, after_answer then, wall_time now)
{
    auto out = fmt::format(
        "HTTP/1.1 {} {}\r\nDate: {}\r\nContent-Type: {}\r\n", answer.status, phrase_of(answer.status),
        http_date(now), answer.type
    );
    if (length == body_length::known) {
        out += fmt::format("Content-Length: {}\r\n", answer.body ? answer.body->size() : 0);
    }
    if (then == after_answer::close) {
        out += "Connection: close\r\n";
    }
    for (const auto& [name, value] : answer.headers) {
        out += fmt::format("{}: {}\r\n", name, value);
    }
    out += security_headers;
    out += "\r\n";
    return out;
}

std::string encode_event(std::string_view id, std::string_view name, const nlohmann::json& data)
{
    std::string out;
    if (!id.empty()) {
        out += fmt::format("id: {}\n", id);
    }
    if (!name.empty()) {
        out += fmt::format("event: {}\n", name);
    }
    out += fmt::format("data: {}\n\n", dump(data)); // JSON on one line: it escapes every line feed
    return out;
}

std::string http_date(wall_time when)
{
    const auto day = std::chrono::floor<std::chrono::days>(when);
    const std::chrono::year_month_day date{day};
    const std::chrono::weekday week{day};
    const std::chrono::hh_mm_ss clock{std::chrono::floor<seconds>(when - day)};
    constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    return fmt::format(
        "{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT", days[week.c_encoding()],
        static_cast<unsigned>(date.day()), months[static_cast<unsigned>(date.month()) - 1],
        static_cast<int>(date.year()), clock.hours().count(), clock.minutes().count(), clock.seconds().count()
    );
}

} // namespace reachd
