// SPDX-License-Identifier: Apache-2.0
#include "reachd/core/error.hpp"

#include <fmt/format.h>

namespace reachd {

const char* to_string(stage value)
{
    switch (value) {
    case stage::configure: return "configure";
    case stage::resolve: return "resolve";
    case stage::route: return "route";
    case stage::connect: return "connect";
    case stage::handshake: return "handshake";
    case stage::reply: return "reply";
    case stage::idle: return "idle";
    }
    return "?";
}

const char* to_string(errc value)
{
    switch (value) {
    case errc::not_found: return "not_found";
    case errc::unreadable: return "unreadable";
    case errc::malformed: return "malformed";
    case errc::invalid: return "invalid";
    case errc::unknown_key: return "unknown_key";
    case errc::unavailable: return "unavailable";
    case errc::in_use: return "in_use";
    }
    return "?";
}

std::string to_text(const file_fault& fault)
{
    std::string text = fault.file;
    if (fault.line != 0) {
        text += fmt::format(":{}", fault.line);
    }
    if (!fault.pointer.empty()) {
        text += fmt::format(": {}", fault.pointer);
    }
    return text + ": " + fault.message;
}

} // namespace reachd
