// SPDX-License-Identifier: Apache-2.0
// block_sampler.hpp: carries out the samples of a row's address blocks (core/block_sample.hpp).
//
// Use      start() begins a round of a row unless one is under way; its results are added to the state.
// Cancel   close(), then the owner cancels and joins the tasks.
// Lifetime The plan, the state, the inquirer and the task group outlive it.
// Limits   One probe a second in all: each dies at the first hop past the edge.
#pragma once

#include "reachd/app/inquirer.hpp"
#include "reachd/core/block_sample.hpp"

#include <functional>
#include <memory>
#include <set>

namespace reachd {

class block_sampler {
public:
    struct handlers {
        std::function<void(std::size_t known, std::size_t done)> progressed; // for a progress bar
        std::function<void(std::size_t row)> finished;                       // a round is added to the state
        std::function<void(std::size_t row, const block_result& round)> sampled; // with its seed, for the log
    };
    block_sampler(
        boost::asio::any_io_executor executor, std::shared_ptr<const plan> what, site_state& state,
        inquirer& inquiry, task_group& tasks, handlers told
    );

    void start(std::size_t row);
    [[nodiscard]] bool is_running(std::size_t row) const { return running_.contains(row); }
    // Waits until no round is under way.
    boost::asio::awaitable<void> finished();
    void close();

private:
    struct job {
        std::size_t row;
        block_target target;
        unsigned hop_limit;
    };
    boost::asio::awaitable<void> sample_row(std::size_t row);
    boost::asio::awaitable<void> sample_blocks(std::size_t row);
    boost::asio::awaitable<void> sample_block(job what, std::shared_ptr<std::size_t> left);
    std::vector<job> jobs_of(std::size_t row) const;
    void add_up(const job& what, const block_result& round);
    void ended(std::size_t row);

    boost::asio::any_io_executor executor_;
    std::shared_ptr<const plan> plan_;
    site_state& state_;
    inquirer& inquiry_;
    task_group& tasks_;
    handlers told_;
    std::set<std::size_t> running_;
    boost::asio::steady_timer done_;
    bool closed_ = false;
};

} // namespace reachd
