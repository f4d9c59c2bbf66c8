// SPDX-License-Identifier: Apache-2.0
// history_fixture.hpp: a store in a directory of its own that goes away with the test.
#pragma once

#include "reachd/store/history_store.hpp"

#include <filesystem>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <stdlib.h>

namespace reachd::test {

inline wall_time make_wall(seconds since_epoch)
{
    return wall_time{since_epoch};
}

// 2026-11-01T00:00:00Z, an hour and a day that begin.
inline constexpr seconds november{1'793'491'200};

class store_test : public ::testing::Test {
protected:
    store_test()
    {
        std::string pattern = std::filesystem::temp_directory_path() / "reachd-store-XXXXXX";
        directory_ = ::mkdtemp(pattern.data());
    }
    ~store_test() override { std::filesystem::remove_all(directory_); }

    [[nodiscard]] std::filesystem::path file() const { return directory_ / "history.db"; }

    std::unique_ptr<history_store> open(store_limits limits = {})
    {
        auto made = open_history(file(), limits);
        EXPECT_TRUE(made) << (made ? "" : made.error().sentence);
        return made ? std::move(*made) : nullptr;
    }
    static history_memory begin(history_store& store, wall_time now)
    {
        auto memory = store.begin(now, "0.1.0");
        EXPECT_TRUE(memory);
        return memory.value_or(history_memory{});
    }
    static void write(history_store& store, const history_batch& batch, wall_time now)
    {
        const auto done = store.write(batch, now);
        EXPECT_TRUE(done) << (done ? "" : done.error().sentence);
    }

    std::filesystem::path directory_;
};

inline history_record
make_row_record(wall_time at, std::string id, std::string state, std::string before = "unproven")
{
    return {
        .at = at,
        .kind = record_kind::requirement,
        .catalogue = "cat",
        .requirement = std::move(id),
        .state = std::move(state),
        .before = std::move(before),
        .since = at,
        .sentence = "a sentence about it",
        .detail = R"({"counts":{"total":1,"pass":0,"fail":1,"unproven":0}})",
    };
}

inline history_record make_endpoint_record(wall_time at, std::string address, std::string_view ports)
{
    auto out = make_row_record(at, "signaling", "blocked", "open");
    out.kind = record_kind::endpoint;
    out.target = endpoint_span{.address = std::move(address), .ports = *parse_ports(ports)};
    return out;
}

// "start" with the rows in force.
inline history_record make_start(wall_time at, const std::vector<std::string>& rows)
{
    std::string list;
    for (const auto& one : rows) {
        list += fmt::format("{}[\"cat\",\"{}\"]", list.empty() ? "" : ",", one);
    }
    return {
        .at = at,
        .kind = record_kind::start,
        .sentence = "begun",
        .detail = "{\"rows\":[" + list + "]}",
    };
}

inline history_batch batch_of(std::vector<history_record> records)
{
    return {.records = std::move(records)};
}

} // namespace reachd::test
