// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/control.hpp"

#include "reachd/core/address.hpp"
#include "reachd/core/time_text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace reachd {
namespace {

constexpr parameter_info catalogue_parameter{"catalogue", "only this catalogue's rows"};
constexpr parameter_info requirement_parameter{"requirement", "only this row: an id, or catalogue/id"};

constexpr std::array methods{
    method_info{"version", access_level::read, "1.0", "what runs here, and since when"},
    method_info{"methods", access_level::read, "1.0", "this table"},
    method_info{"health", access_level::read, "1.0", "the site's state in a few words, for pollers"},
    method_info{
        "report",
        access_level::read,
        "1.0",
        "the whole site report",
        {catalogue_parameter, requirement_parameter}
    },
    method_info{
        "endpoint",
        access_level::read,
        "1.0",
        "one endpoint with its evidence",
        {parameter_info{"address", "an IP address", parameter_kind::address, presence::required},
         parameter_info{"port", "a port", parameter_kind::port, presence::required},
         parameter_info{"transport", "tcp or udp", parameter_kind::transport, presence::required},
         parameter_info{"name", "only where it was reached under this host name"}}
    },
    method_info{
        "history",
        access_level::read,
        "1.0",
        "what changed and what was measured, newest first; or the site as it was",
        {parameter_info{"what", "changes, samples, outages, availability or addresses; changes by default"},
         catalogue_parameter, requirement_parameter,
         parameter_info{"address", "only this address", parameter_kind::address},
         parameter_info{"port", "only this port", parameter_kind::port},
         parameter_info{"transport", "only tcp or only udp", parameter_kind::transport},
         parameter_info{"kinds", "only these kinds of changes, with commas between"},
         parameter_info{"from", "not before this time", parameter_kind::moment},
         parameter_info{"to", "before this time", parameter_kind::moment},
         parameter_info{"at", "the site as it was at this time", parameter_kind::moment},
         parameter_info{"limit", "entries of one page; 100 by default", parameter_kind::count},
         parameter_info{"cursor", "the `next` of the page before"}}
    },
    method_info{"subscribe", access_level::read, "1.0", "the present state, then every change as it happens"},
    method_info{"metrics", access_level::read, "1.0", "everything as Prometheus's text format"},
    method_info{"catalogues", access_level::read, "1.0", "the catalogues in force"},
    method_info{"config", access_level::read, "1.0", "the configuration in force, secrets left out"},
    method_info{
        "probe",
        access_level::change,
        "1.0",
        "probes rows now; progress comes as notifications",
        {catalogue_parameter, requirement_parameter}
    },
    method_info{
        "acknowledge",
        access_level::change,
        "1.0",
        "attaches a note to a failing row until it recovers",
        {parameter_info{
             "requirement", "the row: an id, or catalogue/id", parameter_kind::text, presence::required
         },
         parameter_info{"note", "what to say of it; without one the note is taken away"},
         parameter_info{"by", "who says so; the user of the connection by default"}}
    },
    method_info{"reload", access_level::change, "1.0", "reads the files again; faulty files change nothing"},
};

constexpr std::array all_reasons{
    reasons::malformed,
    reasons::not_utf8,
    reasons::too_deep,
    reasons::duplicate_key,
    reasons::invalid_request,
    reasons::batch,
    reasons::unknown_method,
    reasons::unknown_parameter,
    reasons::missing_parameter,
    reasons::invalid_parameter,
    reasons::internal,
    reasons::too_large,
    reasons::too_slow,
    reasons::too_many_connections,
    reasons::forbidden,
    reasons::too_many_subscriptions,
    reasons::already_subscribed,
    reasons::shutting_down,
    reasons::not_found,
    reasons::rejected,
    reasons::busy,
    reasons::not_failing,
    reasons::no_history,
};

constexpr std::int64_t most_port = 65535;

// "did you mean 'x'?" or "known: a, b", without what joins it to a sentence.
std::string hint_for(std::string_view word, const std::vector<std::string_view>& known)
{
    const auto hint = suggestion(word, known);
    return hint.starts_with("; ") ? hint.substr(2) : hint;
}

rpc_error error_at(const reason_info& why, std::string field, std::string message, std::string hint = {})
{
    auto error = make_error(why, std::move(message));
    error.field = std::move(field);
    error.hint = std::move(hint);
    return error;
}

// json.hpp tells these apart in words only; control_test.cpp pins the words.
const reason_info& reason_of(const file_fault& fault)
{
    const std::string_view words = fault.message;
    if (words.starts_with("nested deeper")) {
        return reasons::too_deep;
    }
    if (fault.code == errc::invalid && words.starts_with("the key ")) {
        return reasons::duplicate_key;
    }
    return words.ends_with("is not UTF-8") ? reasons::not_utf8 : reasons::malformed;
}

// The members of a request that are not its parameters.
std::optional<rpc_error> envelope_fault(const json& object)
{
    static const std::vector<std::string_view> known = {"jsonrpc", "id", "method", "params"};
    const auto version = object.find("jsonrpc");
    if (version == object.end() || *version != "2.0") {
        return error_at(
            reasons::invalid_request, "jsonrpc", "a request must have \"jsonrpc\": \"2.0\"",
            R"(for example {"jsonrpc":"2.0","id":1,"method":"health"})"
        );
    }
    for (const auto& [key, unused] : object.items()) {
        if (std::ranges::find(known, key) == known.end()) {
            return error_at(
                reasons::invalid_request, key, fmt::format("a request has no member {}", in_quotes(key)),
                hint_for(key, known)
            );
        }
    }
    const auto method = object.find("method");
    if (method == object.end() || !method->is_string()) {
        return error_at(reasons::invalid_request, "method", "a request must have \"method\", a text");
    }
    return std::nullopt;
}

std::optional<std::string> text_fault(const json& value)
{
    if (!value.is_string()) {
        return "must be a text";
    }
    const auto& text = value.get_ref<const std::string&>();
    if (text.empty() || text.size() > max_text_bytes) {
        return fmt::format("must have 1 to {} bytes", max_text_bytes);
    }
    if (has_control_character(text)) {
        return "must not have control characters";
    }
    return std::nullopt;
}

std::optional<std::string> value_fault(const parameter_info& parameter, const json& value)
{
    if (parameter.kind == parameter_kind::port) {
        const bool in_range = value.is_number_unsigned() && value >= 1 && value <= most_port;
        return in_range ? std::nullopt
                        : std::optional{fmt::format("must be a whole number, 1 to {}", most_port)};
    }
    if (parameter.kind == parameter_kind::count) {
        const bool in_range = value.is_number_unsigned() && value >= 1 && value <= most_count;
        return in_range ? std::nullopt
                        : std::optional{fmt::format("must be a whole number, 1 to {}", most_count)};
    }
    if (auto fault = text_fault(value)) {
        return fault;
    }
    const auto& text = value.get_ref<const std::string&>();
    if (parameter.kind == parameter_kind::address && !parse_address(text)) {
        return fmt::format("must be an IP address, not {}", in_quotes(text));
    }
    if (parameter.kind == parameter_kind::transport && !parse_transport(text)) {
        return fmt::format("must be 'tcp' or 'udp', not {}", in_quotes(text));
    }
    if (parameter.kind == parameter_kind::moment && !parse_time(text)) {
        return fmt::format(
            "must be a time with its zone as in 2026-11-21T14:05:00Z, not {}", in_quotes(text)
        );
    }
    return std::nullopt;
}

std::optional<rpc_error> parameters_fault(const method_info& method, const json& params)
{
    if (!params.is_object()) {
        return error_at(reasons::invalid_parameter, "params", "params must be an object of named parameters");
    }
    std::vector<std::string_view> known;
    for (const auto& parameter : method.parameters()) {
        known.push_back(parameter.name);
    }
    for (const auto& [key, unused] : params.items()) {
        if (std::ranges::find(known, key) == known.end()) {
            return error_at(
                reasons::unknown_parameter, "params." + key,
                fmt::format("'{}' has no parameter {}", method.name, in_quotes(key)),
                known.empty() ? "it has none at all" : hint_for(key, known)
            );
        }
    }
    for (const auto& parameter : method.parameters()) {
        const auto field = fmt::format("params.{}", parameter.name);
        const auto value = params.find(std::string{parameter.name});
        if (value == params.end()) {
            if (parameter.presence == presence::required) {
                auto message = fmt::format("'{}' needs the parameter '{}'", method.name, parameter.name);
                return error_at(
                    reasons::missing_parameter, field, std::move(message), std::string{parameter.help}
                );
            }
        } else if (const auto fault = value_fault(parameter, *value)) {
            return error_at(
                reasons::invalid_parameter, field, fmt::format("'{}' {}", parameter.name, *fault)
            );
        }
    }
    return std::nullopt;
}

rpc_error unknown_method(std::string_view name)
{
    std::vector<std::string_view> known;
    for (const auto& one : methods) {
        known.push_back(one.name);
    }
    auto message = fmt::format("there is no method {}", in_quotes(name));
    return error_at(reasons::unknown_method, "method", std::move(message), hint_for(name, known));
}

rpc_error forbidden(const method_info& method)
{
    return error_at(
        reasons::forbidden, "method",
        fmt::format("'{}' changes something and is served on control.sock only", method.name),
        "use control.sock, which the members of its group may open"
    );
}

// Checks a request whose id and kind are known; answers what is wrong with the rest.
std::optional<rpc_error> complete(rpc_request& request, const json& object, access_level granted)
{
    if (auto fault = envelope_fault(object)) {
        return fault;
    }
    const auto& name = object.at("method").get_ref<const std::string&>();
    request.method = find_method(name);
    if (request.method == nullptr) {
        return unknown_method(name);
    }
    if (request.method->access == access_level::change && granted == access_level::read) {
        return forbidden(*request.method);
    }
    if (const auto params = object.find("params"); params != object.end()) {
        request.params = *params;
    }
    return parameters_fault(*request.method, request.params);
}

std::string line_of(json&& message)
{
    message["jsonrpc"] = "2.0";
    return dump(message) + '\n';
}

} // namespace

