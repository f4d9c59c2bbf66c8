// SPDX-License-Identifier: Apache-2.0
// check_endpoint.hpp: all exchanges with one endpoint, in order: connect, then what its answer needs.
//
// Cancel   As each probe: the last observation then says cancelled.
// Errors   none. Out of descriptors is waited for, a little, before it is an observation. A silence during
//          which this process stood still is no observation: the attempt is made again.
#pragma once

#include "reachd/app/self_watch.hpp"
#include "reachd/core/greeting.hpp"
#include "reachd/core/site_state.hpp"
#include "reachd/net/socket_options.hpp"
#include "reachd/net/tcp_confirm.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ssl/context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace reachd {

struct endpoint_order {
    endpoint target;
    std::string name; // for SNI and Host; "" for a bare address
    way_out way;
    greeting greet = greeting::none;
    confirm_with confirm = confirm_with::fin; // where nothing is said
    std::string payload;                      // of a datagram; "" for one zero byte
    std::string expect_reply;                 // what the reply begins with; "" for any
    std::vector<std::string> tls_names;       // its certificate may be for one of these as well
    unsigned attempts = 2;
    milliseconds timeout{3000}; // of each attempt and of each exchange after it
};

// A vantage's way; the routing table's own for a name that no vantage has.
way_out way_of(const plan& what, std::string_view vantage_name);
// What a row asks of one of its endpoints, which has an address.
endpoint_order order_for(const plan& what, const outbound_row& row, const endpoint_state& one);

// Called before each attempt but the first, which the caller has paced already; may be empty.
using before_retry = std::function<boost::asio::awaitable<void>()>;

boost::asio::awaitable<std::vector<observation>> check_endpoint(
    endpoint_order order, std::shared_ptr<boost::asio::ssl::context> trust, before_retry retry = {},
    std::shared_ptr<self_watch> self = {}
);

} // namespace reachd
