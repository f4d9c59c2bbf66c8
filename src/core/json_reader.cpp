// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/json.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace reachd {
namespace {

constexpr std::size_t max_described_bytes = 60; // of a value that a message repeats

const json& no_members()
{
    static const json empty = json::object();
    return empty;
}

// How a value reads after "not": its text where it is short, its kind otherwise.
std::string described(const json& value)
{
    if (value.is_object()) {
        return "an object";
    }
    if (value.is_array()) {
        return "a list";
    }
    const auto text = value.dump(-1, ' ', true, json::error_handler_t::replace); // ASCII: it goes to a log
    return text.size() <= max_described_bytes ? text : "a long text";
}

// Why this string cannot be handed out, or nothing.
std::optional<std::string> text_fault(const json& value)
{
    if (!value.is_string()) {
        return fmt::format("must be text, not {}", described(value));
    }
    const auto& text = value.get_ref<const std::string&>();
    if (text.size() > max_text_bytes) {
        return fmt::format("must be at most {} bytes, not {}", max_text_bytes, text.size());
    }
    if (has_control_character(text)) {
        return fmt::format("must not have control characters: {}", in_quotes(text));
    }
    return std::nullopt;
}

std::optional<std::int64_t> whole_number(const json& value, std::int64_t least, std::int64_t most)
{
    if (!value.is_number_integer()) {
        return std::nullopt;
    }
    // An unsigned value above int64's range would come out negative: it is out of any range here.
    if (value.is_number_unsigned() && std::cmp_greater(value.get<std::uint64_t>(), most)) {
        return std::nullopt;
    }
    const auto number = value.get<std::int64_t>();
    return number < least || number > most ? std::nullopt : std::optional{number};
}

std::string number_fault(const json& value, std::int64_t least, std::int64_t most)
{
    const auto* kind = value.is_number_integer() ? "" : "a whole number, ";
    return fmt::format("must be {}{} to {}, not {}", kind, least, most, described(value));
}

} // namespace

object_reader::object_reader(
    const json_document& document, const json& value, std::string pointer, std::string file,
    file_faults& faults
)
    : document_{&document},
      value_{&value},
      pointer_{std::move(pointer)},
      file_{std::move(file)},
      faults_{&faults}
{
    if (!value.is_object()) {
        note(pointer_, fmt::format("must be an object, not {}", described(value)), errc::invalid);
        value_ = &no_members();
    }
}

void object_reader::note(std::string pointer, std::string message, errc code)
{
    const auto line = document_->line_of(pointer);
    faults_->push_back({file_, std::move(pointer), line, std::move(message), code});
}

void object_reader::allow(std::initializer_list<std::string_view> known)
{
    for (const auto& [key, unused] : value_->items()) {
        if (key == "$schema" || std::ranges::find(known, key) != known.end()) {
            continue;
        }
        fault(
            key, fmt::format("unknown key {}{}", in_quotes(key), suggestion(key, known)), errc::unknown_key
        );
    }
}

std::string object_reader::pointer_of(std::string_view key) const
{
    return key.empty() ? pointer_ : pointer_ + "/" + pointer_token(key);
}

const json* object_reader::member(std::string_view key) const
{
    const auto found = value_->find(std::string{key});
    return found == value_->end() ? nullptr : &*found;
}

void object_reader::fault(std::string_view key, std::string message, errc code)
{
    note(pointer_of(key), std::move(message), code);
}

void object_reader::fault_at(std::string_view key, std::size_t index, std::string message)
{
    note(fmt::format("{}/{}", pointer_of(key), index), std::move(message), errc::invalid);
}

void object_reader::require(std::string_view key, std::string_view what_it_is)
{
    // What is no object at all was noted as such: its missing keys are no news.
    if (value_ != &no_members() && !has(key)) {
        fault("", fmt::format("'{}' is missing: {}", key, what_it_is));
    }
}

std::optional<std::string> object_reader::text(std::string_view key)
{
    const auto* value = member(key);
    if (value == nullptr) {
        return std::nullopt;
    }
    if (auto wrong = text_fault(*value)) {
        fault(key, std::move(*wrong));
        return std::nullopt;
    }
    return value->get<std::string>();
}

std::optional<bool> object_reader::boolean(std::string_view key)
{
    const auto* value = member(key);
    if (value == nullptr) {
        return std::nullopt;
    }
    if (!value->is_boolean()) {
        fault(key, fmt::format("must be true or false, not {}", described(*value)));
        return std::nullopt;
    }
    return value->get<bool>();
}

std::optional<std::int64_t>
object_reader::integer(std::string_view key, std::int64_t least, std::int64_t most)
{
    const auto* value = member(key);
    if (value == nullptr) {
        return std::nullopt;
    }
    const auto number = whole_number(*value, least, most);
    if (!number) {
        fault(key, number_fault(*value, least, most));
    }
    return number;
}

const json* object_reader::list(std::string_view key, std::string_view of_what)
{
    const auto* value = member(key);
    if (value != nullptr && !value->is_array()) {
        fault(key, fmt::format("must be a list of {}, not {}", of_what, described(*value)));
        return nullptr;
    }
    return value;
}

std::optional<std::vector<std::string>> object_reader::texts(std::string_view key)
{
    const auto* values = list(key, "texts");
    if (values == nullptr) {
        return std::nullopt;
    }
    std::vector<std::string> all;
    bool sound = true;
    for (std::size_t index = 0; index < values->size(); ++index) {
        if (auto wrong = text_fault((*values)[index])) {
            fault_at(key, index, std::move(*wrong));
            sound = false;
        } else {
            all.push_back((*values)[index].get<std::string>());
        }
    }
    return sound ? std::optional{std::move(all)} : std::nullopt;
}

std::optional<std::vector<std::int64_t>>
object_reader::integers(std::string_view key, std::int64_t least, std::int64_t most)
{
    const auto* values = list(key, "whole numbers");
    if (values == nullptr) {
        return std::nullopt;
    }
    std::vector<std::int64_t> all;
    bool sound = true;
    for (std::size_t index = 0; index < values->size(); ++index) {
        if (const auto number = whole_number((*values)[index], least, most)) {
            all.push_back(*number);
        } else {
            fault_at(key, index, number_fault((*values)[index], least, most));
            sound = false;
        }
    }
    return sound ? std::optional{std::move(all)} : std::nullopt;
}

object_reader object_reader::child(std::string_view key)
{
    const auto* value = member(key);
    return {*document_, value == nullptr ? no_members() : *value, pointer_of(key), file_, *faults_};
}

std::vector<object_reader> object_reader::children(std::string_view key)
{
    std::vector<object_reader> readers;
    const auto* values = list(key, "objects");
    if (values == nullptr) {
        return readers;
    }
    readers.reserve(values->size());
    for (std::size_t index = 0; index < values->size(); ++index) {
        const auto& value = (*values)[index];
        object_reader reader{
            *document_, value, fmt::format("{}/{}", pointer_of(key), index), file_, *faults_
        };
        if (value.is_object()) {
            readers.push_back(std::move(reader));
        }
    }
    return readers;
}

} // namespace reachd
