// SPDX-License-Identifier: Apache-2.0
// inquirer.hpp: carries out what the inquiry (core/inquiry.hpp) wants, until it wants nothing more.
//
// Use      wake() when an endpoint has been probed; settled() waits for the addresses of a row.
// Cancel   close(), then the owner cancels and joins the tasks.
// Lifetime The plan, the state and the task group outlive it.
// Limits   20,000 probes in ten minutes; hops are asked as hop_pacer allows; none while NATs are full
// (traffic.hpp).
#pragma once

#include "reachd/app/flow_gate.hpp"
#include "reachd/app/self_watch.hpp"
#include "reachd/core/hop_pacer.hpp"
#include "reachd/net/socket_options.hpp"
#include "reachd/net/task_group.hpp"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

namespace reachd {

class inquirer {
public:
    struct handlers {
        std::function<void(std::size_t known, std::size_t done)> progressed; // for a progress bar
        std::function<void()> idle;                                          // nothing is wanted any more
    };

    inquirer(
        boost::asio::any_io_executor executor, std::shared_ptr<const plan> what, site_state& state,
        task_group& tasks, flow_gate& flows, std::uint64_t seed, handlers told,
        std::shared_ptr<self_watch> self = {}
    );

    // Looks soon at what is wanted now.
    void wake();
    // One probe more, in its turn after what the inquiry wants; not kept among the traces.
    boost::asio::awaitable<observation> ask(hop_order order);
    // Waits until nothing is wanted or under way for these addresses, and the way out is known.
    boost::asio::awaitable<void> settled(std::set<ip_address> addresses);
    void close();
    // What an older one has sent counts in what this one may send.
    void inherit(const inquirer& older);
    // Something is wanted or under way for one of these addresses, or for all.
    [[nodiscard]] bool is_pending(const std::set<ip_address>& addresses) const;
    // Something about one of them itself is wanted or under way.
    [[nodiscard]] bool asks_about(const std::set<ip_address>& addresses) const;
    // How often it has looked at what may go: there are pauses between, whoever wakes it.
    [[nodiscard]] std::uint64_t looks() const { return looks_; }

private:
    struct waiter {
        explicit waiter(const boost::asio::any_io_executor& executor) : ready{executor} {}
        std::set<ip_address> addresses{};
        boost::asio::steady_timer ready;
        bool done = false;
    };
    void stir(); // what is asked is looked at soon, though nothing new is known
    boost::asio::awaitable<void> work();
    boost::asio::awaitable<void> carry_out(hop_order order);
    boost::asio::awaitable<observation> send(hop_order order, sent_for why);
    struct question {
        explicit question(const boost::asio::any_io_executor& executor) : ready{executor} {}
        hop_order order;
        bool granted = false;
        boost::asio::steady_timer ready;
    };
    duration wait_for(const hop_order& order) const;
    void grant_questions(unsigned shared_hops, hop_pacer::choice& chosen);
    std::vector<hop_order> next_of_each_flow() const;
    void start(const hop_order& order);
    void forget_many();
    void forget_other_clock();
    void tell_waiters();
    void renew_allowance();
    hop_pacer::allowance allowance() const;

    boost::asio::any_io_executor executor_;
    std::shared_ptr<const plan> plan_;
    site_state& state_;
    task_group& tasks_;
    handlers told_;
    std::shared_ptr<self_watch> self_; // may be empty
    flow_gate& flows_;                 // new ones, of the rows
    flow_gate repeats_;
    hop_pacer hops_;
    std::vector<hop_order> wanted_; // of the last look
    std::set<ip_address> deferred_; // of the last look: they wait for what comes of others
    std::set<hop_order> under_way_;
    std::vector<std::shared_ptr<waiter>> waiters_;
    std::vector<std::shared_ptr<question>> questions_;
    boost::asio::steady_timer look_;
    std::map<flow, std::uint16_t> ports_; // of flows that keep their source port
    std::map<std::pair<std::string, ip_address>, duration> slowest_answer_; // by vantage and address
    std::map<hop_order, unsigned> voids_; // how often its silence did not count
    unsigned clock_steps_ = 0;            // of which the traces know
    time_point allowance_since_{};
    std::size_t allowance_used_ = 0;
    std::uint64_t looks_ = 0;
    bool working_ = false;
    duration spacing_ = milliseconds{25}; // between two looks: what comes back together is looked at together
    bool learnt_ = false;                 // since the last time it was idle
    bool dirty_ = false;                  // something was learnt since the last look
    bool closed_ = false;
};

} // namespace reachd
