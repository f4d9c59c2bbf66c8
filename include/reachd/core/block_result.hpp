// SPDX-License-Identifier: Apache-2.0
// block_result.hpp: what rounds of samples of a block add up to, in numbers, words and JSON.
//
// Use     accumulate(before, round) after each round; sentence() for people; to_json() to keep it over
//         restarts and parse_block_result() to read it again.
// Shapes  n is clean + blocked + doubtful; the bound counts doubtful ones as blocked. Undecided strata
//         (no control passed, or not measured) are in neither.
// Errors  parse_block_result: every fault with its line; nothing that it accepts contradicts itself.
// Source  docs/VERDICTS.md, "Blocks of addresses".
#pragma once

#include "reachd/core/block_hole.hpp"
#include "reachd/core/error.hpp"
#include "reachd/core/time.hpp"
#include "reachd/core/verdict.hpp"

#include <bitset>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace reachd {

inline constexpr unsigned most_strata = 256;
inline constexpr std::size_t most_kept_holes = 512; // more than strata and extra hosts can make

enum class block_ending : std::uint8_t {
    under_way,       // not at its end
    complete,        // every stratum was tried, and a control passed last
    no_control,      // no address passes: nothing can be told
    cut_short,       // the limit of probes was reached
    answers_for_all, // the negative control was answered: nothing that comes back proves anything
};
const char* to_string(block_ending value);

struct block_result {
    ip_block block;
    std::uint16_t port = 0;
    std::string vantage;
    hop edge;
    std::uint64_t seed = 0; // of the last round
    block_ending ending = block_ending::under_way;
    unsigned strata = 1;
    std::bitset<most_strata> covered; // strata with a sample that counts
    std::uint64_t clean = 0;
    std::uint64_t blocked = 0;
    std::uint64_t doubtful = 0;  // silent, yet no more than the loss may explain
    std::uint64_t undecided = 0; // strata of the last round
    std::uint64_t rounds = 1;
    wall_time since{};       // of the first round that counts
    std::vector<hole> holes; // of the last round

    bool operator==(const block_result&) const = default;
    [[nodiscard]] std::uint64_t n() const { return clean + blocked + doubtful; }
    // 95 % upper bound of the share that is not permitted; 1 where nothing is known.
    [[nodiscard]] double bound() const;
    // Every address is a stratum, and was sampled: nothing is left to chance.
    [[nodiscard]] bool is_exhaustive() const;
    [[nodiscard]] bool is_clean() const;
};

// Adds the round up; starts anew where a hole came or went, or the edge, the port or the strata changed.
// A round without any result of its own (no control passed) changes nothing.
block_result accumulate(const block_result& before, const block_result& round);

// One for a person; names at most most_told_holes holes.
std::string sentence(const block_result& what);
inline constexpr std::size_t most_told_holes = 4;

nlohmann::json to_json(const block_result& what);
parsed<block_result> parse_block_result(std::string_view text, std::string_view file);

} // namespace reachd
