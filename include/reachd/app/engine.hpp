// SPDX-License-Identifier: Apache-2.0
// engine.hpp: measures one plan: rounds of rows, paced probes, verdicts, events. Owns every probe.
//
// Use      probe() for a round now; keep_probing() for a daemon's schedule; stop() before the end.
// Cancel   stop() asks everything to end and waits; what was under way leaves its old verdicts.
// Lifetime The engine outlives its coroutines: destroy it only after stop() has returned.
// Executor One thread.
// Limits   limits_config: new flows a second in all and to one destination, and flows at once.
#pragma once

#include "reachd/app/block_sampler.hpp"
#include "reachd/app/check_endpoint.hpp"
#include "reachd/app/flow_gate.hpp"
#include "reachd/app/idle_runner.hpp"
#include "reachd/app/inbound_runner.hpp"
#include "reachd/app/inquirer.hpp"
#include "reachd/app/self_watch.hpp"
#include "reachd/core/rotation.hpp"
#include "reachd/core/schedule.hpp"
#include "reachd/core/site_state.hpp"
#include "reachd/net/resolver.hpp"
#include "reachd/net/task_group.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>

namespace reachd {

// Endpoints of the rounds under way, for a progress bar.
struct progress {
    std::size_t done = 0;
    std::size_t known = 0;
    std::size_t rows_done = 0;
    std::size_t rows = 0;
    std::optional<time_point> ladders_end; // nullopt: none is under way
};

// What the engine tells the world; every handler may be empty.
struct engine_listener {
    std::function<void(const row_change&)> row_changed;
    std::function<void(std::size_t row, const std::string& name_and_address)> address_appeared;
    std::function<void(std::size_t row)> round_finished;
    std::function<void()> refreshed; // all verdicts were drawn anew
    std::function<void(const progress&)> progressed;
    std::function<void(std::size_t row, const block_result& round)> sampled;
    std::function<void(std::size_t row)> idle_measured; // a ladder has ended
    std::function<void(const std::string& task, const std::string& what)> failed;
};

enum class round_kind : std::uint8_t {
    whole,   // every endpoint
    in_turn, // long rows in shares (rotation.hpp)
};

// How far an engine goes.
enum class depth : std::uint8_t {
    first_hand, // each endpoint's own exchanges only
    located,    // who answered, what was let through and where it ends (core/inquiry.hpp)
};

class engine {
public:
    engine(
        boost::asio::any_io_executor executor, std::shared_ptr<const plan> what,
        std::shared_ptr<boost::asio::ssl::context> trust, engine_listener listener,
        depth how_far = depth::located, std::shared_ptr<self_watch> self = {}
    );

    // One whole round of each row named, all at once, begun after this call.
    boost::asio::awaitable<void> probe(std::vector<std::size_t> rows);
    // Waits for the samples of blocks that rounds have begun, and until the inquiry wants nothing more.
    boost::asio::awaitable<void> finish_inquiry();
    // Begins the ladders of idle rows; they wait by themselves for rows to measure over.
    void start_ladders(idle_depth how_far);
    boost::asio::awaitable<void> finish_ladders();
    // Looks for connections of the allowed sources of inbound rows, until stop().
    void watch_services();
    // Rounds on the schedule until stop(), ladders and that watch.
    boost::asio::awaitable<void> keep_probing();
    // From now on the listener hears of nothing but failures and progress.
    void fall_silent() { *telling_ = false; }
    // Falls silent and ends every round and probe; answers how many would not end in time.
    boost::asio::awaitable<std::size_t> stop(time_point deadline);

    // Takes over what an older engine knew of rows that have not changed.
    void inherit(const engine& older);

    // What the history tells of the time before this daemon was started.
    void remember(std::size_t row, const remembered<row_answer>& before);
    void remember(const remembered<site_answer>& before);
    // Of an inbound row: an allowed source was connected then.
    void remember(std::size_t row, const inbound_visit& before);
    // A note on a failing row, or none any more; it goes by itself when the row passes.
    void acknowledge(std::size_t row, std::optional<acknowledgement> note);

