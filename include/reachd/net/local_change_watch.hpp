// SPDX-License-Identifier: Apache-2.0
// local_change_watch.hpp: what happens to this machine's own addresses, links and routes while a flow is
// idle.
//
// Use      begin() when the flow is left alone; disturbed() later answers what has come between, if anything.
// Shapes   What concerns the flow alone: its own source address gone, its interface without a link, a route
//          that contains its destination made or removed. A new address, a router's advertisement that
//          changes nothing, and other interfaces are not told.
// Errors   A watch that cannot listen tells nothing; can_listen() says so.
// Limits   The last 10,000 events are kept. Where one was lost or forgotten since a flow began, it counts as
// disturbed. Source   rtnetlink(7): RTMGRP_LINK, RTMGRP_IPV4_IFADDR, RTMGRP_IPV4_ROUTE and those of IPv6;
// needs no rights.
#pragma once

#include "reachd/core/address.hpp"

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

namespace reachd {

class local_change_watch {
public:
    struct mark {
        std::uint64_t from = 0; // the first event that is of interest
        ip_address source;
        ip_address target;
        unsigned interface = 0; // that has the source; 0: none was found
    };

    local_change_watch();
    local_change_watch(const local_change_watch&) = delete;
    local_change_watch& operator=(const local_change_watch&) = delete;
    ~local_change_watch();

    [[nodiscard]] bool can_listen() const { return fd_ >= 0; }
    mark begin(const ip_address& source, const ip_address& target);
    // "the address 10.77.1.2 was removed"; nullopt where nothing happened.
    std::optional<std::string> disturbed(const mark& since);

private:
    struct event {
        enum class kind : std::uint8_t {
            address_gone,
            link_down,
            route_changed,
            overrun, // events were lost
        } what;
        ip_address address;     // address_gone
        unsigned interface = 0; // link_down
        ip_block block;         // route_changed
    };
    void note(const event& what);
    void read_all();
    void read_messages(const char* data, std::size_t size);
    static std::optional<std::string> concerns(const event& one, const mark& flow);

    int fd_ = -1;
    std::uint64_t first_ = 0; // the number of the first one that is kept
    std::deque<event> events_;
};

} // namespace reachd
