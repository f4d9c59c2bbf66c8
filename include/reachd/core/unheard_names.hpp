// SPDX-License-Identifier: Apache-2.0
// unheard_names.hpp: look-ups of names during which this program stood still.
#pragma once

#include "reachd/core/names.hpp"

namespace reachd {

// Whether somebody who was asked said nothing.
bool lacks_answers(const name_lookup& found);
// Who said nothing while this program stood still was not heard: not asked, by this machine's fault.
void blame_standstill(name_lookup& found);

} // namespace reachd
