// SPDX-License-Identifier: Apache-2.0
// at_exit.hpp: runs an action at the end of a scope, however the scope is left.
#pragma once

#include <utility>

namespace reachd {

template <class Action>
class at_exit {
public:
    explicit at_exit(Action action) : action_{std::move(action)} {}
    at_exit(const at_exit&) = delete;
    at_exit& operator=(const at_exit&) = delete;
    ~at_exit() { action_(); }

private:
    Action action_;
};

} // namespace reachd
