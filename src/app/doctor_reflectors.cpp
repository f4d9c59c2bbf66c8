// SPDX-License-Identifier: Apache-2.0
// Whether what idle timers and inbound rows are measured with can be used: key files, reflectors, the
// kernel's list of sockets.
#include "doctor_findings.hpp"
#include "reachd/app/reflector_link.hpp"
#include "reachd/net/service_sockets.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <fmt/format.h>
#include <sys/stat.h>

namespace reachd {

namespace asio = boost::asio;

namespace {

struct link_tools {
    explicit link_tools(std::shared_ptr<const plan> what)
        : gate{context.get_executor(), what->config.limits, state.sent, 0},
          names{context.get_executor()},
          link{std::move(what), state, gate, names}
    {
    }
    asio::io_context context{1};
    site_state state;
    flow_gate gate;
    resolver names;
    reflector_link link;
};

asio::awaitable<void> find_into(reflector_link& link, transport over, result<reflector_access>& out)
{
    out = co_await link.find(over);
}

// With this reflector or STUN server alone.
result<reflector_access> try_to_find(const plan& what, const reflector_config& which, transport over)
{
    auto alone = what;
    alone.config.reflectors = {which};
    result<reflector_access> out = std::unexpected(error{});
    bool done = false;
    link_tools tools{std::make_shared<const plan>(std::move(alone))};
    std::exception_ptr thrown;
    const auto ended = [&](const std::exception_ptr& failure) {
        thrown = failure;
        done = true;
    };
    asio::co_spawn(tools.context, find_into(tools.link, over, out), ended);
    while (!done && tools.context.run_one() > 0) {
    }
    if (thrown) {
        std::rethrow_exception(thrown);
    }
    if (out) {
        out->stun.reset(); // its flows are counted by the link
    }
    return out;
}

void check_key(const reflector_config& which, std::vector<finding>& out)
{
    if (const auto key = read_reflector_key(which.secret_file); !key) {
        out.push_back({health::bad, "reflector", key.error().detail + "."});
        return;
    }
    struct stat about{};
    const bool open_to_all = ::stat(which.secret_file.c_str(), &about) == 0 && (about.st_mode & S_IRWXO) != 0;
    out.push_back(
        open_to_all ? finding{health::limited, "reflector",
                              fmt::format(
                                  "The key file {} is open to every user of this machine: chmod o= {}.",
                                  which.secret_file, which.secret_file
                              )}
                    : finding{health::good, "reflector",
                              fmt::format("The key file {} can be read.", which.secret_file)}
    );
}

void check_reflector(const plan& what, const reflector_config& which, std::vector<finding>& out)
{
    check_key(which, out);
    for (const auto over : {transport::udp, transport::tcp}) {
        const auto found = try_to_find(what, which, over);
        out.push_back(
            found ? finding{health::good, "reflector",
                            fmt::format(
                                "Reflector {} ({} {}) answers and takes the key.", which.host,
                                to_string(over), which.port
                            )}
                  : finding{health::bad, "reflector",
                            fmt::format(
                                "Idle {} timers cannot be measured with it: {}.", to_string(over),
                                found.error().detail
                            )}
        );
    }
}

void check_stun_server(const plan& what, const reflector_config& which, std::vector<finding>& out)
{
    const auto found = try_to_find(what, which, transport::udp);
    out.push_back(
        found ? finding{health::good, "reflector",
                        fmt::format(
                            "STUN server {} (udp {}) answers to another flow's mapping (RESPONSE-PORT): idle "
                            "UDP timers can be measured with it.",
                            which.host, which.port
                        )}
              : finding{health::bad, "reflector",
                        "Idle udp timers cannot be measured with it: " + found.error().detail + "."}
    );
}

} // namespace

void check_reflectors(const plan& what, std::vector<finding>& out)
{
    for (const auto& one : what.config.reflectors) {
        if (one.secret_file.empty()) {
            check_stun_server(what, one, out);
        } else {
            check_reflector(what, one, out);
        }
    }
}

finding check_socket_list()
{
    const auto listed = read_service_sockets({*parse_address("127.0.0.1"), 1});
    return listed ? finding{health::good, "sockets",
                            "sock_diag lists this machine's sockets: connections of allowed sources to an inbound "
                            "service of this machine are seen."}
                  : finding{health::limited, "sockets",
                            fmt::format(
                                "Connections of allowed sources to an inbound service of this machine stay unseen: {}.",
                                listed.error().detail
                            )};
}

} // namespace reachd
