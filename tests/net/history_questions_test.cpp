// SPDX-License-Identifier: Apache-2.0
#include "reachd/app/history_keeper.hpp"

#include "reachd/net/deadline.hpp"
#include "run.hpp"

#include <condition_variable>
#include <mutex>

namespace reachd {
namespace {

using namespace test;
namespace fs = std::filesystem;

// Answers that come when the test lets them.
class held_answers {
public:
    history_answerer answerer()
    {
        return [this](const history_source&, const history_question& question, std::function<bool()> enough) {
            std::unique_lock lock{mutex_};
            asked_.push_back(question.query.requirement);
            changed_.notify_all();
            while (!free_ && !enough()) {
                changed_.wait_for(lock, milliseconds{1});
            }
            gave_up_ += free_ ? 0 : 1;
            return stored<json>{json(question.query.requirement)};
        };
    }
    void let_go()
    {
        const std::lock_guard lock{mutex_};
        free_ = true;
        changed_.notify_all();
    }
    std::vector<std::string> asked()
    {
        const std::lock_guard lock{mutex_};
        return asked_;
    }
    int gave_up()
    {
        const std::lock_guard lock{mutex_};
        return gave_up_;
    }
    bool await_first()
    {
        std::unique_lock lock{mutex_};
        return changed_.wait_for(lock, late, [this] { return !asked_.empty(); });
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<std::string> asked_;
    int gave_up_ = 0;
    bool free_ = false;
};

using answer_slot = std::optional<stored<json>>;

asio::awaitable<void>
ask_into(history_questions& questions, std::string name, answer_slot* into, asked_by whom)
{
    history_question question;
    question.query.requirement = std::move(name);
    const history_source from;
    auto asking = questions.ask(from, std::move(question), whom);
    auto answer = co_await std::move(asking);
    *into = std::move(answer);
}

asio::awaitable<bool> await_end(history_questions& questions)
{
    questions.stop();
    const bool ended = co_await questions.ended(in(late));
    co_return ended;
}

class history_questions_test : public ::testing::Test {
protected:
    running<void>
    ask(history_questions& questions, const std::string& name, answer_slot& into,
        asked_by whom = asked_by::status)
    {
        running<void> out{io_, ask_into(questions, name, &into, whom)};
        out.advance();
        return out;
    }

    asio::io_context io_{1};
    held_answers held_;
};

TEST_F(history_questions_test, only_some_wait_and_the_others_are_told)
{
    history_questions questions{io_.get_executor(), {.waiting = 2}, held_.answerer()};
    std::array<answer_slot, 4> answers;
    std::vector<running<void>> all;
    for (std::size_t i = 0; i < answers.size(); ++i) {
        all.push_back(ask(questions, std::to_string(i), answers[i]));
    }
    ASSERT_TRUE(answers[3]) << "one is being answered, two wait";
    EXPECT_EQ(answers[3]->error().what, store_fault::busy);
    EXPECT_FALSE(answers[0] || answers[1] || answers[2]);
    held_.let_go();
    for (int i = 0; i < 3; ++i) {
        all[static_cast<std::size_t>(i)].wait();
        EXPECT_EQ(answers[static_cast<std::size_t>(i)]->value(), std::to_string(i));
    }
    EXPECT_TRUE(finish(io_, await_end(questions)));
}

TEST_F(history_questions_test, T05_who_asks_much_by_one_way_does_not_keep_others_from_asking_by_another)
{
    history_questions questions{io_.get_executor(), {.waiting = 2}, held_.answerer()};
    std::array<answer_slot, 6> answers;
    std::vector<running<void>> all;
    for (const std::size_t i : {0U, 1U, 2U, 3U}) {
        all.push_back(ask(questions, std::to_string(i), answers[i]));
    }
    EXPECT_TRUE(answers[3]) << "that way is full";
    all.push_back(ask(questions, "control", answers[4], asked_by::control));
    all.push_back(ask(questions, "http", answers[5], asked_by::http));
    EXPECT_FALSE(answers[4] || answers[5]) << "these have places of their own";
    held_.let_go();
    for (auto& one : all) {
        one.wait();
    }
    EXPECT_EQ(held_.asked(), (std::vector<std::string>{"0", "control", "1", "http", "2"}));
    EXPECT_TRUE(finish(io_, await_end(questions)));
}

TEST_F(history_questions_test, one_whose_caller_has_gone_is_not_answered)
{
    history_questions questions{io_.get_executor(), {.waiting = 2}, held_.answerer()};
    std::array<answer_slot, 3> answers;
    auto first = ask(questions, "first", answers[0]);
    auto gone = ask(questions, "gone", answers[1]);
    auto last = ask(questions, "last", answers[2]);
    ASSERT_TRUE(held_.await_first());
    gone.cancel();
    gone.wait();
    held_.let_go();
    last.wait();
    EXPECT_EQ(held_.asked(), (std::vector<std::string>{"first", "last"}));
    EXPECT_TRUE(finish(io_, await_end(questions)));
}

TEST_F(history_questions_test, one_that_takes_too_long_is_given_up)
{
    history_questions questions{io_.get_executor(), {.work = seconds{0}}, held_.answerer()};
    answer_slot answer;
    ask(questions, "one", answer).wait();
    EXPECT_EQ(held_.gave_up(), 1);
    EXPECT_TRUE(finish(io_, await_end(questions)));
}

// A keeper that is asked more than it can answer, and ended.
asio::awaitable<void> flood_and_stop(history_keeper& keeper, held_answers& held, bool* written)
{
    const auto executor = co_await asio::this_coro::executor;
    co_await keeper.begin(in(late));
    for (int i = 0; i < 20; ++i) {
        asio::co_spawn(executor, keeper.ask({}), asio::detached);
    }
    const bool slept = co_await sleep_until(in(soon));
    static_cast<void>(slept);
    EXPECT_TRUE(held.await_first());
    history_record record{.at = wall_time{seconds{1'793'491'200}}, .catalogue = "cat", .requirement = "a"};
    keeper.keep({.records = {record}});
    const bool settled = co_await keeper.settle(in(late));
    EXPECT_TRUE(settled) << "questions keep nothing from being written";
    keeper.keep({.records = {record}});
    *written = co_await keeper.stop(in(late));
}

TEST_F(history_questions_test, questions_keep_nothing_from_being_written_not_even_at_the_end)
{
    std::string pattern = fs::temp_directory_path() / "reachd-questions-XXXXXX";
    const fs::path directory = ::mkdtemp(pattern.data());
    const auto file = directory / "history.db";
    bool written = false;
    {
        history_keeper keeper{
            io_.get_executor(),
            {.file = file, .version = "test"},
            {.begun = [](const history_memory&) {}, .tell = [](const auto&, const auto&, const auto&) {}},
            held_.answerer()
        };
        const auto begun = steady::now();
        finish(io_, flood_and_stop(keeper, held_, &written));
        EXPECT_LT(steady::now() - begun, late) << "nor are they waited for";
    }
    EXPECT_TRUE(written);
    auto store = open_history(file, {});
    ASSERT_TRUE(store);
    EXPECT_EQ((*store)->records({.requirement = "a"})->entries.size(), 2U);
    const auto stops = (*store)->records({.kinds = {record_kind::stop}});
    ASSERT_EQ(stops->entries.size(), 1U);
    EXPECT_EQ(stops->entries[0].what.state, "clean");
    fs::remove_all(directory);
}

} // namespace
} // namespace reachd