const char* to_string(access_level value)
{
    switch (value) {
    case access_level::read: return "read";
    case access_level::change: return "change";
    }
    return "?";
}

const char* to_string(parameter_kind value)
{
    switch (value) {
    case parameter_kind::text: return "text";
    case parameter_kind::address: return "address";
    case parameter_kind::port: return "port";
    case parameter_kind::transport: return "transport";
    case parameter_kind::moment: return "moment";
    case parameter_kind::count: return "count";
    }
    return "?";
}

std::span<const parameter_info> method_info::parameters() const
{
    const auto used = std::ranges::find_if(places, &std::string_view::empty, &parameter_info::name);
    return std::span{places}.first(static_cast<std::size_t>(used - places.begin()));
}

std::span<const method_info> control_methods()
{
    return methods;
}

std::span<const reason_info> control_reasons()
{
    return all_reasons;
}

const method_info* find_method(std::string_view name)
{
    const auto found = std::ranges::find(methods, name, &method_info::name);
    return found == methods.end() ? nullptr : &*found;
}

json describe_methods()
{
    auto list = json::array();
    for (const auto& method : methods) {
        auto parameters = json::array();
        for (const auto& one : method.parameters()) {
            parameters.push_back(
                {{"name", one.name},
                 {"kind", to_string(one.kind)},
                 {"required", one.presence == presence::required},
                 {"help", one.help}}
            );
        }
        list.push_back(
            {{"name", method.name},
             {"access", to_string(method.access)},
             {"since", method.since},
             {"help", method.help},
             {"params", std::move(parameters)}}
        );
    }
    return {{"protocol", protocol_version}, {"methods", std::move(list)}};
}

