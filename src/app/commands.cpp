// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/commands.hpp"

#include "reachd/app/history_commands.hpp"
#include "reachd/core/events.hpp"
#include "reachd/core/json.hpp"
#include "reachd/core/site_report.hpp"
#include "reachd/net/deadline.hpp"
#include "reachd/net/wall_clock.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace reachd {

namespace asio = boost::asio;

namespace {

// A site of failing rows pauses for eight intervals at most (schedule.hpp); three such pauses without any
// measurement are no accident.
constexpr int stale_after_intervals = 3 * 8;

std::chrono::seconds stale_after(const plan& what)
{
    return what.config.schedule.interval * stale_after_intervals;
}

std::string text_of(const json& params, const char* key)
{
    const auto found = params.find(key);
    return found == params.end() ? std::string{} : found->get<std::string>();
}

} // namespace

rpc_error no_such_row(const plan& what, const report_selection& select)
{
    if (!select.requirement.empty()) {
        auto error = make_error(
            reasons::not_found,
            fmt::format(
                "no requirement{} is named {}", select.catalogue.empty() ? "" : " of this catalogue",
                in_quotes(select.requirement)
            )
        );
        error.field = "params.requirement";
        error.hint = known_rows_for(what, select.requirement, select.catalogue);
        return error;
    }
    auto error =
        make_error(reasons::not_found, fmt::format("no catalogue is named {}", in_quotes(select.catalogue)));
    error.field = "params.catalogue";
    std::vector<std::string_view> known;
    for (const auto& one : what.catalogues) {
        known.emplace_back(one.id);
    }
    if (const auto hint = nearest(select.catalogue, known)) {
        error.hint = fmt::format("did you mean {}?", in_quotes(*hint));
    }
    return error;
}

std::vector<std::size_t> rows_of(const plan& what, const report_selection& select)
{
    std::vector<std::size_t> rows;
    for (std::size_t i = 0; i < what.rows.size(); ++i) {
        const auto& row = what.rows[i];
        const bool wanted = (select.catalogue.empty() || select.catalogue == row.catalogue) &&
                            (select.requirement.empty() || is_named(row, select.requirement));
        if (wanted) {
            rows.push_back(i);
        }
    }
    return rows;
}