    // stop() was called: nothing is measured any more.
    [[nodiscard]] bool stopped() const { return stopping_; }
    [[nodiscard]] const plan& what() const { return *plan_; }
    [[nodiscard]] const site_state& state() const { return state_; }
    // Its maker runs it; without one it knows of no trouble.
    [[nodiscard]] const self_watch& self() const { return *self_; }
    // For a row that is left out of a check: says why.
    void leave_out(std::size_t row, std::string why);
    // Draws all verdicts anew; done after each round as well.
    void refresh();

private:
    void look_around();
    static std::set<ip_address> addresses_of(const row_state& row);
    struct row_work {
        rotation turn;
        time_point last_whole{};
        bool whole_once = false;
        bool running = false;
        bool measured = false; // the round under way has all of its evidence
        std::optional<time_point>
            cut; // when a reload ended its round: what that left waits for the next one's end
        std::optional<row_answer> untold; // the state before a change that nobody was told of yet
        bool changed = false;             // since the round under way began
        std::size_t rounds_ended = 0;
        std::vector<std::shared_ptr<boost::asio::steady_timer>>
            waiting; // cancelled when the round under way ends
    };
    struct round {
        explicit round(const boost::asio::any_io_executor& executor) : ended{executor} {}
        std::size_t left = 0;
        std::vector<std::size_t> fell_silent; // endpoints that said something until now
        boost::asio::steady_timer ended;
    };

    // Its evidence is not complete: a round or the inquiry still adds to it.
    bool is_measuring(std::size_t row) const;
    // A reload has cut its round short, and not long ago: where files are read again all the time, what is
    // known is told all the same.
    bool is_held(std::size_t row) const;
    boost::asio::awaitable<void> keep_climbing();
    void start_round(std::size_t row, round_kind kind);
    boost::asio::awaitable<void> run_round(std::size_t row, round_kind kind);
    boost::asio::awaitable<void> measure_row(std::size_t row, round_kind kind);
    boost::asio::awaitable<void> measure_inbound(std::size_t row, round_kind kind);
    void end_measuring(std::size_t row, round_kind kind);
    boost::asio::awaitable<void> resolve_names(std::size_t row);
    boost::asio::awaitable<void> scheduled_round(std::size_t row);
    boost::asio::awaitable<name_lookup> look_up(std::string name);
    boost::asio::awaitable<void> look_up_into(
        std::string name, std::shared_ptr<std::vector<name_lookup>> into, std::size_t at,
        std::shared_ptr<round> of
    );
    std::shared_ptr<round> ask(std::size_t row, const std::vector<std::size_t>& endpoints);
    boost::asio::awaitable<void> ask_neighbours_again(std::size_t row, std::vector<std::size_t> fell_silent);
    boost::asio::awaitable<void>
    probe_endpoint(std::size_t row, std::size_t index, std::shared_ptr<round> of);
    std::shared_ptr<boost::asio::steady_timer> doubt_soon(
        std::size_t row, std::size_t index, const endpoint_order& order, const std::shared_ptr<round>& of
    );
    void tidy_traces(std::size_t row);
    void suspect_silence(endpoint_state& one, const endpoint_order& order);
    void back_on_schedule(std::size_t row);
    boost::asio::awaitable<void> wait_for(std::shared_ptr<round> of);
    void tell_progress();

    boost::asio::any_io_executor executor_;
    std::shared_ptr<const plan> plan_;
    std::shared_ptr<self_watch> self_;
    std::shared_ptr<boost::asio::ssl::context> trust_;
    std::shared_ptr<bool> telling_ = std::make_shared<bool>(true);
    engine_listener listener_;
    site_state state_;
    std::vector<row_work> work_;
    resolver resolver_;
    time_point nat64_due_{}; // when it is looked for again
    time_point gone_due_{};  // when traces of addresses that are gone are looked for again
    flow_gate gate_;
    boost::asio::steady_timer wake_;
    std::optional<schedule> schedule_;
    progress progress_;
    bool stopping_ = false;
    task_group rounds_;
    task_group probes_;
    inquirer inquirer_;
    block_sampler sampler_;
    idle_runner ladders_;
    inbound_runner inbound_;
};

} // namespace reachd