rpc_error make_error(const reason_info& why, std::string message)
{
    rpc_error error;
    error.code = why.code;
    error.reason = why.word;
    error.message = std::move(message);
    return error;
}

std::expected<rpc_request, refusal> parse_request(std::string_view line, access_level granted)
{
    const auto document = parse_json(line, "request", comments::refused);
    if (!document) {
        const auto& fault = document.error().front();
        return std::unexpected{refusal{.error = make_error(reason_of(fault), fault.message)}};
    }
    const auto& object = document->value;
    if (object.is_array()) {
        auto error = make_error(reasons::batch, "batches are not supported");
        error.hint = "send the requests one a line; several may be under way at once";
        return std::unexpected{refusal{.error = std::move(error)}};
    }
    if (!object.is_object()) {
        return std::unexpected{
            refusal{.error = make_error(reasons::invalid_request, "a request is an object")}
        };
    }
    rpc_request request;
    if (const auto id = object.find("id"); id == object.end()) {
        request.answer = answer_wanted::no;
    } else if (id->is_string() || id->is_number() || id->is_null()) {
        request.id = *id;
    } else {
        auto error = error_at(reasons::invalid_request, "id", "an id is a text, a number or null");
        return std::unexpected{refusal{.error = std::move(error)}};
    }
    if (auto error = complete(request, object, granted)) {
        // Without a valid envelope it is no notification either: JSON-RPC 2.0 section 5.1 answers null.
        const bool silent =
            request.answer == answer_wanted::no && error->reason != reasons::invalid_request.word;
        return std::unexpected{
            refusal{request.id, silent ? answer_wanted::no : answer_wanted::yes, std::move(*error)}
        };
    }
    return request;
}