namespace {

json version_answer(const command_context& context)
{
    return {
        {"program", "reachd"},
        {"version", context.version},
        {"protocol", protocol_version},
        {"since", to_text(context.started)},
    };
}

json catalogues_answer(const plan& what)
{
    json list = json::array();
    for (const auto& one : what.catalogues) {
        json values = json::object();
        for (const auto& [name, value] : one.values) {
            values[name] = {
                {"type", to_string(value.type)}, {"default", value.default_text}, {"about", value.about}
            };
        }
        json rows = json::array();
        for (const auto& row : what.rows) {
            if (row.catalogue == one.id) {
                rows.push_back({{"id", row.id}, {"about", row.about}});
            }
        }
        list.push_back({
            {"id", one.id},
            {"title", one.title},
            {"document",
             {{"title", one.document.title}, {"revised", one.document.revised}, {"note", one.document.note}}},
            {"contact", one.contact},
            {"values", std::move(values)},
            {"requirements", std::move(rows)},
        });
    }
    return list;
}

json seconds_json(const std::vector<std::chrono::seconds>& list)
{
    json out = json::array();
    for (const auto& one : list) {
        out.push_back(one.count());
    }
    return out;
}

json config_answer(const config& site)
{
    json vantages = json::array();
    for (const auto& one : site.vantages) {
        vantages.push_back({
            {"name", one.name},
            {"interface", one.interface},
            {"source", one.source ? json(to_text(*one.source)) : json(nullptr)},
        });
    }
    json reflectors = json::array();
    for (const auto& one : site.reflectors) {
        reflectors.push_back({{"host", one.host}, {"port", one.port}}); // its key stays here
    }
    json networks = json::array();
    for (const auto& one : site.path.site_networks) {
        networks.push_back(to_text(one));
    }
    const auto& limits = site.limits;
    return {
        {"site", site.site},
        {"catalogues", site.catalogues},
        {"values", site.values},
        {"vantages", std::move(vantages)},
        {"schedule",
         {{"interval_s", site.schedule.interval.count()},
          {"nat_interval_s", site.schedule.nat_interval.count()},
          {"sweep_interval_s", site.schedule.sweep_interval.count()}}},
        {"limits",
         {{"new_flows_per_s", limits.new_flows_per_s},
          {"new_flows_per_destination_per_s", limits.new_flows_per_destination_per_s},
          {"in_flight", limits.in_flight},
          {"connect_timeout_ms", limits.connect_timeout.count()},
          {"attempts", limits.attempts},
          {"icmp_per_hop_per_s", limits.icmp_per_hop_per_s},
          {"samples_per_block", limits.samples_per_block},
          {"nat_entries", limits.nat_entries}}},
        {"path",
         {{"edge", site.path.edge ? json(to_text(*site.path.edge)) : json(nullptr)},
          {"site_networks", std::move(networks)}}},
        {"reflectors", std::move(reflectors)},
        {"history",
         {{"path", site.history.path},
          {"keep_days", site.history.keep_days},
          {"max_mb", site.history.max_mb}}},
        {"idle",
         {{"udp_rungs_s", seconds_json(site.idle.udp_rungs)},
          {"tcp_rungs_s", seconds_json(site.idle.tcp_rungs)},
          {"longest_s", site.idle.longest ? json(site.idle.longest->count()) : json(nullptr)}}},
        {"tls", {{"ca_file", site.tls_ca_file}, {"extra_ca_files", site.tls_extra_ca_files}}},
        {"http",
         {{"listen", site.http.listen},
          {"hosts", site.http.hosts},
          {"allow_remote", site.http.allow_remote}}},
    };
}

rpc_answer endpoint_answer_of(const engine& work, const json& params)
{
    const endpoint wanted{
        *parse_address(params.at("address").get<std::string>()),
        params.at("port").get<std::uint16_t>(),
        *parse_transport(params.at("transport").get<std::string>()),
    };
    auto found = endpoint_report(work.what(), work.state(), wanted);
    if (const auto name = text_of(params, "name"); !name.empty()) {
        std::erase_if(found.get_ref<json::array_t&>(), [&](const json& one) { return one["name"] != name; });
    }
    if (found.empty()) {
        auto error = make_error(
            reasons::not_found, fmt::format("{} is no endpoint of this site's rows", to_text(wanted))
        );
        error.field = "params.address";
        error.hint = "`report` lists them all";
        return std::unexpected(std::move(error));
    }
    return json{{"endpoints", std::move(found)}};
}

rpc_answer report_answer(const engine& work, const json& params)
{
    const report_selection select{text_of(params, "catalogue"), text_of(params, "requirement")};
    const bool narrowed = !select.catalogue.empty() || !select.requirement.empty();
    if (narrowed && rows_of(work.what(), select).empty()) {
        return std::unexpected(no_such_row(work.what(), select));
    }
    return present_report(work, select);
}

json progress_json(const engine& work, const std::vector<std::size_t>& rows, std::size_t done)
{
    return {
        {"kind", events::probe_asked.id},
        {"requirements_done", done},
        {"requirements", rows.size()},
        {"site_state", to_string(work.state().state)}
    };
}

// Row after row, so that progress can be told; the pacer spaces the probes, not this loop.
asio::awaitable<rpc_answer> probe_answer(command_context context, rpc_request request, control_caller caller)
{
    const auto work = context.present();
    const report_selection select{
        text_of(request.params, "catalogue"), text_of(request.params, "requirement")
    };
    const auto rows = rows_of(work->what(), select);
    if (rows.empty()) {
        co_return std::unexpected(no_such_row(work->what(), select));
    }
    for (std::size_t done = 0; done < rows.size(); ++done) {
        caller.notify("progress", progress_json(*work, rows, done));
        if (caller.gone()) {
            break;
        }
        std::vector<std::size_t> next(1, rows[done]); // GCC 12 has no braced list in a co_await
        co_await work->probe(std::move(next));
        if (work->stopped() && work == context.present()) {
            co_return std::unexpected(make_error(reasons::shutting_down, "the daemon ends"));
        }
        if (work->stopped()) {
            auto error = make_error(reasons::busy, "the files were read again while this was being measured");
            error.hint = "ask again";
            co_return std::unexpected(std::move(error));
        }
    }
    const bool may = co_await caller.turn();
    if (!may) {
        co_return std::unexpected(
            make_error(reasons::busy, "other clients have not taken their answers yet: ask again")
        );
    }
    if (caller.gone()) {
        co_return json::object(); // nobody hears it
    }
    co_return present_report(*work, select);
}

json faults_json(const file_faults& faults)
{
    json list = json::array();
    for (const auto& one : faults) {
        list.push_back({
            {"file", one.file},
            {"pointer", one.pointer},
            {"line", one.line},
            {"message", one.message},
            {"text", to_text(one)},
        });
    }
    return list;
}

asio::awaitable<rpc_answer> reload_answer(command_context context)
{
    auto outcome = co_await context.reload();
    if (!outcome) {
        auto error = make_error(reasons::rejected, to_text(outcome.error().front()));
        error.details = {{"faults", faults_json(outcome.error())}};
        error.hint = "what was in force stays; mend the files and reload again";
        co_return std::unexpected(std::move(error));
    }
    co_return json{{"reloaded", true}, {"requirements", *outcome}};
}

} // namespace

