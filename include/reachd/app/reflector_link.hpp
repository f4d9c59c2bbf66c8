// SPDX-License-Identifier: Apache-2.0
// reflector_link.hpp: finds a reflector of the site's that answers, and asks it what became of an answer.
//
// Use      find() before a ladder; report() from its flows. Both go through the gate and are counted.
// Cancel   Terminal cancellation ends them with an error.
// Lifetime The plan, the state, the gate and the resolver outlive it.
// Errors   Why none of them can be used, one reason for each.
// Limits   The key file is read anew each time: a new key needs no reload.
#pragma once

#include "reachd/app/flow_gate.hpp"
#include "reachd/core/site_state.hpp"
#include "reachd/net/reflector_client.hpp"
#include "reachd/net/resolver.hpp"

#include <memory>

namespace reachd {

class reflector_link {
public:
    reflector_link(std::shared_ptr<const plan> what, site_state& state, flow_gate& gate, resolver& names);

    // The first reflector that answers on this transport with our key.
    boost::asio::awaitable<result<reflector_access>> find(transport over);
    // How many routers are on the way, as the reflector sees what is left of our hops; nullopt: not to be
    // told.
    boost::asio::awaitable<std::optional<unsigned>> routers(reflector_access to);
    // On a flow of its own; nullopt: it cannot be asked.
    boost::asio::awaitable<std::optional<wire::reported>>
    report(reflector_access to, transport over, std::uint64_t token);

private:
    boost::asio::awaitable<std::vector<ip_address>> addresses_of(std::string host);
    boost::asio::awaitable<result<reflector_access>> try_one(reflector_config which, transport over);
    // hello, then `what`, on a fresh flow.
    boost::asio::awaitable<result<wire::reply_body>>
    ask_once(reflector_access to, transport over, wire::request_body what);
    boost::asio::awaitable<result<wire::reply_body>>
    ask_by_datagrams(reflector_access to, wire::request_body what);
    boost::asio::awaitable<result<wire::reply_body>>
    ask_by_stream(reflector_access to, wire::request_body what);

    std::shared_ptr<const plan> plan_;
    site_state& state_;
    flow_gate& gate_;
    resolver& resolver_;
};

} // namespace reachd
