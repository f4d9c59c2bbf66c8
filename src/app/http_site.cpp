// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/http_site.hpp"

#include "reachd/app/commands.hpp"
#include "reachd/app/http_page.hpp"
#include "reachd/app/process_metrics.hpp"
#include "reachd/core/report_then.hpp"
#include "reachd/core/site_metrics.hpp"
#include "reachd/core/site_report.hpp"
#include "reachd/net/deadline.hpp"
#include "reachd/net/wall_clock.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace reachd {

namespace asio = boost::asio;

namespace {

// Long enough that asking often costs the probes nothing, short enough that nobody notices.
constexpr seconds kept_for{1};
constexpr std::size_t most_kept = 64;
constexpr milliseconds takes_long{5}; // to make: of a few rows none does
constexpr int pause_factor = 10;      // a pause of ten times what the last one took
constexpr seconds longest_pause{5};

std::string word(const http_target& target, const char* name)
{
    const auto found = target.query.find(name);
    return found == target.query.end() ? "" : found->second;
}

http_response no_such_page()
{
    return plain_response(
        404, "there is no such page; there are / /health /alive /report /metrics /events /history"
    );
}

constexpr std::string_view row_prefix = "/row/";

// What an answer that may take long to make is kept under; "" for the small ones.
std::string name_of_large(const http_target& target)
{
    const auto& path = target.path;
    if (path == "/report") {
        return fmt::format("/report {} {}", word(target, "catalogue"), word(target, "requirement"));
    }
    return path == "/" || path == "/main" || path.starts_with(row_prefix) ? path : std::string{};
}

} // namespace

http_site::http_site(asio::any_io_executor executor, http_site_context context)
    : context_{std::move(context)},
      server_{
          std::move(executor),
          {},
          {.handle = [this](http_request request) { return handle(std::move(request)); },
           .snapshot = [this] { return context_.snapshot(); },
           .failed = context_.failed},
          fmt::format("{:x}", context_.started.time_since_epoch().count())
      }
{
}

result<std::optional<http_listener>> http_site::prepare(const http_config& wanted) const
{
    if (wanted.listen == listening_) {
        return std::nullopt;
    }
    if (wanted.listen.empty()) {
        return http_listener{};
    }
    auto bound = bind_http(wanted.listen);
    if (!bound) {
        return std::unexpected{bound.error()};
    }
    return std::move(*bound);
}

void http_site::apply(const http_config& wanted, std::optional<http_listener> prepared)
{
    made_.clear();
    server_.allow_hosts(wanted.hosts);
    if (prepared) {
        listening_ = wanted.listen;
        server_.listen(std::move(*prepared));
    }
}

void http_site::publish(const json& event)
{
    made_.clear();
    server_.publish(event);
}

asio::awaitable<std::size_t> http_site::stop(time_point deadline)
{
    const auto left = co_await server_.stop(deadline);
    co_return left;
}

// ---- answers

template <class Make>
http_response http_site::cached(const std::string& name, Make make)
{
    const auto now = steady::now();
    const auto found = made_.find(name);
    if (found != made_.end() && now - found->second.at < kept_for) {
        return found->second.answer;
    }
    if (made_.size() >= most_kept) {
        made_.clear();
    }
    auto answer = make();
    made_.insert_or_assign(name, made{answer, has_taken(now)});
    return answer;
}

// An answer that was begun then is made now.
time_point http_site::has_taken(time_point begun)
{
    const auto ended = steady::now();
    if (ended - begun > takes_long) {
        next_large_ = ended + std::min<duration>((ended - begun) * pause_factor, longest_pause);
    }
    return ended;
}

asio::awaitable<http_reply> http_site::handle(http_request request)
{
    const auto& path = request.target.path;
    if (path == "/events") {
        co_return http_stream{};
    }
    if (path == "/history") {
        auto found = co_await history(std::move(request.target));
        co_return found;
    }
    if ((path == "/" || path == "/main") && request.target.query.contains("at")) {
        auto then = co_await page_then(std::move(request.target));
        co_return then;
    }
    if (const auto name = name_of_large(request.target); !name.empty()) {
        co_await wait_turn(name);
    }
    co_return answer(request);
}

// Probes come first: after an answer that took long the next one waits, unless it is there already.
asio::awaitable<void> http_site::wait_turn(std::string name)
{
    while (steady::now() < next_large_) {
        const auto found = made_.find(name);
        if (found != made_.end() && steady::now() - found->second.at < kept_for) {
            co_return;
        }
        const bool awake = co_await sleep_until(next_large_);
        if (!awake) {
            co_return;
        }
    }
}

