// SPDX-License-Identifier: Apache-2.0
// doctor_findings.hpp: what `reachctl doctor` says, and the part of it that is about sockets.
#pragma once

#include "reachd/app/files.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace reachd {

enum class health : std::uint8_t {
    good,
    limited, // works with less
    bad,     // something cannot be measured
};

struct finding {
    health how;
    std::string topic;
    std::string sentence;
};

const char* word_of(health how);

// A task alone, to its end.
template <class T>
T run_alone(boost::asio::awaitable<T> task)
{
    boost::asio::io_context context{1};
    auto answer = boost::asio::co_spawn(context, std::move(task), boost::asio::use_future);
    context.run();
    return answer.get();
}

// All of it: it sends one DNS question to each server and one datagram on loopback.
std::vector<finding> examine(const paths& where);

// What this kernel lets this user ask of a socket, and what cannot be told without it.
void check_sockets(std::vector<finding>& out);
// Key files, and a greeting to each reflector and STUN server of the configuration.
struct plan;
void check_reflectors(const plan& what, std::vector<finding>& out);
finding check_socket_list();

} // namespace reachd
