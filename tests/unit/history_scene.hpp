// SPDX-License-Identifier: Apache-2.0
// history_scene.hpp: a row whose rounds and changes a history_watch is told of.
#pragma once

#include "reachd/core/history_watch.hpp"
#include "support/make.hpp"

#include <vector>

namespace reachd::test {

inline const wall_time now = make_wall(seconds{1'793'491'200}); // an hour begins
inline const row_key key{"cat", "row"};

inline history_batch changed(history_watch& watch, const scene& it, wall_time at)
{
    return watch.row_changed(it.what, it.site, 0, row_answer::unproven, at);
}

inline void answer(scene& it, std::size_t endpoint, bool open)
{
    it.site.rows[0].endpoints[endpoint].seen = open ? std::vector{make_seen(connected{})} : make_silence();
    it.evaluate();
}

} // namespace reachd::test
