// SPDX-License-Identifier: Apache-2.0
// resolver.hpp: asks the system and each of its DNS servers, separately, for one name.
//
// Use      resolver is made once; look_up() as often as needed.
// Cancel   The c-ares queries are cancelled; a getaddrinfo that hangs is left behind, its answer dropped.
// Lifetime The resolver outlives its look-ups, not its threads: one that still sits in getaddrinfo when
//          the resolver goes finds the door shut and drops its answer.
// Errors   none: silence and refusal of a server are its answer.
// Limits   8 getaddrinfo calls at once; the 3 servers that glibc uses (resolv.conf(5) MAXNS).
// Source   getaddrinfo(3) is what applications see; c-ares says what each server says, with TTLs.
#pragma once

#include "reachd/core/names.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <memory>
#include <string>
#include <vector>

namespace reachd {

class resolver {
public:
    explicit resolver(boost::asio::any_io_executor executor);
    resolver(const resolver&) = delete;
    resolver& operator=(const resolver&) = delete;
    ~resolver();

    // For most uses. getaddrinfo gives a silent server 5 s before it asks the next one (resolv.conf(5),
    // timeout).
    static constexpr seconds usual_wait{5};
    static constexpr seconds usual_system_wait{12};

    // All answers that came in time; what did not come says no_reply. getaddrinfo has a deadline of its
    // own, as it asks one silent server after the other.
    boost::asio::awaitable<name_lookup>
    look_up(std::string name, time_point servers_deadline, time_point system_deadline);

    // The servers of the system's configuration, read anew each time: they change with the network. Empty
    // when the configuration could not be read.
    static std::vector<std::string> system_servers();

private:
    boost::asio::awaitable<dns_answer> ask_system(std::string name, time_point deadline);

    struct door; // between the event loop and the threads

    boost::asio::any_io_executor executor_;
    std::shared_ptr<door> door_;
};

// Whether this process has no file descriptor left.
bool is_out_of_descriptors();

// What one server says; `server` as in resolv.conf, with an optional port ("10.0.0.53:5353").
boost::asio::awaitable<dns_answer> ask_server(std::string server, std::string name, time_point deadline);

} // namespace reachd
