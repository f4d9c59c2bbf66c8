// SPDX-License-Identifier: Apache-2.0
#include "report_words.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>

namespace reachd::reading {
namespace {

std::string hop_words(const json& one)
{
    const auto address = text_at(one, "address");
    const auto number = decimal_at(one, "hop");
    if (number && *number == 0) {
        return "this machine";
    }
    if (!number) {
        return address.empty() ? "a box without address" : address;
    }
    return fmt::format("hop {}{}", number_at(one, "hop"), address.empty() ? "" : " (" + address + ")");
}

} // namespace

std::string answer_word(const std::string& site_state)
{
    return site_state == "ready" ? "READY" : site_state == "not_ready" ? "NOT READY" : "UNPROVEN";
}

std::string state_word(const std::string& row_state)
{
    return row_state == "pass"           ? "PASS"
         : row_state == "fail"           ? "FAIL"
         : row_state == "not_configured" ? "BLANK"
                                         : "UNPROVEN";
}

std::string blame_words(const std::string& blame)
{
    return blame == "host"    ? "this machine"
         : blame == "site"    ? "the site's own network"
         : blame == "edge"    ? "the site's edge: its firewall, or the provider's first box"
         : blame == "isp"     ? "the provider's network, beyond the site"
         : blame == "service" ? "the service itself"
                              : "not proven";
}

std::string noted_words(const json& row)
{
    const auto& noted = object_at(row, "acknowledged");
    return noted.empty() ? std::string{}
                         : fmt::format(
                               "{}, {}: {}", text_at(noted, "by"), time_words(text_at(noted, "since")),
                               text_at(noted, "note")
                           );
}

std::string ask_words(const json& row)
{
    const auto contact = text_at(row, "ask");
    const auto asked_too = contact.empty() ? std::string{} : "; the requirement itself is " + contact + "'s";
    for (const auto& run : list_at(row, "runs")) {
        if (text_at(run, "result") != "fail") {
            continue;
        }
        const auto blame = text_at(run, "blame");
        const auto* who = blame == "host" ? "who runs this machine"
                        : blame == "site" ? "who runs the site's network"
                        : blame == "edge" ? "who runs the site's firewall, then the internet provider"
                        : blame == "isp"  ? "the internet provider"
                                          : "";
        return *who == '\0' ? contact : who + asked_too;
    }
    const bool timer = text_at(row, "kind") == "idle" && text_at(row, "state") == "fail";
    return timer ? "who runs the site's firewall and NAT" + asked_too : contact;
}

std::string where_words(const json& where)
{
    if (where.contains("at")) {
        return "at " + hop_words(object_at(where, "at"));
    }
    if (where.contains("after") && where.contains("before")) {
        return fmt::format(
            "between {} and {}", hop_words(object_at(where, "after")), hop_words(object_at(where, "before"))
        );
    }
    return {};
}

std::string run_target(const json& run, const std::string& transport)
{
    const auto destination = text_at(run, "destination");
    auto out = fmt::format("{} {} to {}", transport, text_at(run, "ports"), destination);
    const auto addresses = texts_at(run, "addresses");
    if (addresses.size() == 1 && addresses.front() != destination) {
        out += " (" + addresses.front() + ")";
    } else if (addresses.size() > 1) {
        out += fmt::format(" ({} addresses)", addresses.size());
    }
    const auto vantage = text_at(run, "vantage");
    return vantage.empty() ? out : out + " via " + vantage;
}

std::string left_open(const json& endpoint)
{
    const auto verdict = text_at(endpoint, "verdict");
    const bool placed = !object_at(endpoint, "where").empty();
    if (verdict == "open") {
        return text_at(endpoint, "stage") == "handshake"
                 ? "nothing, where the certificate was verified; else a proxy that is as far away as the "
                   "destination"
                 : "a proxy that is as far away as the destination";
    }
    if (verdict == "closed" && text_at(endpoint, "blame") != "service") {
        return "a firewall that sends the RST in the destination's name";
    }
    if (verdict == "permitted") {
        return "a host that is dead, its own filter on UDP, or a drop of all to that address beyond the edge";
    }
    if (verdict == "blocked") {
        return placed ? "" : "a destination that is down";
    }
    if (verdict == "intercepted") {
        return "a service that really has a private issuer (tls.extra_ca_files) or really lives in private "
               "space "
               "(private_answers)";
    }
    return verdict == "unresolved" ? "which side of DNS is at fault" : "";
}

std::string group_words(const endpoint_group& group)
{
    const auto& one = *group.most_seen;
    const auto vantage = text_at(one, "vantage");
    const auto more = group.destinations.size() - 1;
    return fmt::format(
        "{} {} to {}{}{}: {}", text_at(one, "transport"), ports_text(group.ports), group.destinations.front(),
        more == 0 ? "" : fmt::format(" and {} more", more), vantage.empty() ? "" : " via " + vantage,
        text_at(one, "verdict")
    );
}

std::string row_target(const json& row)
{
    const auto kind = text_at(row, "kind");
    if (kind == "idle") {
        return "idle timer: how long a flow without packets is kept";
    }
    if (kind == "inbound") {
        const auto service = text_at(object_at(row, "inbound"), "service");
        return service.empty() ? "inbound" : "inbound to " + service;
    }
    return fmt::format(
        "{} {} to {}", text_at(row, "transport"), text_at(row, "ports"), text_at(row, "destinations")
    );
}

std::string counts_words(const json& row)
{
    const auto& counts = object_at(row, "counts");
    const auto total = number_at(counts, "total");
    if (total == 0) {
        return {};
    }
    auto out = fmt::format("{} of {} endpoints pass", number_at(counts, "pass"), total);
    if (const auto fail = number_at(counts, "fail"); fail > 0) {
        out += fmt::format(", {} fail", fail);
    }
    if (const auto open = number_at(counts, "unproven"); open > 0) {
        out += fmt::format(", {} unproven", open);
    }
    return out;
}

std::string time_words(const std::string& time)
{
    auto out = time;
    if (out.size() > 11 && out[10] == 'T') {
        out[10] = ' ';
    }
    if (out.ends_with('Z')) {
        out.pop_back();
    }
    return out;
}

std::string how_asked(const json& observation)
{
    if (observation.contains("hop_limit")) {
        const auto hops = number_at(observation, "hop_limit");
        const auto* decoy = is_true(observation, "decoy") ? ", as a decoy" : "";
        return fmt::format("sent with {} {} allowed{}", hops, hops == 1 ? "hop" : "hops", decoy);
    }
    if (observation.contains("min_ttl")) {
        return fmt::format("only TTL {} and more heard", number_at(observation, "min_ttl"));
    }
    return is_true(observation, "on_link") ? "only the link heard" : "";
}

std::string probe_words(const std::string& probe)
{
    return probe == "tcp_connect" ? "TCP connect"
         : probe == "tcp_confirm" ? "TCP confirm"
         : probe == "udp_send"    ? "UDP datagram"
         : probe == "tls"         ? "TLS handshake"
         : probe == "http_head"   ? "HTTP HEAD"
                                  : probe;
}

std::string took_words(const json& observation)
{
    return fmt::format("{:.1f} ms", static_cast<double>(number_at(observation, "took_us")) / 1000.0);
}

std::string seconds_words(const json& from, const char* key)
{
    const auto value = decimal_at(from, key);
    if (!value) {
        return "-";
    }
    return fmt::format("{:.{}f} s", *value, *value == std::trunc(*value) ? 0 : 1);
}

} // namespace reachd::reading
