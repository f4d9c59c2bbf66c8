// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/dry_run.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace reachd {
namespace {

using nlohmann::json;

constexpr std::size_t narrowest = 40;
constexpr std::size_t indent = 4;

void add(std::string& out, std::size_t left, const std::string& text, const page& format)
{
    for (const auto& line : wrap(text, std::max(format.columns, narrowest) - left)) {
        out += std::string(left, ' ') + line + '\n';
    }
}

std::string text_at(const json& from, const char* key)
{
    return printable(from.at(key).get<std::string>());
}

std::string greeting_text(const std::string& said)
{
    if (said == "tls") {
        return "TLS handshake with the name (SNI)";
    }
    if (said == "tls_unverified") {
        return "TLS handshake (no name to verify)";
    }
    if (said == "http_unverified") {
        return "HTTP HEAD by address";
    }
    if (said == "http" || said == "http_if_answered") {
        return "HTTP HEAD";
    }
    return said == "none" ? "no word" : said;
}

std::string counted(std::size_t number, const char* what)
{
    return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
}

std::string time_text(long long seconds)
{
    constexpr long long minute = 60;
    return seconds < 2 * minute ? fmt::format("{} s", seconds)
                                : fmt::format("{} min", (seconds + minute - 1) / minute);
}

std::string said_to(const json& target, const json& row)
{
    if (row.at("transport") == "udp") {
        return fmt::format("{} of payload each", counted(row.at("payload_bytes").get<std::size_t>(), "byte"));
    }
    std::vector<std::string> parts;
    for (const auto& one : target.at("greetings")) {
        parts.push_back(
            fmt::format("{}: {}", text_at(one, "ports"), greeting_text(one.at("greeting").get<std::string>()))
        );
    }
    return fmt::format("{}", fmt::join(parts, "; "));
}

void add_ladders(std::string& out, const std::string& name, const json& row, const page& format)
{
    add(out, 0, fmt::format("{}: {}, idle flows", name, text_at(row, "transport")), format);
    for (const auto& one : row.at("ladders")) {
        const auto& which = one.at("class");
        add(out, indent,
            fmt::format(
                "{}{}, about {}, left alone for up to {}; as many again where one is lost",
                which.is_string() ? text_at(one, "class") + ": " : "",
                counted(one.at("flows").get<std::size_t>(), "flow"),
                counted(one.at("packets").get<std::size_t>(), "packet"),
                time_text(one.at("takes_s").get<long long>())
            ),
            format);
    }
}

void add_inbound(std::string& out, const std::string& name, const json& row, const page& format)
{
    const auto& one = row.at("inbound");
    add(out, 0, fmt::format("{}: {}, who can connect", name, text_at(row, "transport")), format);
    add(out, indent,
        fmt::format(
            "{} from inside{}, about {}", text_at(one, "service"),
            one.at("tried_from_outside").is_string()
                ? fmt::format(", and a reflector tries {}", text_at(one, "tried_from_outside"))
                : std::string{},
            counted(one.at("packets").get<std::size_t>(), "packet")
        ),
        format);
}

void add_row(std::string& out, const json& row, const page& format)
{
    const auto name = fmt::format("{}/{}", text_at(row, "catalogue"), text_at(row, "id"));
    if (row.at("not_sent").is_string()) {
        out += '\n';
        add(out, 0, fmt::format("{}: sends nothing: {}", name, text_at(row, "not_sent")), format);
        return;
    }
    out += '\n';
    if (row.contains("inbound")) {
        add_inbound(out, name, row, format);
        return;
    }
    if (row.contains("ladders")) {
        add_ladders(out, name, row, format);
        return;
    }
    add(out, 0, fmt::format("{}: {} {}", name, text_at(row, "transport"), text_at(row, "ports")), format);
    for (const auto& one : row.at("targets")) {
        const bool named = one.at("kind") == "name";
        const auto flows = one.at("flows_at_most").get<std::size_t>();
        add(out, indent,
            fmt::format(
                "{}{}: {}, at most {}, {} if nothing answers; {}", named ? "each address of " : "",
                text_at(one, "destination"), counted(one.at("endpoints").get<std::size_t>(), "endpoint"),
                counted(flows, "flow"),
                counted(one.at("unanswered_packets_at_most").get<std::size_t>(), "packet"), said_to(one, row)
            ),
            format);
    }
    for (const auto& one : row.at("samples")) {
        add(out, indent,
            fmt::format(
                "{}: {} at each of {}, with a limited number of hops", text_at(one, "block"),
                counted(one.at("samples_each").get<std::size_t>(), "sample"),
                counted(one.at("ports").get<std::size_t>(), "port")
            ),
            format);
    }
}

std::string names_text(const json& dry_run)
{
    std::vector<std::string> names;
    for (const auto& row : dry_run.at("requirements")) {
        for (const auto& one : row.value("look_ups", json::array())) {
            const auto name = printable(one.get<std::string>());
            if (std::ranges::find(names, name) == names.end()) {
                names.push_back(name);
            }
        }
    }
    return fmt::format("{}", fmt::join(names, " "));
}

std::string rate_text(const json& limits, const char* key, const char* unit)
{
    const auto rate = limits.at(key).get<unsigned>();
    return rate == 0 ? fmt::format("no limit {}", unit) : fmt::format("{} {}", rate, unit);
}

void add_packets(std::string& out, const json& dry_run, const page& format)
{
    const auto& healthy = dry_run.at("healthy");
    const auto& unhealthy = dry_run.at("unhealthy");
    const auto accept = healthy.at("packets_if_all_accept").get<std::size_t>();
    const auto refuse = healthy.at("packets_if_ports_refuse").get<std::size_t>();
    const auto samples = healthy.at("block_samples").get<std::size_t>();
    auto text =
        refuse == accept
            ? fmt::format("Where nothing is wrong it sends about {} packets", grouped(accept))
            : fmt::format(
                  "Where nothing is wrong it sends about {} packets, or {} where all ports of ranges accept",
                  grouped(refuse), grouped(accept)
              );
    text += ", DNS and finding out who answers included.";
    if (samples > 0) {
        text += fmt::format(
            " {} samples of blocks are among them and take about {}.", grouped(samples),
            time_text(healthy.at("sampling_s").get<long long>())
        );
    }
    text += fmt::format(
        " Finding faults may add up to {} packets, which take {} at that pace.",
        grouped(unhealthy.at("packets_at_most").get<std::size_t>()),
        time_text(unhealthy.at("takes_s").get<long long>())
    );
    out += '\n';
    add(out, 0, text, format);
}

void add_sums(std::string& out, const json& dry_run, const page& format)
{
    const auto& dns = dry_run.at("dns");
    if (const auto look_ups = dns.at("look_ups").get<std::size_t>(); look_ups > 0) {
        out += '\n';
        add(out, 0,
            fmt::format(
                "DNS: {} look-ups, each of the system and of up to 3 servers, {} questions, more where a "
                "server is silent:",
                look_ups, dns.at("questions_each").get<std::size_t>()
            ),
            format);
        add(out, indent, names_text(dry_run), format);
    }
    const auto& hops = dry_run.at("hop_probes");
    out += '\n';
    add(out, 0,
        fmt::format(
            "Where something fails, probes of the same kind with a limited number of hops may follow, to see "
            "which box it is: for one endpoint of each group that fails alike at most {} packets ({} hops, "
            "{} "
            "tries, and as many for {} control flows), {}. Upper bound: {} packets.",
            hops.at("packets_each_at_most").get<std::size_t>(), hops.at("hops_at_most").get<unsigned>(),
            hops.at("tries").get<unsigned>(), hops.at("control_flows").get<unsigned>(),
            rate_text(hops, "per_hop_per_s", "a second to one hop"),
            hops.at("packets_at_most").get<std::size_t>()
        ),
        format);
    const auto& total = dry_run.at("total");
    const auto& limits = dry_run.at("limits");
    const auto& time = dry_run.at("duration");
    const auto idle_flows = total.at("idle_flows").get<std::size_t>();
    out += '\n';
    add(out, 0,
        fmt::format(
            "In all, with one address for each name: {} endpoints, at most {} flows ({} attempts), {}, {}. "
            "It "
            "takes about {} when all answer, {} when nothing does{}.",
            total.at("endpoints").get<std::size_t>(), total.at("flows_at_most").get<std::size_t>(),
            limits.at("attempts").get<unsigned>(), rate_text(limits, "new_flows_per_s", "new ones a second"),
            rate_text(limits, "new_flows_per_destination_per_s", "a second to one address"),
            time_text(time.at("all_answer_s").get<long long>()),
            time_text(time.at("nothing_answers_s").get<long long>()),
            idle_flows == 0 ? ""
                            : fmt::format(
                                  "; {} idle flows besides, side by side, for {}", idle_flows,
                                  time_text(time.at("idle_s").get<long long>())
                              )
        ),
        format);
    add_packets(out, dry_run, format);
}

} // namespace

std::string render_dry_run(const json& dry_run, const page& format)
{
    std::string out;
    add(out, 0,
        fmt::format("What a check of site {} would send. Nothing was sent.", text_at(dry_run, "site")),
        format);
    for (const auto& row : dry_run.at("requirements")) {
        add_row(out, row, format);
    }
    add_sums(out, dry_run, format);
    return out;
}

} // namespace reachd