// The method's own front checks the parameters.
asio::awaitable<http_response> http_site::history(http_target target)
{
    json params = json::object();
    for (const auto& [name, text] : target.query) {
        // Digits alone: what nests deeply would cost the daemon its stack when it is written again.
        constexpr std::size_t most_digits = 9;
        const bool numeric = (name == "port" || name == "limit") && !text.empty() &&
                             text.size() <= most_digits &&
                             text.find_first_not_of("0123456789") == std::string::npos;
        params[name] = numeric ? json(std::stoul(text)) : json(text);
    }
    auto request = parse_request(encode_request(1, "history", std::move(params)), access_level::read);
    if (!request) {
        co_return plain_response(400, request.error().error.message);
    }
    auto handling = context_.history(std::move(request->params));
    auto answer = co_await std::move(handling);
    if (!answer) {
        const auto reason = answer.error().reason;
        co_return plain_response(
            reason == reasons::not_found.word           ? 404
            : reason == reasons::invalid_parameter.word ? 400
                                                        : 503,
            answer.error().message
        );
    }
    co_return json_response(200, *answer);
}

asio::awaitable<http_response> http_site::page_then(http_target target)
{
    const dashboard_view view{.version = context_.version, .at = word(target, "at")};
    http_target question{.path = "/history", .query = {{"at", view.at}}};
    auto found = co_await history(std::move(question));
    if (found.status != 200) {
        co_return found;
    }
    co_await wait_turn({});
    const auto begun = steady::now();
    const auto& work = context_.present();
    auto present = present_report(work, {.detail = report_detail::runs});
    const auto report = report_then(std::move(present), json::parse(*found.body));
    auto out = target.path == "/" ? dashboard_page(report, view) : dashboard_main(report, view);
    has_taken(begun);
    co_return out;
}

http_response http_site::answer(const http_request& request)
{
    const auto& path = request.target.path;
    if (path == "/alive") {
        return plain_response(200, "alive");
    }
    if (path == "/health") {
        return cached(path, [this] { return health(); });
    }
    if (path == "/report") {
        return report(request.target);
    }
    if (path == "/metrics") {
        return cached(path, [this] {
            http_response out{.type = exposition_type};
            out.body = std::make_shared<const std::string>(metrics());
            return out;
        });
    }
    return page(request.target);
}

// The dashboard: its page, the parts that its script asks for, its files.
http_response http_site::page(const http_target& target)
{
    const auto& path = target.path;
    const auto make = [&](auto render) {
        return cached(path, [&] {
            const auto& work = context_.present();
            return render(present_report(work, {}));
        });
    };
    const dashboard_view view{.version = context_.version};
    if (path == "/") {
        return make([&](const json& report) { return dashboard_page(report, view); });
    }
    if (path == "/main") {
        return make([&](const json& report) { return dashboard_main(report, view); });
    }
    if (auto file = dashboard_file(path)) {
        return std::move(*file);
    }
    if (auto found = row(path)) {
        return std::move(*found);
    }
    return no_such_page();
}

// "/row/CATALOGUE/REQUIREMENT"; nullopt for any other path.
std::optional<http_response> http_site::row(const std::string& path)
{
    const auto slash = path.find('/', row_prefix.size());
    if (!path.starts_with(row_prefix) || slash == std::string::npos) {
        return std::nullopt;
    }
    report_selection select;
    select.catalogue = path.substr(row_prefix.size(), slash - row_prefix.size());
    select.requirement = path.substr(slash + 1);
    const auto& work = context_.present();
    if (rows_of(work.what(), select).empty()) {
        return std::nullopt; // nothing to keep
    }
    return cached(path, [&] {
        const auto report = present_report(work, select);
        return dashboard_row(report, select.catalogue, select.requirement).value_or(no_such_page());
    });
}

// Only what is proven is 200: who needs to tell "not ready" from "unproven" reads `state`.
http_response http_site::health() const
{
    const auto answer = context_.health();
    const bool good = answer["state"] == to_string(site_answer::ready) && !answer["stale"].get<bool>();
    return json_response(good ? 200 : 503, answer);
}

http_response http_site::report(const http_target& target)
{
    const report_selection select{word(target, "catalogue"), word(target, "requirement")};
    return cached(name_of_large(target), [&] {
        const auto& work = context_.present();
        auto what = present_report(work, select);
        const bool none = what["catalogues"].empty() && !(select.catalogue + select.requirement).empty();
        return none ? plain_response(404, "no requirement is named so") : json_response(200, what);
    });
}

// ---- metrics

