// SPDX-License-Identifier: Apache-2.0
// block_samples.hpp: one whole sample of a block in a made-up world, for the tests of block_sample.
#pragma once

#include "reachd/core/block_sample.hpp"
#include "support/block_world.hpp"
#include "support/make.hpp"

#include <string>
#include <utility>
#include <vector>

namespace reachd::test {

inline block_target make_target_block(std::string_view block = "17.0.0.0/8")
{
    block_target out;
    out.block = make_block(block);
    out.port = 5223;
    out.edge.number = 3;
    out.passes = make_address(server_text);
    return out;
}

inline block_run
sampled(const block_target& target, block_world world, const block_sample_options& options = {})
{
    block_sample sample{target, 11, options};
    return run_block(sample, world);
}

inline block_world make_world(std::vector<world_hole> holes = {})
{
    block_world out;
    out.holes = std::move(holes);
    return out;
}

inline world_hole dropped(std::string_view where)
{
    return {make_block(where), block_answer::silent, {}};
}

inline std::vector<std::string> holes_of(const block_run& what)
{
    std::vector<std::string> texts;
    for (const auto& one : what.result.holes) {
        texts.push_back(to_text(one.where));
    }
    return texts;
}

using texts = std::vector<std::string>;

} // namespace reachd::test
