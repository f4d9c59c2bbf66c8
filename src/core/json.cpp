// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/json.hpp"

#include "json_syntax.hpp"

#include <fmt/format.h>
#include <iterator>
#include <utility>

namespace reachd {
namespace {

// Where the lexer stands in the text; shared by all copies of the iterator that feeds it.
class reading_position {
public:
    explicit reading_position(std::string_view text) : text_{text} {}

    void advance_to(std::size_t offset) { offset_ = offset; }

    // The line of the token just read. The last byte handed out is left out of the count, as after a
    // number it is look-ahead and may already be the line's end; no other token ends in a newline.
    unsigned line()
    {
        for (; counted_ + 1 < offset_; ++counted_) {
            line_ += text_[counted_] == '\n' ? 1U : 0U;
        }
        return line_;
    }

private:
    std::string_view text_;
    std::size_t offset_ = 0;  // bytes handed out
    std::size_t counted_ = 0; // bytes whose newlines are in line_
    unsigned line_ = 1;
};

// The input of sax_parse(): a position in the text that reports how far it was read.
class reading_iterator {
public:
    using iterator_category = std::input_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char*;
    using reference = const char&;

    reading_iterator(std::string_view text, std::size_t offset, reading_position& position)
        : text_{text}, offset_{offset}, position_{&position}
    {
    }

    reference operator*() const { return text_[offset_]; }
    reading_iterator& operator++()
    {
        position_->advance_to(++offset_);
        return *this;
    }
    bool operator==(const reading_iterator& other) const { return offset_ == other.offset_; }

private:
    std::string_view text_;
    std::size_t offset_;
    reading_position* position_;
};

// Builds the document from the parser's events and refuses what the parser lets through.
class document_builder final : public nlohmann::json_sax<json> {
public:
    document_builder(
        std::string_view text, std::string_view file, reading_position& position, comments policy
    )
        : text_{text}, file_{file}, position_{&position}, keeps_lines_{policy == comments::allowed}
    {
    }

    bool null() override { return put(nullptr); }
    bool boolean(bool value) override { return put(value); }
    bool number_integer(number_integer_t value) override { return put(value); }
    bool number_unsigned(number_unsigned_t value) override { return put(value); }
    bool number_float(number_float_t value, const string_t& raw) override
    {
        // The lexer turns an integer beyond 64 bits into the nearest double.
        if (raw.find_first_of(".eE") == std::string::npos) {
            return refuse(fmt::format("the number {} is too large", in_quotes(raw)), errc::invalid);
        }
        return put(value);
    }
    bool string(string_t& value) override { return put(std::move(value)); }
    bool binary(binary_t& /*value*/) override { return refuse("binary data", errc::malformed); }
    bool start_object(std::size_t /*count*/) override { return open(json::object()); }
    bool start_array(std::size_t /*count*/) override { return open(json::array()); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }

    bool key(string_t& name) override
    {
        if (name.size() > max_key_bytes) {
            return refuse(fmt::format("a key is longer than {} bytes", max_key_bytes), errc::malformed);
        }
        if (has_control_character(name)) {
            return refuse(
                fmt::format("the key {} has a control character", in_quotes(name)), errc::malformed
            );
        }
        if (open_.back().value->contains(name)) {
            const auto first = document_.line_of(pointer_ + "/" + pointer_token(name));
            return refuse(
                first == 0 ? fmt::format("the key {} stands there twice", in_quotes(name))
                           : fmt::format("the key {} is already on line {}", in_quotes(name), first),
                errc::invalid
            );
        }
        key_ = std::move(name);
        return true;
    }

    bool parse_error(std::size_t position, const std::string& /*last*/, const json::exception& what) override
    {
        const auto error = explain_syntax_error(text_, position == 0 ? 0 : position - 1, what.what());
        const auto place = place_of(text_, error.offset);
        auto message = fmt::format("column {}: {}", place.column, error.message);
        fault_ = file_fault{std::string{file_}, "", place.line, std::move(message), errc::malformed};
        return false;
    }

    parsed<json_document> finish() &&
    {
        if (fault_) {
            return std::unexpected{file_faults{std::move(*fault_)}};
        }
        return std::move(document_);
    }

private:
    struct level {
        json* value;             // an array or an object that is not closed yet
        std::size_t pointer_end; // length of pointer_ outside of it
    };

    // Gives `value` its place in the innermost open container and leaves pointer_ at it.
    json* place(json value)
    {
        pointer_begin_ = pointer_.size();
        json* slot = &document_.value;
        if (!open_.empty()) {
            json& parent = *open_.back().value;
            if (parent.is_array()) {
                pointer_ += fmt::format("/{}", parent.size());
                slot = &parent.emplace_back();
            } else {
                pointer_ += '/';
                pointer_ += pointer_token(key_);
                slot = &parent[key_];
            }
        }
        *slot = std::move(value);
        if (keeps_lines_ && pointer_.size() <= max_line_pointer_bytes) {
            document_.lines.emplace(pointer_, position_->line());
        }
        return slot;
    }

    bool put(json value)
    {
        place(std::move(value));
        pointer_.resize(pointer_begin_);
        return true;
    }

    bool open(json container)
    {
        if (open_.size() == max_json_depth) {
            return refuse(fmt::format("nested deeper than {} levels", max_json_depth), errc::malformed);
        }
        json* slot = place(std::move(container));
        open_.push_back({slot, pointer_begin_});
        return true;
    }

    bool close()
    {
        pointer_.resize(open_.back().pointer_end);
        open_.pop_back();
        return true;
    }

    bool refuse(std::string message, errc code)
    {
        fault_ = file_fault{std::string{file_}, pointer_, position_->line(), std::move(message), code};
        return false;
    }

    std::string_view text_;
    std::string_view file_;
    reading_position* position_;
    bool keeps_lines_;
    json_document document_;
    std::vector<level> open_;
    std::string pointer_;           // of the innermost open container
    std::size_t pointer_begin_ = 0; // length of pointer_ before the last place()
    std::string key_;
    std::optional<file_fault> fault_;
};

std::unexpected<file_faults> whole_file_fault(std::string_view file, unsigned line, std::string message)
{
    return std::unexpected{file_faults{{std::string{file}, "", line, std::move(message), errc::malformed}}};
}

} // namespace

unsigned json_document::line_of(std::string_view pointer) const
{
    while (true) {
        const auto found = lines.find(std::string{pointer});
        if (found != lines.end()) {
            return found->second;
        }
        if (pointer.empty()) {
            return 0;
        }
        const auto slash = pointer.rfind('/');
        pointer = pointer.substr(0, slash == std::string_view::npos ? 0 : slash);
    }
}

parsed<json_document> parse_json(std::string_view text, std::string_view file, comments policy)
{
    if (text.find_first_not_of(json_blanks) == std::string_view::npos) {
        return whole_file_fault(file, 0, "is empty");
    }
    // The lexer takes a NUL byte for the end of the text, which would hide whatever follows.
    if (const auto nul = text.find('\0'); nul != std::string_view::npos) {
        const auto place = place_of(text, nul);
        return whole_file_fault(
            file, place.line, fmt::format("column {}: a NUL byte does not belong in text", place.column)
        );
    }
    reading_position position{text};
    document_builder builder{text, file, position, policy};
    json::sax_parse(
        reading_iterator{text, 0, position}, reading_iterator{text, text.size(), position}, &builder,
        json::input_format_t::json, true, policy == comments::allowed
    );
    return std::move(builder).finish();
}

} // namespace reachd