void http_site::write_clients(exposition& out) const
{
    const auto& control = context_.sockets();
    const auto& http = server_.counters();
    const auto count = [](std::uint64_t value) { return static_cast<double>(value); };
    const auto counter = [&](const char* name, const char* help, std::uint64_t value) {
        out.family(name, metric_type::counter, help);
        out.sample(count(value));
    };
    out.family("reachd_control_connections", metric_type::gauge, "Clients of the control sockets.");
    out.sample({{"socket", "control"}}, count(control.connections(access_level::change)));
    out.sample({{"socket", "status"}}, count(control.connections(access_level::read)));
    out.family("reachd_control_subscriptions", metric_type::gauge, "Subscribers of the control sockets.");
    out.sample(count(control.subscriptions()));
    counter(
        "reachd_control_connections_total", "Connections to the control sockets.",
        control.counters().connections
    );
    counter("reachd_control_requests_total", "Requests on the control sockets.", control.counters().requests);
    out.family(
        "reachd_control_refused_total", metric_type::counter, "Refusals on the control sockets, by reason."
    );
    for (const auto& [reason, refused] : control.counters().rejected) {
        out.sample({{"reason", reason}}, count(refused));
    }
    counter(
        "reachd_control_events_lost_total", "Events that slow subscribers did not get.",
        control.counters().lost
    );
    out.family("reachd_http_connections", metric_type::gauge, "HTTP connections.");
    out.sample(count(server_.connections()));
    out.family("reachd_http_streams", metric_type::gauge, "HTTP clients that follow the events.");
    out.sample(count(server_.streams()));
    counter("reachd_http_connections_total", "HTTP connections since the start.", http.connections);
    out.family("reachd_http_responses_total", metric_type::counter, "HTTP answers, by status code.");
    for (const auto& [status, answers] : http.answers) {
        out.sample({{"code", fmt::format("{}", status)}}, count(answers));
    }
    out.family("reachd_http_refused_total", metric_type::counter, "Refusals over HTTP, by reason.");
    for (const auto& [reason, refused] : http.refused) {
        out.sample({{"reason", reason}}, count(refused));
    }
    counter("reachd_http_events_lost_total", "Events that slow readers did not get.", http.lost);
    counter("reachd_http_stalled_total", "Connections closed as their client took too little.", http.stalled);
    counter("reachd_http_evicted_total", "Idle connections closed to make room.", http.evicted);
}

void http_site::write_self(exposition& out) const
{
    const auto& self = context_.present().self();
    const auto now = self.findings();
    const auto index = [](self_trouble what) { return static_cast<std::size_t>(what); };
    out.family(
        "reachd_event_loop_lag_seconds", metric_type::histogram,
        "How late the event loop was, looked at four times a second."
    );
    lag_.write(out);
    out.family(
        "reachd_self_trouble", metric_type::gauge,
        "Whether the daemon has this trouble of its own now: 1 or 0."
    );
    for (const auto what : all_self_troubles) {
        const bool present = std::ranges::find(now, what, &self_finding::what) != now.end();
        out.sample({{"trouble", to_string(what)}}, present ? 1 : 0);
    }
    out.family("reachd_self_troubles_total", metric_type::counter, "How often such a trouble began.");
    for (const auto what : all_self_troubles) {
        out.sample({{"trouble", to_string(what)}}, static_cast<double>(self.counts().begun[index(what)]));
    }
    out.family(
        "reachd_probes_voided_total", metric_type::counter,
        "Silences that did not count, as the daemon itself stood still."
    );
    out.sample(static_cast<double>(self.counts().voided));
}

void http_site::write_history(exposition& out) const
{
    const auto history = context_.health()["history"];
    out.family("reachd_history_available", metric_type::gauge, "Whether the history can be written: 1 or 0.");
    out.sample(history["state"] == "kept" ? 1 : 0);
    if (history.contains("bytes")) {
        out.family("reachd_history_size_bytes", metric_type::gauge, "The history's file.");
        out.sample(history["bytes"].get<double>());
        out.family(
            "reachd_history_lost_total", metric_type::counter,
            "Entries that could not be written and were given up."
        );
        out.sample(history["lost"].get<double>());
    }
}

std::string http_site::metrics() const
{
    exposition out;
    out.family("reachd_build_info", metric_type::gauge, "The version that runs.");
    out.sample({{"version", context_.version}}, 1);
    const auto& work = context_.present();
    write_site_metrics(out, work.what(), work.state());
    write_self(out);
    write_history(out);
    write_clients(out);
    write_process_metrics(out);
    return out.text();
}

} // namespace reachd
