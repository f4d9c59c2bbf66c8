// SPDX-License-Identifier: Apache-2.0
// docs/EVENTS.md and the table of events say the same.
#include "reachd/core/events.hpp"

#include <algorithm>
#include <fstream>
#include <gtest/gtest.h>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace reachd {
namespace {

constexpr const char* page_path = REACHD_SOURCE_DIR "/docs/EVENTS.md";

// The entries of the page, in their order, each with the text below its heading.
std::vector<std::pair<std::string, std::string>> read_entries()
{
    const std::string mark = "### ";
    std::vector<std::pair<std::string, std::string>> entries;
    std::ifstream page{page_path};
    for (std::string line; std::getline(page, line);) {
        if (line.starts_with(mark)) {
            entries.emplace_back(line.substr(mark.size()), "");
        } else if (!entries.empty()) {
            entries.back().second += line + '\n';
        }
    }
    return entries;
}

const char* word_of(severity level)
{
    switch (level) {
    case severity::info: return "Info";
    case severity::warning: return "Warning";
    case severity::error: return "Error";
    }
    return "?";
}

TEST(events, every_id_has_an_entry_in_the_page_and_every_entry_an_id)
{
    std::vector<std::string> headings;
    for (const auto& [id, text] : read_entries()) {
        headings.push_back(id);
    }
    std::vector<std::string> ids;
    for (const auto& one : all_events) {
        ids.emplace_back(one.id);
    }
    EXPECT_EQ(headings, ids) << "docs/EVENTS.md lists the events in the order of events.hpp";
}

TEST(events, no_id_is_given_twice)
{
    std::set<std::string> ids;
    for (const auto& one : all_events) {
        EXPECT_TRUE(ids.insert(one.id).second) << one.id;
    }
}

TEST(events, ids_are_two_small_words_with_a_dot_between)
{
    for (const auto& one : all_events) {
        const std::string id = one.id;
        EXPECT_EQ(std::ranges::count(id, '.'), 1) << id;
        EXPECT_EQ(id.find_first_not_of("abcdefghijklmnopqrstuvwxyz."), std::string::npos) << id;
        EXPECT_FALSE(id.starts_with('.') || id.ends_with('.')) << id;
    }
}

TEST(events, an_entry_names_the_level_that_the_event_is_logged_with)
{
    std::map<std::string, std::string> texts;
    for (const auto& [id, text] : read_entries()) {
        texts.emplace(id, text);
    }
    for (const auto& one : all_events) {
        const auto& text = texts[one.id];
        if (text.find("Never logged") != std::string::npos) {
            continue;
        }
        const std::string level = word_of(one.level);
        const std::string small = level == "Info" ? "info" : level;
        EXPECT_TRUE(text.find(level) != std::string::npos || text.find(small) != std::string::npos) << one.id;
    }
}

TEST(events, an_entry_is_a_paragraph)
{
    for (const auto& [id, text] : read_entries()) {
        EXPECT_GT(text.size(), 100U) << id;
    }
}

} // namespace
} // namespace reachd
