// SPDX-License-Identifier: Apache-2.0
// http_probe.hpp: one HTTP HEAD request on a connection that stands.
//
// Cancel   Terminal cancellation ends it with not_measured{cancelled}.
// Lifetime `socket` outlives the call.
// Limits   8 KiB of header; the body is never read.
// Source   RFC 9110 section 9.3.2.
#pragma once

#include "reachd/core/observation.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <string>

namespace reachd {

boost::asio::awaitable<observation>
http_head(boost::asio::ip::tcp::socket& socket, std::string host, time_point deadline);

} // namespace reachd
