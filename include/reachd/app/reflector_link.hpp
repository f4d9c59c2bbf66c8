// SPDX-License-Identifier: Apache-2.0
// reflector_link.hpp: finds a reflector of the site's that answers, and asks it what became of an answer; or
// a STUN server of somebody else's that can be used in its place.
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
#include "reachd/net/stun_client.hpp"

#include <memory>

namespace reachd {

// The first key of a file; the error names the file.
result<wire::key> read_reflector_key(const std::string& file);

class reflector_link {
public:
    reflector_link(std::shared_ptr<const plan> what, site_state& state, flow_gate& gate, resolver& names);

    // The first that answers on this transport: a reflector with our key; a STUN server, UDP alone, that
    // answers to another flow's mapping while nothing has been idle.
    boost::asio::awaitable<result<reflector_access>> find(transport over);
    // How many routers are on the way, as the reflector sees what is left of our hops; nullopt: not to be
    // told.
    boost::asio::awaitable<std::optional<unsigned>> routers(reflector_access to);
    // On a flow of its own; nullopt: it cannot be asked.
    boost::asio::awaitable<std::optional<wire::reported>>
    report(reflector_access to, transport over, std::uint64_t token);

private:
    struct staying_client {
        stun_client client;
        std::shared_ptr<flow_gate::long_stay> stay;
    };
    boost::asio::awaitable<std::vector<ip_address>> addresses_of(std::string host);
    boost::asio::awaitable<result<reflector_access>> try_one(reflector_config which, transport over);
    boost::asio::awaitable<result<reflector_access>> try_stun(reflector_config which, transport over);
    boost::asio::awaitable<result<reflector_access>> try_stun_at(reflector_access to);
    boost::asio::awaitable<result<staying_client>> open_stun(reflector_access to);
    boost::asio::awaitable<std::shared_ptr<stun_pair>> open_pair(reflector_access to, std::string* why);
    // By the server's other address, which it has named itself.
    boost::asio::awaitable<nat_mapping>
    find_mapping(reflector_access to, std::shared_ptr<stun_pair> flows, binding_answer seen);
    boost::asio::awaitable<std::optional<socket_address>>
    ask_other(socket_address where, std::shared_ptr<stun_pair> flows);
    void count(const endpoint& to, std::string source, unsigned packets, duration kept);
    // Without a key; nullopt: no vantage has an address of that family.
    [[nodiscard]] std::optional<reflector_access>
    access_to(const reflector_config& which, const ip_address& address) const;
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
