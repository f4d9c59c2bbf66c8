// SPDX-License-Identifier: Apache-2.0
// json.hpp: the one strict front to JSON for everything that comes from outside.
//
// Use     parse_json() for text; object_reader to take typed values out of it; dump() to print.
// Errors  Depth over 32, duplicate keys, non-UTF-8, NUL bytes, numbers beyond 64 bits and trailing text
//         are faults with a line; parsing stops at the first of them. A reader collects every fault of
//         an object, unknown keys with the nearest known one among them.
// Limits  Lines are kept for pointers of up to max_line_pointer_bytes, so that a long key above many
//         values cannot multiply its own length in memory; line_of() then answers for the parent.
// Source  nlohmann_json 3.11.2: dump() crashes on deep nesting that parse() accepted, numbers are
//         narrowed in silence and dump() throws on invalid UTF-8 (measured, docs/ARCHITECTURE.md).
#pragma once

#include "reachd/core/error.hpp"

#include <cstdint>
#include <initializer_list>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace reachd {

using json = nlohmann::json;

inline constexpr unsigned max_json_depth = 32; // docs/CONTROL.md; also ample for every file format here
inline constexpr std::size_t max_key_bytes = 256;
inline constexpr std::size_t max_text_bytes = 1000; // of one string that a reader hands out
inline constexpr std::size_t max_line_pointer_bytes = 512;

enum class comments : std::uint8_t {
    refused, // the wire
    allowed, // files: `//` and `/* */`
};

// A number as a whole one, cut off; nullopt for what is none, or too large to be exact.
std::optional<long long> integer_of(const json& value);

// A parsed document and the line on which each value begins, by JSON pointer.
struct json_document {
    json value;
    std::map<std::string, unsigned> lines; // "/limits/attempts" -> 12
    // The line of `pointer`, or of its nearest enclosing value.
    [[nodiscard]] unsigned line_of(std::string_view pointer) const;
};

// `file` is only used to name the text in faults. Lines are kept where comments are allowed: of files that
// people write.
parsed<json_document> parse_json(std::string_view text, std::string_view file, comments policy);

// Never throws, replaces invalid UTF-8, one line without spaces when indent is -1.
std::string dump(const json& value, int indent = -1);

// One reference token of a JSON pointer, escaped (RFC 6901): "a/b~c" -> "a~1b~0c".
std::string pointer_token(std::string_view key);

// 'text' for a message: cut where it is long, control characters replaced.
std::string in_quotes(std::string_view text);

// C0, DEL or C1 (U+0080 to U+009F): terminals and logs act on these.
bool has_control_character(std::string_view text);

// The known word nearest to `word` by edit distance, or nullopt when none is near enough to suggest.
std::optional<std::string_view> nearest(std::string_view word, const std::vector<std::string_view>& known);

// "; did you mean 'attempts'?", or "; known: a, b" when nothing is near, or "" when nothing is known.
std::string suggestion(std::string_view word, const std::vector<std::string_view>& known);

// Takes typed values out of one object and notes every fault with its pointer and line.
// All readers return nullopt both when the key is absent and when its value is faulty (which is noted).
class object_reader {
public:
    // `value` that is not an object is itself noted as a fault and reads as empty.
    object_reader(
        const json_document& document, const json& value, std::string pointer, std::string file,
        file_faults& faults
    );

    // Call first: notes every key that is not in `known` ("$schema" is always allowed).
    void allow(std::initializer_list<std::string_view> known);

    // At most max_text_bytes, no control characters.
    std::optional<std::string> text(std::string_view key);
    std::optional<bool> boolean(std::string_view key);
    // An integer in [least, most]; 4.0 and "4" are faults.
    std::optional<std::int64_t> integer(std::string_view key, std::int64_t least, std::int64_t most);
    std::optional<std::vector<std::string>> texts(std::string_view key);
    std::optional<std::vector<std::int64_t>>
    integers(std::string_view key, std::int64_t least, std::int64_t most);
    // The raw member, nullptr when absent.
    [[nodiscard]] const json* member(std::string_view key) const;
    [[nodiscard]] bool has(std::string_view key) const { return member(key) != nullptr; }
    // Notes that a key which must be there is not.
    void require(std::string_view key, std::string_view what_it_is);
    // Notes a fault at this object's `key` ("" for the object itself).
    void fault(std::string_view key, std::string message, errc code = errc::invalid);
    // Notes a fault at one element of the list at `key`.
    void fault_at(std::string_view key, std::size_t index, std::string message);
    [[nodiscard]] std::string pointer_of(std::string_view key) const;
    // A reader of the object at `key`, which must exist.
    object_reader child(std::string_view key);
    // Readers of the objects in the array at `key`; what is not an object is noted and left out, and so
    // is what is not an array.
    std::vector<object_reader> children(std::string_view key);
    [[nodiscard]] const json& value() const { return *value_; }

private:
    const json* list(std::string_view key, std::string_view of_what);
    void note(std::string pointer, std::string message, errc code);

    const json_document* document_;
    const json* value_;
    std::string pointer_;
    std::string file_;
    file_faults* faults_;
};

} // namespace reachd
