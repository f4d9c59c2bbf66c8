// SPDX-License-Identifier: Apache-2.0
#include "catalogue_fields.hpp"
#include "reachd/core/catalogue.hpp"
#include "reachd/core/json.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <set>
#include <utility>

namespace reachd {
namespace {

constexpr std::int64_t max_hold_s = 86400; // RFC 5382 REQ-5 asks 2 h 4 min of a NAT; a day is ample

constexpr auto outbound_keys = {"transport", "destinations",    "ports",     "expect",
                                "names",     "private_answers", "payload",   "expect_reply",
                                "tls_ports", "tls_names",       "tls_roots", "fallback_ports"};
constexpr const char* the_kinds = "'destinations' (with 'ports' and 'transport'), 'idle' and 'inbound'";

// "{signaling_port}" -> "signaling_port"
std::optional<std::string> reference_name(std::string_view text)
{
    if (text.size() > 2 && text.front() == '{' && text.back() == '}') {
        return std::string{text.substr(1, text.size() - 2)};
    }
    return std::nullopt;
}

bool is_value_name(std::string_view text)
{
    return text.size() <= 64 && !text.empty() && text.front() >= 'a' && text.front() <= 'z' &&
           std::ranges::all_of(text, [](char byte) {
               return (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '_';
           });
}

template <class Enum>
Enum read_word(object_reader& reader, std::string_view key, std::initializer_list<Enum> words, Enum absent)
{
    const auto text = reader.text(key);
    if (!text) {
        return absent;
    }
    std::string allowed;
    for (const auto word : words) {
        if (*text == to_string(word)) {
            return word;
        }
        allowed += fmt::format("{}'{}'", allowed.empty() ? "" : ", ", to_string(word));
    }
    reader.fault(key, fmt::format("must be one of {}, not {}", allowed, in_quotes(*text)));
    return absent;
}

transport read_transport(object_reader& reader)
{
    reader.require("transport", "'tcp' or 'udp'");
    return read_word(reader, "transport", {transport::tcp, transport::udp}, transport::tcp);
}

std::optional<std::string> read_id(object_reader& reader)
{
    reader.require("id", "small letters, digits and '-'");
    auto id = reader.text("id");
    if (id && !is_id(*id)) {
        reader.fault(
            "id", fmt::format("must be small letters, digits and '-', 64 at most, not {}", in_quotes(*id))
        );
        return std::nullopt;
    }
    return id;
}

class catalogue_parser {
public:
    catalogue read(object_reader root);

private:
    void read_values(object_reader root);
    site_value read_value(object_reader reader);
    requirement read_requirement(object_reader& reader);
    outbound read_outbound(object_reader& reader);
    std::vector<std::variant<destination, value_ref>> read_destinations(object_reader& reader);
    std::variant<port_set, value_ref> read_ports(object_reader& reader);
    void check_block(object_reader& reader, const outbound& row);
    idle_timer read_idle(object_reader reader);
    inbound read_inbound(object_reader reader);
    void check_over(object_reader reader, const idle_timer& timer);
    std::optional<std::string> reference_fault(const std::string& name, bool to_ports) const;

    catalogue result_;
};

catalogue catalogue_parser::read(object_reader root)
{
    root.allow({"id", "title", "document", "contact", "values", "requirements"});
    result_.id = read_id(root).value_or("");
    result_.title = root.text("title").value_or(result_.id);
    result_.contact = root.text("contact").value_or("");
    if (root.has("document")) {
        auto document = root.child("document");
        document.allow({"title", "revised", "note"});
        result_.document = {
            .title = document.text("title").value_or(""),
            .revised = document.text("revised").value_or(""),
            .note = document.text("note").value_or("")
        };
    }
    read_values(root);

    root.require("requirements", "the rows of the document");
    auto rows = root.children("requirements");
    if (const auto* raw = root.member("requirements"); raw != nullptr && raw->is_array() && raw->empty()) {
        root.fault("requirements", "must not be empty");
    }
    if (rows.size() > max_requirements) {
        root.fault(
            "requirements", fmt::format("must have at most {} entries, not {}", max_requirements, rows.size())
        );
        return std::move(result_);
    }
    std::set<std::string> ids;
    for (auto& row : rows) {
        result_.requirements.push_back(read_requirement(row));
        const auto& id = result_.requirements.back().id;
        if (!id.empty() && !ids.insert(id).second) {
            row.fault("id", fmt::format("{} is the id of an earlier requirement", in_quotes(id)));
        }
    }
    for (std::size_t index = 0; index < rows.size(); ++index) { // only now every id is known
        if (const auto* timer = std::get_if<idle_timer>(&result_.requirements[index].what)) {
            check_over(rows[index].child("idle"), *timer);
        }
    }
    return std::move(result_);
}

void catalogue_parser::read_values(object_reader root)
{
    if (!root.has("values")) {
        return;
    }
    auto values = root.child("values");
    for (const auto& [name, unused] : values.value().items()) {
        if (!is_value_name(name)) {
            constexpr auto form = "the name of a value is small letters, digits and '_', not {}";
            values.fault(name, fmt::format(form, in_quotes(name)));
        }
        result_.values[name] = read_value(values.child(name));
    }
    for (const auto& [name, value] : result_.values) { // only now every name is known
        const auto other =
            value.type == value_type::addresses ? reference_name(value.default_text) : std::nullopt;
        const auto found = other ? result_.values.find(std::string{*other}) : result_.values.end();
        if (other && (found == result_.values.end() || found->second.type != value_type::addresses ||
                      !found->second.default_text.empty())) {
            values.child(name).fault(
                "default",
                fmt::format(
                    "{} is no value of type addresses without a default of its own", in_quotes(*other)
                )
            );
        }
    }
}

site_value catalogue_parser::read_value(object_reader reader)
{
    reader.allow({"type", "default", "about", "ask"});
    reader.require("type", "'port', 'ports' or 'addresses'");
    site_value value;
    const auto types = {value_type::port, value_type::ports, value_type::addresses};
    value.type = read_word(reader, "type", types, value_type::addresses);
    value.about = reader.text("about").value_or("");
    value.ask = reader.text("ask").value_or("");
    const auto* type = reader.member("type");
    if (!reader.has("default") || type == nullptr || *type != to_string(value.type)) {
        return value; // without a type there is nothing to hold a default against
    }
    switch (value.type) {
    case value_type::port:
        if (const auto port = reader.integer("default", 1, 65535)) {
            value.default_text = fmt::format("{}", *port);
        }
        break;
    case value_type::ports:
        if (const auto text = reader.text("default")) {
            if (const auto wrong = value_fault(value_type::ports, *text)) {
                reader.fault("default", *wrong);
            }
            value.default_text = *text;
        }
        break;
    case value_type::addresses:
        // Addresses are for the site to fill in; all that may hold instead is another such value.
        if (const auto text = reader.text("default"); text && reference_name(*text)) {
            value.default_text = *text;
        } else if (text) {
            reader.fault(
                "default", "addresses have no default but another value, as in \"{signaling_primary}\""
            );
        }
        break;
    }
    return value;
}

requirement catalogue_parser::read_requirement(object_reader& reader)
{
    reader.allow(
        {"id", "about", "role", "note", "ask", "transport", "destinations", "ports", "expect", "names",
         "private_answers", "payload", "expect_reply", "tls_ports", "tls_names", "tls_roots",
         "fallback_ports", "idle", "inbound"}
    );
    requirement row;
    row.id = read_id(reader).value_or("");
    row.about = reader.text("about").value_or(row.id);
    row.note = reader.text("note").value_or("");
    row.ask = reader.text("ask").value_or("");
    row.role = read_word(reader, "role", {role::primary, role::disaster_recovery}, role::primary);

    const auto stray = std::ranges::find_if(outbound_keys, [&](const char* key) { return reader.has(key); });
    const bool has_outbound = stray != outbound_keys.end();
    const bool has_idle = reader.has("idle");
    const bool has_inbound = reader.has("inbound");
    if (has_idle && has_inbound) {
        reader.fault("", fmt::format("must have only one of {}, not both 'idle' and 'inbound'", the_kinds));
    } else if ((has_idle || has_inbound) && has_outbound) {
        const auto* kind = has_idle ? "idle" : "inbound";
        reader.fault(
            "", fmt::format("must have only one of {}, not both '{}' and '{}'", the_kinds, *stray, kind)
        );
    } else if (!has_idle && !has_inbound && !has_outbound) {
        reader.fault("", fmt::format("must have one of {}", the_kinds));
    }
    if (has_idle) {
        row.what = read_idle(reader.child("idle"));
    } else if (has_inbound) {
        row.what = read_inbound(reader.child("inbound"));
    } else if (has_outbound) {
        row.what = read_outbound(reader);
    }
    return row;
}

outbound catalogue_parser::read_outbound(object_reader& reader)
{
    outbound row;
    row.transport = read_transport(reader);
    row.destinations = read_destinations(reader);
    row.ports = read_ports(reader);
    const auto words = {expectation::service, expectation::path, expectation::blocked};
    row.expect = read_word(reader, "expect", words, expectation::service);
    row.names = read_host_names(reader, "names");
    row.private_answers = reader.boolean("private_answers").value_or(false);
    row.payload = read_payload(reader, "payload", row.transport);
    row.expect_reply = read_payload(reader, "expect_reply", row.transport);
    read_tls(reader, row);
    check_block(reader, row);
    return row;
}

std::vector<std::variant<destination, value_ref>> catalogue_parser::read_destinations(object_reader& reader)
{
    std::vector<std::variant<destination, value_ref>> all;
    reader.require("destinations", "addresses, blocks, host names or '{value}'");
    const auto texts = read_list(reader, "destinations", max_destinations);
    for (std::size_t index = 0; index < texts.size(); ++index) {
        if (const auto name = reference_name(texts[index])) {
            if (const auto wrong = reference_fault(*name, false)) {
                reader.fault_at("destinations", index, *wrong);
            }
            all.emplace_back(value_ref{*name});
        } else if (const auto wrong = destination_fault(texts[index])) {
            reader.fault_at("destinations", index, *wrong);
        } else {
            all.emplace_back(*parse_destination(texts[index]));
        }
    }
    return all;
}

std::variant<port_set, value_ref> catalogue_parser::read_ports(object_reader& reader)
{
    reader.require("ports", "a port, a list like \"80,2001-2500\" or \"{value}\"");
    const auto* raw = reader.member("ports");
    if (raw == nullptr) {
        return port_set{};
    }
    if (raw->is_number()) {
        const auto port = reader.integer("ports", 1, 65535);
        return port ? make_port_set({static_cast<std::uint16_t>(*port)}) : port_set{};
    }
    if (!raw->is_string()) {
        reader.fault("ports", "must be a port as a number, or text like \"80,2001-2500\" or \"{value}\"");
        return port_set{};
    }
    const auto text = reader.text("ports");
    if (!text) {
        return port_set{};
    }
    if (const auto name = reference_name(*text)) {
        if (const auto wrong = reference_fault(*name, true)) {
            reader.fault("ports", *wrong);
        }
        return value_ref{*name};
    }
    if (const auto wrong = value_fault(value_type::ports, *text)) {
        reader.fault("ports", *wrong);
    }
    return parse_ports(*text).value_or(port_set{});
}

void catalogue_parser::check_block(object_reader& reader, const outbound& row)
{
    const auto is_block = [](const auto& entry) {
        const auto* where = std::get_if<destination>(&entry);
        return where != nullptr && std::holds_alternative<ip_block>(*where);
    };
    const auto found = std::ranges::find_if(row.destinations, is_block);
    if (found == row.destinations.end()) {
        if (reader.has("names")) {
            reader.fault("names", "goes with a block; a host name alone belongs in 'destinations'");
        }
    } else if (row.expect != expectation::path) {
        reader.fault(
            reader.has("expect") ? "expect" : "",
            fmt::format(
                "'expect' must be 'path' for the block {}, not '{}': samples prove that the way is free, "
                "not that something answers",
                to_text(std::get<destination>(*found)), to_string(row.expect)
            )
        );
    }
}

idle_timer catalogue_parser::read_idle(object_reader reader)
{
    reader.allow({"transport", "hold_s", "over"});
    idle_timer timer;
    timer.transport = read_transport(reader);
    reader.require("hold_s", "the seconds that an idle flow must be kept");
    timer.hold = std::chrono::seconds{reader.integer("hold_s", 1, max_hold_s).value_or(1)};
    const auto* over = reader.member("over");
    const bool empty = over != nullptr && over->is_array() && over->empty(); // as good as absent
    timer.over = empty ? std::vector<std::string>{} : read_list(reader, "over", max_requirements);
    return timer;
}

void catalogue_parser::check_over(object_reader reader, const idle_timer& timer)
{
    std::vector<std::string_view> known;
    for (const auto& row : result_.requirements) {
        const auto* flows = std::get_if<outbound>(&row.what);
        if (flows != nullptr && flows->transport == timer.transport && !row.id.empty()) {
            known.push_back(row.id);
        }
    }
    for (std::size_t index = 0; index < timer.over.size(); ++index) {
        const auto& id = timer.over[index];
        if (std::ranges::find(known, id) == known.end()) {
            const auto message = fmt::format(
                "{} is not the id of a {} requirement with destinations here{}", in_quotes(id),
                to_string(timer.transport), suggestion(id, known)
            );
            reader.fault_at("over", index, message);
        }
    }
}

inbound catalogue_parser::read_inbound(object_reader reader)
{
    reader.allow({"transport", "sources", "service"});
    inbound row;
    row.transport = read_transport(reader);
    row.service = reader.text("service").value_or("");
    reader.require("sources", "the addresses that may connect to the site");
    const auto texts = read_list(reader, "sources", max_destinations);
    for (std::size_t index = 0; index < texts.size(); ++index) {
        if (const auto address = parse_address(texts[index])) {
            row.sources.push_back(*address);
        } else {
            reader.fault_at("sources", index, fmt::format("{} is not an address", in_quotes(texts[index])));
        }
    }
    return row;
}

// Why "{name}" cannot stand where ports (or else a destination) must, or nullopt.
std::optional<std::string> catalogue_parser::reference_fault(const std::string& name, bool to_ports) const
{
    const auto found = result_.values.find(name);
    if (found == result_.values.end()) {
        std::vector<std::string_view> known;
        for (const auto& [key, unused] : result_.values) {
            known.push_back(key);
        }
        return fmt::format("{} is not in 'values'{}", in_quotes(name), suggestion(name, known));
    }
    const auto type = found->second.type;
    if (to_ports == (type != value_type::addresses)) {
        return std::nullopt;
    }
    return fmt::format(
        "{} is of type '{}'; {} needs {}", in_quotes(name), to_string(type),
        to_ports ? "'ports'" : "a destination", to_ports ? "'port' or 'ports'" : "'addresses'"
    );
}

} // namespace

parsed<catalogue> parse_catalogue(std::string_view text, std::string_view file)
{
    const auto document = parse_json(text, file, comments::allowed);
    if (!document) {
        return std::unexpected{document.error()};
    }
    file_faults faults;
    auto result = catalogue_parser{}.read({*document, document->value, "", std::string{file}, faults});
    if (!faults.empty()) {
        std::ranges::stable_sort(faults, {}, &file_fault::line);
        return std::unexpected{std::move(faults)};
    }
    return result;
}

} // namespace reachd
