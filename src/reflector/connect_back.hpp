// SPDX-License-Identifier: Apache-2.0
// connect_back.hpp: one flow from outside to the address that asked for it.
//
// Cancel   Terminal cancellation ends it with not_tried.
#pragma once

#include "reachd/core/reflector_wire.hpp"

#include <boost/asio/awaitable.hpp>

namespace reachd::reflector {

boost::asio::awaitable<wire::connected_back> try_connect_back(ip_address to, wire::connect_back what);

} // namespace reachd::reflector
