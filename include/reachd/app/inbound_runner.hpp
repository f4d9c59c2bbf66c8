// SPDX-License-Identifier: Apache-2.0
// inbound_runner.hpp: gathers what is known of services that only a few addresses may connect to.
//
// Use      measure() in a round of the row: the service from inside, and with `outside` a reflector from
// there.
//          watch() looks for connections of allowed sources until close(). Both write into the row's state.
// Cancel   close(), then the owner cancels and joins the tasks.
// Lifetime The plan, the state, the gate and the resolver outlive it.
// Limits   One connection to the service in a round, through the gate; the reflector's is one at a time.
#pragma once

#include "reachd/app/flow_gate.hpp"
#include "reachd/app/reflector_link.hpp"
#include "reachd/core/site_state.hpp"
#include "reachd/net/resolver.hpp"

#include <functional>
#include <memory>
#include <optional>

namespace reachd {

enum class inbound_depth : std::uint8_t {
    inside,  // the service, from this machine
    outside, // and a connection from a reflector
};

class inbound_runner {
public:
    inbound_runner(
        std::shared_ptr<const plan> what, site_state& state, flow_gate& gate, resolver& names,
        std::function<void()> changed // an allowed source was seen for the first time in days
    );

    // Whether there is something to measure in this row.
    [[nodiscard]] bool can_measure(std::size_t row) const;
    boost::asio::awaitable<void> measure(std::size_t row, inbound_depth how_far);
    boost::asio::awaitable<void> watch();
    void close();

private:
    boost::asio::awaitable<std::vector<observation>> probe_inside(socket_address service);
    boost::asio::awaitable<result<inbound_knock>> knock(std::size_t row);
    boost::asio::awaitable<result<inbound_knock>> ask_for_one(reflector_access to, socket_address published);
    // Looks at this machine's sockets; whether there is news.
    bool look(std::size_t row);

    std::shared_ptr<const plan> plan_;
    site_state& state_;
    flow_gate& gate_;
    std::function<void()> changed_;
    reflector_link link_;
    std::optional<ip_address> knocking_; // the reflector that tries to connect now
    bool arrived_ = false;               // and was seen to
    bool closed_ = false;
};

} // namespace reachd
