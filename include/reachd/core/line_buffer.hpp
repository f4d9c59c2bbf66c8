// SPDX-License-Identifier: Apache-2.0
// line_buffer.hpp: turns a stream of bytes into lines of bounded length.
//
// Use      append() what arrived, then next() until nullopt.
// Shapes   A line ends in LF; a CR before it is dropped.
// Lifetime A line is valid until the next append().
// Errors   A line over the limit is never handed out: overflown() says so, and nothing follows it.
// Limits   Holds what one append() brought and at most one unfinished line.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace reachd {

class line_buffer {
public:
    // `limit` in bytes, the end of the line not counted.
    explicit line_buffer(std::size_t limit) : limit_{limit} {}

    void append(std::string_view bytes)
    {
        held_.erase(0, begin_);
        scanned_ -= begin_;
        begin_ = 0;
        held_ += bytes;
    }

    std::optional<std::string_view> next()
    {
        const auto end = overflown_ ? std::string::npos : held_.find('\n', scanned_);
        if (end == std::string::npos) {
            scanned_ = held_.size();
            overflown_ = overflown_ || held_.size() - begin_ > limit_;
            return std::nullopt;
        }
        auto line = std::string_view{held_}.substr(begin_, end - begin_);
        if (line.size() > limit_) {
            overflown_ = true;
            return std::nullopt;
        }
        begin_ = end + 1;
        scanned_ = begin_;
        return without_cr(line);
    }

    // What came after the last LF, once no more will come.
    [[nodiscard]] std::string_view rest() const
    {
        return overflown_ ? std::string_view{} : without_cr(std::string_view{held_}.substr(begin_));
    }

    [[nodiscard]] bool overflown() const { return overflown_; }
    // Bytes wait for the end of their line.
    [[nodiscard]] bool unfinished() const { return begin_ < held_.size(); }

private:
    static std::string_view without_cr(std::string_view line)
    {
        return line.ends_with('\r') ? line.substr(0, line.size() - 1) : line;
    }

    std::size_t limit_;
    std::string held_;
    std::size_t begin_ = 0;   // of the line that next() will hand out
    std::size_t scanned_ = 0; // no LF between begin_ and here
    bool overflown_ = false;
};

} // namespace reachd