json present_health(const engine& work, const history_desk& history)
{
    auto out = health_report(work.what(), work.state(), wall_now(), stale_after(work.what()));
    out["history"] = history.describe();
    out["self"] = to_json(work.self().findings());
    return out;
}

json present_report(const engine& work, const report_selection& select)
{
    auto out = site_report(work.what(), work.state(), select, wall_now());
    const auto own = work.self().findings();
    out["self"] = to_json(own);
    for (const auto& one : own) {
        out["findings"].push_back("reachd itself: " + one.sentence);
    }
    return out;
}

json subscription_snapshot(const engine& work, const history_desk& history)
{
    json rows = json::array();
    for (std::size_t i = 0; i < work.what().rows.size(); ++i) {
        const auto& row = work.what().rows[i];
        const auto& state = work.state().rows[i];
        rows.push_back({
            {"catalogue", row.catalogue},
            {"requirement", row.id},
            {"state", to_string(state.state)},
            {"sentence", state.sentence},
        });
    }
    return {
        {"health", present_health(work, history)},
        {"requirements", std::move(rows)},
    };
}

asio::awaitable<rpc_answer> run_command(command_context context, rpc_request request, control_caller caller)
{
    const auto name = request.method->name;
    const auto work = context.present();
    if (name == "version") {
        co_return version_answer(context);
    }
    if (name == "methods") {
        co_return describe_methods();
    }
    if (name == "health") {
        co_return present_health(*work, *context.history);
    }
    if (name == "report") {
        co_return report_answer(*work, request.params);
    }
    if (name == "endpoint") {
        co_return endpoint_answer_of(*work, request.params);
    }
    if (name == "metrics") {
        co_return json{{"text", context.metrics()}};
    }
    if (name == "catalogues") {
        co_return json{{"catalogues", catalogues_answer(work->what())}};
    }
    if (name == "config") {
        co_return config_answer(work->what().config);
    }
    if (name == "history") {
        const auto whom = caller.access() == access_level::change ? asked_by::control : asked_by::status;
        co_return co_await history_answer(*context.history, work, std::move(request.params), whom);
    }
    if (name == "acknowledge") {
        const auto uid = caller.peer().uid;
        co_return co_await acknowledge_answer(*context.history, work, std::move(request.params), uid);
    }
    if (name == "probe") {
        co_return co_await probe_answer(std::move(context), std::move(request), std::move(caller));
    }
    if (name == "reload") {
        co_return co_await reload_answer(std::move(context));
    }
    co_return std::unexpected(make_error(reasons::internal, "the method has no implementation"));
}

} // namespace reachd
