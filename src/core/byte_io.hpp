// SPDX-License-Identifier: Apache-2.0
// byte_io.hpp: big-endian numbers into and out of bytes; a reader that ran out stays failed and gives zeros.
#pragma once

#include "reachd/core/bytes.hpp"
#include "reachd/core/socket_address.hpp"

#include <algorithm>
#include <concepts>
#include <string>

namespace reachd {

class byte_reader {
public:
    explicit byte_reader(byte_view bytes) : left_{bytes} {}

    template <std::unsigned_integral T>
    T take()
    {
        std::uint64_t out = 0;
        for (const auto byte : take_bytes(sizeof(T))) {
            out = (out << 8U) | byte;
        }
        return static_cast<T>(out);
    }
    byte_view take_bytes(std::size_t count)
    {
        if (count > left_.size()) {
            failed_ = true;
            left_ = {};
            return {};
        }
        const auto out = left_.first(count);
        left_ = left_.subspan(count);
        return out;
    }
    [[nodiscard]] bool failed() const { return failed_; }
    [[nodiscard]] std::size_t left() const { return left_.size(); }

private:
    byte_view left_;
    bool failed_ = false;
};

class byte_writer {
public:
    template <std::unsigned_integral T>
    void put(T value)
    {
        for (std::size_t i = sizeof(T); i-- > 0;) {
            bytes_.push_back(static_cast<std::uint8_t>(std::uint64_t{value} >> (8U * i)));
        }
    }
    void put_bytes(byte_view bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
    void put_text(std::string_view text) { bytes_.insert(bytes_.end(), text.begin(), text.end()); }
    void put_zeros(std::size_t count) { bytes_.insert(bytes_.end(), count, std::uint8_t{0}); }
    // Overwrites two bytes that were put before.
    void set_u16(std::size_t at, std::size_t value)
    {
        bytes_.at(at) = static_cast<std::uint8_t>(value >> 8U);
        bytes_.at(at + 1) = static_cast<std::uint8_t>(value);
    }
    [[nodiscard]] std::size_t size() const { return bytes_.size(); }
    [[nodiscard]] const byte_vector& bytes() const { return bytes_; }
    byte_vector take() { return std::move(bytes_); }

private:
    byte_vector bytes_;
};

} // namespace reachd