std::string encode_result(json id, json result)
{
    auto message = json::object();
    message["id"] = std::move(id);
    message["result"] = std::move(result);
    return line_of(std::move(message));
}

std::string encode_error(json id, const rpc_error& error)
{
    auto data = error.details.is_object() ? error.details : json::object();
    data["reason"] = error.reason;
    if (!error.field.empty()) {
        data["field"] = error.field;
    }
    if (!error.hint.empty()) {
        data["hint"] = error.hint;
    }
    auto message = json::object();
    message["id"] = std::move(id);
    message["error"] = {{"code", error.code}, {"message", error.message}, {"data", std::move(data)}};
    return line_of(std::move(message));
}

std::string encode_notification(std::string_view method, json params)
{
    auto message = json::object();
    message["method"] = method;
    message["params"] = std::move(params);
    return line_of(std::move(message));
}

std::string encode_request(json id, std::string_view method, json params)
{
    auto message = json::object();
    message["id"] = std::move(id);
    message["method"] = method;
    message["params"] = std::move(params);
    return line_of(std::move(message));
}

std::optional<rpc_error> decode_error(const json& error)
{
    const auto text_in = [](const json& object, const char* key) {
        const auto found = object.find(key);
        return found != object.end() && found->is_string() ? found->get<std::string>() : std::string{};
    };
    const bool complete = error.is_object() && error.contains("code") && error["code"].is_number_integer() &&
                          error.contains("message") && error["message"].is_string();
    if (!complete) {
        return std::nullopt;
    }
    rpc_error out;
    constexpr std::int64_t far = 1'000'000; // beyond every code there is
    out.code = static_cast<int>(std::clamp(error["code"].get<std::int64_t>(), -far, far));
    out.message = text_in(error, "message");
    if (const auto data = error.find("data"); data != error.end() && data->is_object()) {
        out.reason = text_in(*data, "reason");
        out.field = text_in(*data, "field");
        out.hint = text_in(*data, "hint");
        out.details = *data;
        for (const auto* known : {"reason", "field", "hint"}) {
            out.details.erase(known);
        }
        if (out.details.empty()) {
            out.details = nullptr;
        }
    }
    return out;
}

} // namespace reachd
