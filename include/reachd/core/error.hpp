// SPDX-License-Identifier: Apache-2.0
// error.hpp: what is returned when something could not be done (a refused connection is not an error).
//
// Errors  Three kinds are kept apart everywhere: what was observed (observation.hpp), what could not be
//         done (this file), and our own bugs (assert).
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

namespace reachd {

// The step at which an exchange ended; half of every diagnosis.
enum class stage : std::uint8_t {
    configure, // reading files and values
    resolve,   // turning a name into addresses
    route,     // the kernel's own decision, before any packet leaves
    connect,   // TCP handshake, or the first UDP datagram
    handshake, // TLS
    reply,     // the answer of the application protocol
    idle,      // an idle mapping
};
const char* to_string(stage value);

// Which promise was broken, for a caller that must branch on it.
enum class errc : std::uint8_t {
    not_found,   // a file, an id, a name that does not exist
    unreadable,  // it exists and could not be read
    malformed,   // not JSON, or not UTF-8
    invalid,     // JSON, with a value that is out of range or of the wrong type
    unknown_key, // a key that the format does not have
    unavailable, // the operating system refused a resource
    in_use,      // somebody else holds it
};
const char* to_string(errc value);

// One thing that could not be done: what, at which step, and a sentence that says where and what to do.
struct error {
    errc code{};
    reachd::stage stage{};
    std::string detail;

    bool operator==(const error&) const = default;
};

template <class T>
using result = std::expected<T, error>;

// One fault in a file: where it stands, and the sentence for a person.
struct file_fault {
    std::string file;    // as it was named to us
    std::string pointer; // RFC 6901, "" for the whole document
    unsigned line{};     // from 1; 0 where the fault has no line
    std::string message; // what is wrong and what to do
    errc code = errc::invalid;

    bool operator==(const file_fault&) const = default;
};

// "reachd.json:12: /limits/attempts: must be 1 to 10, not 0"
std::string to_text(const file_fault& fault);

// All faults of a file at once, in the order of its lines: nobody likes to mend them one a run.
using file_faults = std::vector<file_fault>;

template <class T>
using parsed = std::expected<T, file_faults>;

} // namespace reachd
