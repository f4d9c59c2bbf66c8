// SPDX-License-Identifier: Apache-2.0
// history_commands.hpp: the methods `history` and `acknowledge`.
//
// Source   docs/CONTROL.md.
#pragma once

#include "reachd/app/history_desk.hpp"
#include "reachd/core/control.hpp"
#include "reachd/net/control_server.hpp"

#include <memory>
#include <sys/types.h>

namespace reachd {

boost::asio::awaitable<rpc_answer>
history_answer(history_desk& desk, std::shared_ptr<engine> work, json params, asked_by whom);

// `uid`: of the peer, who says so where the parameters do not.
boost::asio::awaitable<rpc_answer>
acknowledge_answer(history_desk& desk, std::shared_ptr<engine> work, json params, uid_t uid);

} // namespace reachd
