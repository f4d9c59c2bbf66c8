// SPDX-License-Identifier: Apache-2.0
// reflector_speaker.hpp: a reflector as the far side of one idle TCP connection.
//
// Use      One for each flow; handed to leave_alone() (idle_flow.hpp).
// Source   docs/WIRE.md, answer_after and report.
#pragma once

#include "reachd/net/idle_flow.hpp"
#include "reachd/net/reflector_client.hpp"

namespace reachd {

using ask_report = std::function<boost::asio::awaitable<std::optional<wire::reported>>(std::uint64_t token)>;

// What a report says of an answer that did not come.
far_side::word word_of(const std::optional<wire::reported>& told);

class reflector_speaker : public far_side {
public:
    reflector_speaker(wire::key key, ask_report report);

    boost::asio::awaitable<result<void>> arrange(boost::asio::ip::tcp::socket& flow, duration after) override;
    boost::asio::awaitable<word> has_spoken() override;
    bool is_word(boost::asio::ip::tcp::socket& flow) override;

private:
    reflector_client client_;
    ask_report report_;
    std::uint64_t token_;
};

} // namespace reachd
